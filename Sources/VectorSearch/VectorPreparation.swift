/// Checks vectors and brings them into the form in which they are stored and searched with.
package enum VectorPreparation {
  /// Larger norms are refused: a product of two vectors at this bound still fits a 32-bit float.
  package static let largestNorm = 1e18

  /// Rows whose squared norm is this close to one are kept bit for bit, so that an export and its import change nothing.
  package static let unitTolerance = 1e-6

  /// The vector as it is stored: for the cosine metric of unit length, else unchanged.
  ///
  /// - Parameter dimension: The number of components that `values` must have.
  /// - Throws: ``VectorError``.
  /// - Complexity: O(dimension).
  package static func prepare(_ values: [Float], dimension: Int, metric: RowMetric) throws(VectorError) -> [Float] {
    guard values.count == dimension else { throw .dimensionMismatch(expected: dimension, found: values.count) }
    let squared = squaredNorm(values.span)
    guard squared.isFinite else {
      // The sum of squares of finite 32-bit floats always fits a Double, so one component is not finite.
      throw .notFinite(index: values.firstIndex { !$0.isFinite } ?? 0)
    }
    let norm = squared.squareRoot()
    guard norm <= largestNorm else { throw .normTooLarge(norm) }
    guard metric == .cosine else { return values }
    guard norm > 0 else { throw .zeroNorm }
    if abs(squared - 1) <= unitTolerance { return values }
    // A loop over memory that exists, unlike `map`, divides several components at once.
    var scaled = values
    var components = scaled.mutableSpan
    for index in components.indices { components[index] = Float(Double(components[index]) / norm) }
    return scaled
  }

  /// ‖x‖², summed in Double over four interleaved parts, always in the same order.
  package static func squaredNorm(_ values: Span<Float>) -> Double {
    var sums = SIMD4<Double>(repeating: 0)
    var index = 0
    while index + 4 <= values.count {
      let part = SIMD4<Double>(
        Double(values[index]), Double(values[index + 1]), Double(values[index + 2]), Double(values[index + 3]))
      sums += part * part
      index += 4
    }
    var sum = sums[0] + sums[1] + sums[2] + sums[3]
    while index < values.count {
      sum += Double(values[index]) * Double(values[index])
      index += 1
    }
    return sum
  }
}
