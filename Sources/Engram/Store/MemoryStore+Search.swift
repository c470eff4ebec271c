import Metrics
import VectorSearch

extension MemoryStore {
  /// Memories most similar to a query; see ``MemorySnapshot/search(_:)``.
  ///
  /// Blocks the caller's thread for as long as it reads rows.
  public func search(_ query: SearchQuery) throws -> [SearchResult] {
    try search(batch: [query])[0]
  }

  /// Many searches of one instant, in one pass over the rows.
  ///
  /// - Returns: For each query, in order, its results.
  public func search(batch queries: [SearchQuery]) throws -> [[SearchResult]] {
    try search(batch: queries) { try Task.checkCancellation() }
  }

  private func search(batch queries: [SearchQuery], check: @escaping () throws -> Void) throws -> [[SearchResult]] {
    let start = ContinuousClock.now
    let results = try readOnce { try ExactSearch($0, check: check).results(queries) }
    StoreMetrics.searches.increment(by: queries.count)
    StoreMetrics.searchTimer.recordNanoseconds((ContinuousClock.now - start).nanoseconds)
    return results
  }

  /// Memories most similar to a text, which the store's embedder turns into a vector.
  ///
  /// - Returns: At most `limit` results, best score first, equal scores in ascending order of id.
  /// Runs on a thread of its own if the scope has many rows: no thread of the cooperative pool is blocked for longer than some milliseconds.
  /// - Throws: ``StoreError`` `.embedderRequired` if the store was opened without an embedder, and those of a search by vector.
  @concurrent
  public func search(
    _ text: String, scope: SearchScope, limit: Int = 10, threshold: Float? = nil, filter: Filter? = nil,
    includesSuperseded: Bool = false, includesExplanation: Bool = false
  ) async throws -> [SearchResult] {
    try Limits.checkText(text)
    try Limits.check(scope)
    let embedding = try await embed([text], isQuery: true)[0]
    let query = SearchQuery(
      embedding: embedding, scope: scope, limit: limit, threshold: threshold, filter: filter, includesSuperseded: includesSuperseded,
      includesExplanation: includesExplanation)
    guard try rowBytes(in: scope) > Self.cooperativeBytes else { return try search(query) }
    return try await onCancellableThread { check in try self.search(batch: [query], check: check)[0] }
  }

  /// Rows that are searched in about ten milliseconds.
  private static var cooperativeBytes: Int { 64 << 20 }

  /// How many bytes of rows a search of the scope reads, about.
  private func rowBytes(in scope: SearchScope) throws -> Int {
    try readOnce { reader in
      let rows =
        if let users = reader.users(of: scope) {
          try users.reduce(0) { rows, user in try rows + (reader.user(user.key, user.userID)?.rows ?? 0) }
        } else {
          try reader.state().rowsLive
        }
      return rows * (reader.generation.rows?.header.strideBytes ?? 0)
    }
  }
}
