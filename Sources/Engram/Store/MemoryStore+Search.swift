import Metrics

extension MemoryStore {
  /// Memories most similar to a query; see ``MemorySnapshot/search(_:)``.
  public func search(_ query: SearchQuery) throws -> [SearchResult] {
    try search(batch: [query])[0]
  }

  /// Many searches of one instant, in one pass over the rows.
  ///
  /// - Returns: For each query, in order, its results.
  public func search(batch queries: [SearchQuery]) throws -> [[SearchResult]] {
    let start = ContinuousClock.now
    let results = try readOnce { try ExactSearch($0).results(queries) }
    StoreMetrics.searches.increment(by: queries.count)
    StoreMetrics.searchTimer.recordNanoseconds((ContinuousClock.now - start).nanoseconds)
    return results
  }

  /// Memories most similar to a text, which the store's embedder turns into a vector.
  ///
  /// - Returns: At most `limit` results, best score first, equal scores in ascending order of id.
  /// - Throws: ``StoreError`` `.embedderRequired` where the store was opened without an embedder, and those of a search by vector.
  @concurrent
  public func search(
    _ text: String, scope: SearchScope, limit: Int = 10, threshold: Float? = nil, filter: Filter? = nil, explains: Bool = false
  ) async throws -> [SearchResult] {
    try Limits.checkText(text)
    let embedding = try await embed([text])[0]
    return try search(
      SearchQuery(embedding: embedding, scope: scope, limit: limit, threshold: threshold, filter: filter, explains: explains))
  }
}
