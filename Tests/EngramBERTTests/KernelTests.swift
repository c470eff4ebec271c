import CBertKernels
import Foundation
import TestSupport
import Testing

/// Every instruction set level of this processor, compared with plain arithmetic in double precision.
struct KernelTests {
  static let levels = Array(0...bert_best_level())

  @Test(arguments: levels)
  func linearEqualsPlainSums(level: Int32) {
    var generator = SeededGenerator(seed: 1)
    for (rows, inputs, outputs) in [(1, 1, 1), (2, 15, 5), (5, 16, 4), (6, 33, 9), (7, 384, 12), (13, 31, 3), (4, 70, 8), (3, 48, 17)] {
      let input = floats(rows * inputs, &generator)
      let weights = floats(outputs * inputs, &generator)
      let bias = floats(outputs, &generator)
      var output = [Float](repeating: .nan, count: rows * outputs)
      unsafe bert_linear(level, input, rows, inputs, weights, bias, outputs, &output)
      for row in 0..<rows {
        for column in 0..<outputs {
          let expected = (0..<inputs).reduce(Double(bias[column])) {
            $0 + Double(input[row * inputs + $1]) * Double(weights[column * inputs + $1])
          }
          #expect(abs(Double(output[row * outputs + column]) - expected) < 1e-4, "\(rows) × \(inputs) × \(outputs): \(row), \(column)")
        }
      }
    }
  }

  @Test(arguments: levels)
  func aRowDoesNotDependOnTheOthers(level: Int32) {
    var generator = SeededGenerator(seed: 2)
    let (rows, inputs, outputs) = (23, 77, 10)
    let input = floats(rows * inputs, &generator)
    let weights = floats(outputs * inputs, &generator)
    let bias = floats(outputs, &generator)
    var together = [Float](repeating: 0, count: rows * outputs)
    unsafe bert_linear(level, input, rows, inputs, weights, bias, outputs, &together)
    for row in 0..<rows {
      var alone = [Float](repeating: 0, count: outputs)
      unsafe bert_linear(level, Array(input[row * inputs..<(row + 1) * inputs]), 1, inputs, weights, bias, outputs, &alone)
      #expect(alone == Array(together[row * outputs..<(row + 1) * outputs]))
    }
  }

  @Test(arguments: levels)
  func geluIsThatOfTheErrorFunction(level: Int32) {
    let values = stride(from: Float(-12), through: 12, by: 0.013).map { $0 } + [0, -100, 100, -1e30, 1e30]
    var results = values
    unsafe bert_gelu(level, &results, results.count)
    for (value, result) in zip(values, results) {
      let expected = Double(value) * 0.5 * (1 + erf(Double(value) / 2.0.squareRoot()))
      #expect(abs(Double(result) - expected) <= 2e-6 * max(1, abs(expected)), "\(value)")
    }
  }

  @Test(arguments: levels)
  func normalizedRowsHaveTheGivenScaleAndShift(level: Int32) {
    var generator = SeededGenerator(seed: 3)
    for width in [1, 7, 16, 40, 384] {
      let rows = 3
      let (values, residual) = (floats(rows * width, &generator), floats(rows * width, &generator))
      let (scale, shift) = (floats(width, &generator), floats(width, &generator))
      for added in [residual, nil] {
        var results = values
        unsafe bert_add_norm(level, &results, added, scale, shift, 1e-6, rows, width)
        for row in 0..<rows {
          let sums = (0..<width).map { Double(values[row * width + $0]) + Double(added?[row * width + $0] ?? 0) }
          let mean = sums.reduce(0, +) / Double(width)
          let variance = sums.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
          for column in 0..<width {
            let expected = (sums[column] - mean) / (variance + 1e-6).squareRoot() * Double(scale[column]) + Double(shift[column])
            #expect(abs(Double(results[row * width + column]) - expected) < 1e-4, "width \(width)")
          }
        }
      }
    }
  }

  @Test(arguments: levels)
  func attentionIsTheWeightedMeanOfValues(level: Int32) {
    var generator = SeededGenerator(seed: 4)
    for (tokens, heads, width) in [(1, 1, 8), (2, 3, 5), (15, 2, 16), (17, 1, 32), (33, 2, 24)] {
      let hidden = heads * width
      let query = floats(tokens * hidden, &generator).map { 4 * $0 }
      let (key, value) = (floats(tokens * hidden, &generator), floats(tokens * hidden, &generator))
      var output = [Float](repeating: .nan, count: tokens * hidden)
      var scratch = [Float](repeating: .nan, count: bert_attention_scratch(tokens, width))
      // In two parts, as two threads do it.
      unsafe bert_attention(level, query, key, value, tokens, 0, tokens / 2, heads, width, &output, &scratch)
      unsafe bert_attention(level, query, key, value, tokens, tokens / 2, tokens, heads, width, &output, &scratch)
      for head in 0..<heads {
        for row in 0..<tokens {
          let scores = (0..<tokens).map { other in
            (0..<width).reduce(0.0) {
              $0 + Double(query[row * hidden + head * width + $1]) * Double(key[other * hidden + head * width + $1])
            } / Double(width).squareRoot()
          }
          let powers = scores.map { exp($0 - scores.max()!) }  // At least one token.
          let total = powers.reduce(0, +)
          for column in head * width..<(head + 1) * width {
            let expected = (0..<tokens).reduce(0.0) { $0 + powers[$1] / total * Double(value[$1 * hidden + column]) }
            #expect(abs(Double(output[row * hidden + column]) - expected) < 1e-5, "\(tokens) tokens, \(heads) heads of \(width)")
          }
        }
      }
    }
  }

  private func floats(_ count: Int, _ generator: inout SeededGenerator) -> [Float] {
    (0..<count).map { _ in Float.random(in: -1...1, using: &generator) }
  }
}
