import Foundation

/// How scores are estimated by coarse codes, for a search that may miss a result now and then.
///
/// A code says that a row is x = μ + y, y = s·b + e. With ρ = ‖e‖ / ‖y‖ a row of the score ⟨μ, q⟩ + t has the estimate s·⟨q, b⟩ = (1 − ρ²)·t − ν·‖e‖·‖q‖, where
/// ν is about as large as 1/√d if all dimensions are used alike: FileFormat.md ("codes") says why. A sample of the scope's rows, scored from all
/// components, tells how large ν and how different ρ are for the query at hand. A row whose error is much larger in relation to its scale than those of
/// the sample is of another kind, as one that uses few dimensions among others that use all: no estimate excludes it.
package struct ScoreEstimate: Sendable {
  /// 1 / (1 − ρ²): the estimate times this is as large as the score, without ⟨μ, q⟩.
  let scale: Double
  /// This share of ‖e‖·‖q‖ is added: rarely is a score larger than that.
  let margin: Double
  /// Estimates hold for rows whose ‖e‖ is at most so many times |s|.
  let largestError: Double

  private static let sampleCount = 256
  /// From this share on, estimates exclude few rows more than bounds do.
  private static let largestMargin = 0.5
  /// Of a row's ‖e‖ / |s| and the median of the sample. With a ratio of 1.3, ρ² is larger by about a half: the estimate is a twentieth too low.
  private static let largestRatio = 1.3
  /// Added to the deviations that the recall asks for: the sample tells them to a few percent.
  private static let reserve = 0.7

  /// - Parameters:
  ///   - spans: The rows that are searched.
  ///   - recall: The expected share of the results that is found, less than 1.
  /// - Returns: Nil if estimates are useless for these rows and this query.
  /// - Complexity: O(dimension), about 100 µs for 384 components.
  init?(_ rows: RowFile, _ codes: CodeReading, query: [Float], spans: [RowSpan], recall: Double) {
    let deviations = Self.deviations(recall)
    let sample = Deviation.sample(rows, codes, query, Self.sample(spans))
    // Too few rows to tell have codes.
    guard sample.count >= Self.sampleCount / 2, deviations.isFinite else { return nil }
    let median = sample.map(\.relativeError).sorted()[sample.count / 2]
    largestError = median * Self.largestRatio
    let measured = sample.filter { $0.relativeError <= median * Self.largestRatio }
    let count = Double(measured.count)
    let lost = measured.reduce(0) { $0 + $1.lost } / count
    let spread = (measured.reduce(0) { $0 + ($1.lost - lost) * ($1.lost - lost) } / count).squareRoot()
    let error = (measured.reduce(0) { $0 + $1.error * $1.error } / count).squareRoot()
    let worst = measured.reduce(0) { max($0, $1.error) }
    guard lost < 1 else { return nil }
    scale = 1 / (1 - lost)
    let random = max(deviations * error, deviations / Double(query.count).squareRoot(), worst)
    // At most, t is ‖q‖·‖y‖ = ‖q‖·‖e‖/ρ.
    let systematic = lost > 0 ? deviations * spread / lost.squareRoot() : 0
    margin = scale * (random * random + systematic * systematic).squareRoot()
    if !(margin < Self.largestMargin) { return nil }
  }

  /// How many deviations below its mean a normal variable is with this probability at the most, and a reserve.
  private static func deviations(_ recall: Double) -> Double {
    // By halving: the function grows, and its value at 9 is 1.
    var (low, high) = (0.0, 9.0)
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if 1 - erfc(middle / 2.0.squareRoot()) / 2 < recall { low = middle } else { high = middle }
    }
    return high + reserve
  }

  /// Rows that are far from each other.
  private static func sample(_ spans: [RowSpan]) -> [Int] {
    (0..<min(sampleCount, spans.count * RowFile.blockCapacity)).compactMap { number in
      let span = spans[number * spans.count / sampleCount]
      if span.live == 0 { return nil }
      // Of several in one span, each another one.
      var live = span.live
      for _ in 0..<number * 37 % span.live.nonzeroBitCount { live &= live - 1 }
      return span.firstRow + live.trailingZeroBitCount
    }
  }

  /// By how much the estimate of a row is off.
  private struct Deviation {
    /// ρ².
    let lost: Double
    /// By how much the estimate is too low, as a share of ‖e‖·‖q‖.
    let error: Double
    /// ‖e‖ / |s|.
    let relativeError: Double

    /// - Returns: Those of the rows that have a code.
    static func sample(_ rows: RowFile, _ codes: CodeReading, _ query: [Float], _ sample: [Int]) -> [Deviation] {
      let file = codes.file
      let estimate = CodeQuery(query, mean: file.mean, .coarse, ScoreEstimate(scale: 1, margin: 0, largestError: .infinity))
      let length = Double(estimate.norm)
      let mean = file.mean
      let meanSquare = mean.reduce(0) { $0 + Double($1) * Double($1) }
      for row in sample { rows.prefetch(row: row) }
      return sample.compactMap { row in
        guard row < codes.rowCount, codes.trusted(firstRow: row, count: 1) == 1 else { return nil }
        let own = Double(rows.squaredNorm(ofRow: row))
        let common = Double(rows.score(query: mean.span, row: row))
        let (square, code) = (own - 2 * common + meanSquare, file.metadata(.coarse, row: row))
        let radius = Double(code.error)
        let lost = min(1, radius * radius / square)
        let score = Double(rows.score(query: query.span, row: row)) - estimate.center
        let error = ((1 - lost) * score - Double(file.bound(.coarse, row: row, estimate))) / (radius * length)
        let relativeError = radius / Double(abs(code.scale))
        return square > 0 && error.isFinite && relativeError.isFinite
          ? Deviation(lost: lost, error: error, relativeError: relativeError) : nil
      }
    }
  }

  private init(scale: Double, margin: Double, largestError: Double) {
    (self.scale, self.margin, self.largestError) = (scale, margin, largestError)
  }
}
