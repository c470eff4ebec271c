import CSearchKernels

/// What the bounds of a query's scores are computed with: the query in 8 bits a component, and how far that is from it.
package struct CodeQuery: Sendable {
  let values: [Int8]
  // SAFETY: four numbers, which no thread changes.
  let parameters: search_code_query
  /// The dot product of the mean and the query: bounds are without it.
  let center: Double
  /// Whether its bounds are never lower than scores.
  let isExact: Bool
  /// That of the query.
  let norm: Float

  /// - Parameters:
  ///   - query: Finite components.
  ///   - mean: What the codes are centered on.
  ///   - estimate: Nil: bounds are never lower than scores. Otherwise they are rarely lower.
  package init(_ query: [Float], mean: [Float], _ tier: CodeTier, _ estimate: ScoreEstimate? = nil) {
    precondition(query.count == mean.count, "a query has the dimension of the mean")
    let count = search_code_bytes(query.count, tier.bits) * 8 / Int(tier.bits)
    var parameters = search_code_query()
    var center = 0.0
    // SAFETY: the function writes so many bytes.
    values = unsafe [Int8](unsafeUninitializedCapacity: count) { buffer, initialized in
      center = unsafe search_prepare_code_query(query, mean, query.count, tier.bits, buffer.baseAddress!, &parameters)
      initialized = count
    }
    norm = parameters.norm
    isExact = estimate == nil
    if let estimate {
      // Rounding the query is a small part of what the sample was off by.
      parameters.residual = 0
      parameters.scale *= Float(estimate.scale)
      parameters.norm *= Float(estimate.margin)
      parameters.largestError = Float(estimate.largestError)
    }
    self.parameters = parameters
    self.center = center
  }

  /// The bound below which no row scores at least `score`: one step lower than the difference, so that rows of equal scores stay.
  package func threshold(_ score: Float) -> Float { Self.threshold(score, center: center) }

  /// - Parameter center: ``center`` of the query.
  static func threshold(_ score: Float, center: Double) -> Float { Float(Double(score) - center).nextDown }
}
