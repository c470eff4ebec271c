public import Foundation
import VectorSearch

extension MemoryStore {
  /// Memories most similar to a query; see ``MemorySnapshot/search(_:)``.
  ///
  /// Blocks the caller's thread for as long as it reads rows.
  public func search(_ query: SearchQuery) throws -> [SearchResult] {
    try search(batch: [query])[0]
  }

  /// Runs many searches on the same commit.
  ///
  /// - Returns: For each query, in order, its results.
  public func search(batch queries: [SearchQuery]) throws -> [[SearchResult]] {
    try search(batch: queries) { try Task.checkCancellation() }
  }

  private func search(batch queries: [SearchQuery], check: @escaping () throws -> Void) throws -> [[SearchResult]] {
    try SearchMetrics.measured(queries.count) {
      try readOnce { try ExactSearch($0, check: check).results(queries) }
    }
  }

  /// Memories that a text finds, by words, by meaning, or by both; see ``MemorySnapshot/search(_:)-(TextQuery)``.
  ///
  /// Blocks the caller's thread, and calls no embedder:
  /// ``search(_:scope:mode:limit:threshold:minimumFusedScore:filter:ranking:neighbors:asOf:includesSuperseded:includesExplanation:)`` does.
  public func search(_ query: TextQuery) throws -> [SearchResult] {
    try search(query, embedder: nil) { try Task.checkCancellation() }
  }

  /// - Parameter embedder: The embedder that made the query's embedding; nil: the caller has given it, or there is none.
  private func search(_ query: TextQuery, embedder: EmbedderIdentity?, check: @escaping () throws -> Void) throws -> [SearchResult] {
    try SearchMetrics.measured(1) {
      try readOnce { reader in
        if let embedder { try reader.require(embedder) }
        return try TextSearch(reader, check: check).results(query)
      }
    }
  }

  /// Memories that a text finds: by its words, and by the vector that the store's embedder makes of it. ``TextQuery`` describes the
  /// ranking.
  ///
  /// Runs on a thread of its own if the scope is large: no thread of the cooperative pool is blocked for longer than some milliseconds.
  /// - Parameters:
  ///   - threshold: Memories whose similarity to the text is less, or that have no embedding, are left out; nil: none are.
  ///   - minimumFusedScore: Results whose score is less are left out.
  ///   - ranking: What counts beside words and meaning, such as the age of a memory.
  ///   - neighbors: How many memories before and after each result come with it.
  ///   - asOf: The time whose memories are searched, see ``TextQuery/asOf``; nil: now.
  /// - Returns: At most `limit` results, best score first, equal scores in ascending order of id. If the store was opened without an
  ///   embedder, a hybrid search compares words alone.
  /// - Throws: ``StoreError`` `.embedderRequired` for a dense search in a store that was opened without an embedder, and those of
  ///   ``search(_:)-(TextQuery)``; `.embedderMismatch` if the store has moved to another embedder; what the embedder throws.
  @concurrent
  public func search(
    _ text: String, scope: SearchScope, mode: SearchMode = .hybrid, limit: Int = 10, threshold: Float? = nil,
    minimumFusedScore: Float? = nil, filter: Filter? = nil, ranking: TextRanking = TextRanking(), neighbors: Int = 0,
    asOf: Date? = nil, includesSuperseded: Bool = false, includesExplanation: Bool = false
  ) async throws -> [SearchResult] {
    var query = TextQuery(
      text, scope: scope, mode: mode, limit: limit, threshold: threshold, minimumFusedScore: minimumFusedScore, filter: filter,
      ranking: ranking, neighbors: neighbors, asOf: asOf, includesSuperseded: includesSuperseded, includesExplanation: includesExplanation)
    try Limits.check(query)
    var used: EmbedderIdentity?
    if mode == .dense || mode == .hybrid && hasEmbedder {
      let embedder = try requireEmbedder()
      query.embedding = try await embedder.embedChecked([text], isQuery: true)[0]
      used = embedder.identity
    }
    let isLarge =
      try mode == .dense ? rowBytes(in: scope) > Self.cooperativeBytes : count(scope: scope, filter: nil) > cooperativeMemories
    guard isLarge else { return try search(query, embedder: used) { try Task.checkCancellation() } }
    return try await onCancellableThread { [query, used] check in try self.search(query, embedder: used, check: check) }
  }

  /// Bytes of rows that are searched in about ten milliseconds.
  private static var cooperativeBytes: Int { 64 << 20 }
  /// Memories whose words are read in the same time.
  private var cooperativeMemories: Int {
    get throws { try readOnce { try $0.has(Tables.Words.self) } ? 20_000 : 2000 }
  }

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
