import VectorSearch

extension MemorySnapshot {
  /// A memory of the user.
  ///
  /// - Returns: Nil if the user has no such memory or it has expired; a memory of another user counts as absent.
  /// - Throws: ``StoreError`` `.invalidUserID`, `.corrupted`, `.snapshotExpired`; the snapshot stays usable.
  /// - Complexity: O(log memories), a few microseconds.
  public func memory(_ id: MemoryID, for userID: String) throws -> Memory? {
    try read { try $0.liveMemoryRecord(id, of: userID)?.memory }
  }

  /// The user's memory with the dedupe key.
  ///
  /// - Returns: Nil if the user has none or it has expired.
  /// - Throws: ``StoreError`` `.invalidUserID`; `.valueTooLarge` for a key above 1024 UTF-8 bytes; `.corrupted`, `.snapshotExpired`.
  /// - Complexity: O(log memories).
  public func memory(dedupeKey: String, for userID: String) throws -> Memory? {
    try read { try $0.liveMemoryRecord(dedupeKey: dedupeKey, of: userID)?.memory }
  }

  /// The user's memories directly before and after one of them, such as the messages around a message that a search has found.
  ///
  /// - Parameter count: The most of each side; at least 1.
  /// - Returns: Up to `count` memories before it and up to `count` after it, without it, by `createdAt`, equal times by id, the oldest
  ///   first. None if the user has no memory with the id, or it has expired. Expired memories are left out and do not count.
  /// - Throws: ``StoreError`` `.invalidUserID`, `.invalidArgument`, `.corrupted`, `.snapshotExpired`.
  /// - Complexity: O(log memories + count).
  public func neighbors(of id: MemoryID, for userID: String, count: Int) throws -> [Memory] {
    try read { try $0.neighbors(of: id, for: userID, count: count) }
  }

  /// Earlier versions of a memory of the user, the newest first, each with its ``Memory/version``; without embeddings.
  ///
  /// The store keeps ``StoreOptions/historyLimit`` of them, and deletes them with the memory.
  ///
  /// - Parameter limit: The most to return; not negative.
  /// - Returns: None if the memory was never changed, or is absent, as for ``memory(_:for:)``.
  /// - Throws: ``StoreError`` `.invalidUserID`, `.invalidArgument`, `.corrupted`, `.snapshotExpired`.
  /// - Complexity: O(log memories + versions).
  public func history(of id: MemoryID, for userID: String, limit: Int = 16) throws -> [Memory] {
    try read { try $0.history(of: id, for: userID, limit: limit) }
  }

  /// A copy of the embedding of a memory of the user, as it is stored: for the cosine metric of unit length.
  ///
  /// - Returns: `dimension` components; nil if the memory has no embedding or is absent, as for ``memory(_:for:)``.
  /// - Throws: ``StoreError`` `.invalidUserID`; `.corrupted` if the row does not have the checksum in its record; `.snapshotExpired`.
  public func embedding(of id: MemoryID, for userID: String) throws -> Embedding? {
    try withEmbedding(of: id, for: userID) { components in Embedding((0..<components.count).map { components[$0] }) }
  }

  /// Lends the row of a memory of the user without copying it.
  ///
  /// - Parameter body: Gets `dimension` components, valid for the call.
  /// - Returns: Nil if the memory has no embedding or is absent, as for ``memory(_:for:)``.
  /// - Throws: As ``embedding(of:for:)``, and what `body` throws.
  public func withEmbedding<Value>(
    of id: MemoryID, for userID: String, _ body: (Span<Float>) throws -> Value
  ) throws -> Value? {
    let found = try read { reader -> (rows: RowFile, row: Int)? in
      guard let reference = try reader.liveMemoryRecord(id, of: userID)?.row else { return nil }
      guard let rows = try reader.rows() else { throw StoreError(.corrupted, "memory \(id) names a row, and the store has none") }
      guard try reference.row < reader.state().rowsHigh else {
        throw StoreError(.corrupted, "memory \(id) names row \(reference.row), beyond the last one")
      }
      try rows.verify(row: reference.row, checksum: reference.checksum)
      return (rows, reference.row)
    }
    // Outside the read, so that `body` may use the snapshot: a published row never changes.
    guard let found else { return nil }
    return try body(found.rows.row(found.row))
  }

  /// How many memories of the scope the filter matches; nil matches all.
  ///
  /// - Throws: ``StoreError`` `.invalidArgument`, `.invalidUserID`, `.corrupted`; `CancellationError` if there is a filter.
  /// - Complexity: O(users in scope + expired memories) without a filter. O(memories in scope) with one: blocks the caller's thread.
  public func count(scope: SearchScope = .all, filter: Filter? = nil) throws -> Int {
    try read { try $0.checkedCount(scope, filter) }
  }

  /// A page of a user's memories by time.
  ///
  /// - Parameters:
  ///   - newestFirst: The direction.
  ///   - cursor: ``Page/next`` of the page before; nil for the first page.
  ///   - limit: The most memories of a page; at least 1.
  ///   - filter: Only memories that match are returned; the page is filled with such up to `limit`. The filter may differ from page to
  ///     page.
  /// - Returns: At most `limit` memories by `createdAt`, equal times by id.
  /// - Throws: ``StoreError`` `.invalidArgument` for a limit below 1, a number or time in the filter that is not finite, or a cursor that
  ///   is damaged or of another listing; `.invalidUserID`, `.corrupted`. `CancellationError` if a filter leaves out thousands of memories
  ///   and the task is cancelled meanwhile.
  /// - Complexity: O(log memories + memories that are passed).
  public func memories(
    for userID: String, newestFirst: Bool = true, after cursor: PageCursor? = nil, limit: Int = 100, filter: Filter? = nil
  ) throws -> Page<Memory> {
    try memories(scope: .user(userID), newestFirst: newestFirst, after: cursor, limit: limit, filter: filter)
  }

  /// A page of the memories of a scope; as ``memories(for:newestFirst:after:limit:filter:)``.
  ///
  /// - Returns: For one user or several, memories by `createdAt`, equal times by id. For all users, memories by id: in the order in which
  ///   the ids were made, even if `createdAt` differs.
  /// - Complexity: With several users, O(users) for each memory that is passed.
  public func memories(
    scope: SearchScope, newestFirst: Bool = true, after cursor: PageCursor? = nil, limit: Int = 100, filter: Filter? = nil
  ) throws -> Page<Memory> {
    try read { try $0.page(of: scope, newestFirst: newestFirst, after: cursor, limit: limit, filter: filter) }
  }

  /// A page of a session's memories by time, such as a conversation.
  ///
  /// - Parameters:
  ///   - newestFirst: The direction.
  ///   - cursor: ``Page/next`` of the page before; nil for the first page.
  ///   - limit: The most memories of a page; at least 1.
  ///   - filter: Only memories that match are returned; the page is filled with such up to `limit`.
  /// - Returns: At most `limit` memories by `createdAt`, equal times by id: the oldest first unless `newestFirst` is set. None if the user
  ///   has no such session; a session of another user with the same id is not included.
  /// - Throws: As ``memories(for:newestFirst:after:limit:filter:)``; `.valueTooLarge` for a session id above 1,024 UTF-8 bytes.
  /// - Complexity: O(log memories + memories that are passed), whatever else the user has. O(the user's memories) in a store that an
  ///   earlier version made, until its index of sessions is built: see ``StoreInspection/missingTables``.
  public func memories(
    inSession sessionID: String, for userID: String, newestFirst: Bool = false, after cursor: PageCursor? = nil, limit: Int = 100,
    filter: Filter? = nil
  ) throws -> Page<Memory> {
    try read {
      try $0.page(ofSession: sessionID, of: userID, newestFirst: newestFirst, after: cursor, limit: limit, filter: filter)
    }
  }

  /// Calls `body` with every memory of all users in the order of ids, until it returns false. Blocks the caller's thread.
  ///
  /// - Throws: ``StoreError``; what `body` throws; `CancellationError` once the task is cancelled, at the next 256th memory.
  public func forEachMemory(_ body: (Memory) throws -> Bool) throws {
    var last: MemoryID?
    while true {
      try Task.checkCancellation()
      // A page at a time, so that `body` may use the snapshot.
      var page: [Memory] = []
      try read { reader in
        try reader.forEachMemory(after: last) { record in
          page.append(record.memory)
          return page.count < 256
        }
      }
      for memory in page where try !body(memory) { return }
      guard page.count == 256 else { return }
      last = page[255].id
    }
  }

  /// Memories most similar to a query.
  ///
  /// - Returns: At most `limit` results, best score first, equal scores in ascending order of id.
  /// - Throws: ``StoreError`` `.dimensionMismatch`, `.notFinite`, `.zeroNorm`, `.normTooLarge`, `.invalidArgument`, `.invalidUserID`,
  ///   `.corrupted`; `CancellationError` if the task is cancelled while many rows are searched. The snapshot stays usable.
  /// - Complexity: O(rows in scope × dimension).
  public func search(_ query: SearchQuery) throws -> [SearchResult] {
    try search(batch: [query])[0]
  }

  /// Memories that a text finds, by words, by meaning, or by both: see ``TextQuery``.
  ///
  /// - Returns: At most `limit` results, best score first, equal scores in ascending order of id.
  /// - Throws: ``StoreError`` `.invalidArgument`, `.invalidUserID`, `.valueTooLarge`; `.embeddingRequired` for a dense search without an
  ///   embedding; those of ``search(_:)-(SearchQuery)`` for the embedding; `CancellationError`. The snapshot stays usable.
  /// - Complexity: O(the texts in scope), some microseconds a memory, and O(rows in scope × dimension) with an embedding.
  public func search(_ query: TextQuery) throws -> [SearchResult] {
    try SearchMetrics.measured(1) { try read { try TextSearch($0).results(query) } }
  }

  /// The same search, but with words from the memories' records instead of the index: the torture harness compares both.
  package func searchIgnoringIndex(_ query: TextQuery) throws -> [SearchResult] {
    try read { try TextSearch($0).results(query, ignoresIndex: true) }
  }

  /// Runs many searches on the same commit.
  ///
  /// - Returns: For each query, in order, its results.
  public func search(batch queries: [SearchQuery]) throws -> [[SearchResult]] {
    try SearchMetrics.measured(queries.count) { try read { try ExactSearch($0).results(queries) } }
  }
}
