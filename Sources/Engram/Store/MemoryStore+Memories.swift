import Formats

extension MemoryStore {
  // MARK: Reading

  /// A memory of the user; see ``MemorySnapshot/memory(_:for:)``.
  public func memory(_ id: MemoryID, for userID: String) throws -> Memory? {
    try readOnce { try $0.liveMemoryRecord(id, of: userID)?.memory }
  }

  /// The user's memory with the dedupe key; see ``MemorySnapshot/memory(dedupeKey:for:)``.
  public func memory(dedupeKey: String, for userID: String) throws -> Memory? {
    try readOnce { try $0.liveMemoryRecord(dedupeKey: dedupeKey, of: userID)?.memory }
  }

  /// The user's memories directly before and after one of them, the oldest first; see ``MemorySnapshot/neighbors(of:for:count:)``.
  public func neighbors(of id: MemoryID, for userID: String, count: Int) throws -> [Memory] {
    try readOnce { try $0.neighbors(of: id, for: userID, count: count) }
  }

  /// Earlier versions of a memory of the user, the newest first; see ``MemorySnapshot/history(of:for:limit:)``.
  public func history(of id: MemoryID, for userID: String, limit: Int = 16) throws -> [Memory] {
    try readOnce { try $0.history(of: id, for: userID, limit: limit) }
  }

  /// The embedding of a memory of the user; see ``MemorySnapshot/embedding(of:for:)``.
  public func embedding(of id: MemoryID, for userID: String) throws -> Embedding? {
    try read { try $0.embedding(of: id, for: userID) }
  }

  /// Lends the row of a memory of the user without copying it; see ``MemorySnapshot/withEmbedding(of:for:_:)``.
  public func withEmbedding<Value>(
    of id: MemoryID, for userID: String, _ body: (Span<Float>) throws -> Value
  ) throws -> Value? {
    try read { try $0.withEmbedding(of: id, for: userID, body) }
  }

  /// How many memories of the scope the filter matches; nil matches all.
  ///
  /// - Throws: ``StoreError`` `.invalidArgument`, `.invalidUserID`, `.corrupted`; `CancellationError` if there is a filter.
  /// - Complexity: O(users in scope + expired memories) without a filter. O(memories in scope) with one: blocks the caller's thread; in
  ///   asynchronous code ``count(scope:filter:progress:)`` uses one of its own.
  public func count(scope: SearchScope = .all, filter: Filter? = nil) throws -> Int {
    try readOnce { try $0.checkedCount(scope, filter) }
  }

  /// A page of a user's memories by time; see ``MemorySnapshot/memories(for:newestFirst:after:limit:filter:)``.
  public func memories(
    for userID: String, newestFirst: Bool = true, after cursor: PageCursor? = nil, limit: Int = 100, filter: Filter? = nil
  ) throws -> Page<Memory> {
    try memories(scope: .user(userID), newestFirst: newestFirst, after: cursor, limit: limit, filter: filter)
  }

  /// A page of the memories of a scope; see ``MemorySnapshot/memories(scope:newestFirst:after:limit:filter:)``.
  public func memories(
    scope: SearchScope, newestFirst: Bool = true, after cursor: PageCursor? = nil, limit: Int = 100, filter: Filter? = nil
  ) throws -> Page<Memory> {
    try readOnce { try $0.page(of: scope, newestFirst: newestFirst, after: cursor, limit: limit, filter: filter) }
  }

  /// A page of a session's memories by time, the oldest first; see
  /// ``MemorySnapshot/memories(inSession:for:newestFirst:after:limit:filter:)``.
  public func memories(
    inSession sessionID: String, for userID: String, newestFirst: Bool = false, after cursor: PageCursor? = nil, limit: Int = 100,
    filter: Filter? = nil
  ) throws -> Page<Memory> {
    try readOnce {
      try $0.page(ofSession: sessionID, of: userID, newestFirst: newestFirst, after: cursor, limit: limit, filter: filter)
    }
  }

  // MARK: Writing

  /// Replaces a memory of the user by a changed copy of it.
  ///
  /// The replaced version becomes history, see ``history(of:for:limit:)``.
  ///
  /// - Parameters:
  ///   - version: The version that the memory must have now, see ``Memory/version``; nil: any.
  ///   - embedding: The new embedding. Nil keeps the old one; with a new text, speaker or caption, the store's embedder makes it.
  ///   - transform: Returns the changed copy, made by `with(…)`. May run more than once, with the memory as it then is; not called after a
  ///     mismatch.
  /// - Returns: The stored memory.
  /// - Throws: ``StoreError`` `.notFound` if the memory has expired, or the user has none with the id, even if another user has;
  ///   `.versionMismatch`, `.invalidUserID`, `.embeddingRequired`, and those of ``write(users:token:_:)``. Nothing is changed.
  @discardableResult
  public func update(
    _ id: MemoryID, for userID: String, ifVersion version: Int? = nil, embedding: Embedding? = nil,
    _ transform: @escaping @Sendable (Memory) throws -> Memory
  ) async throws -> Memory {
    let writer = try writer()
    guard embedding == nil, hasEmbedder else {
      return try await writer.write { try $0.update(id, for: userID, ifVersion: version, embedding: embedding, transform) }
    }
    try Limits.check(memoryVersion: version)
    let basis = core.generation.embedding
    let template = basis.template
    while true {
      guard let current = try memory(id, for: userID) else { throw StoreError.noMemory(id, of: userID) }
      if let version, version != current.version { throw StoreError.versionMismatch(current, expected: version) }
      let first = try transform(current)
      let text = template.text(of: first)
      // The text is embedded outside the transaction. If another write changes it meanwhile, the loop begins again.
      let supplied = template.isSame(first, current) ? nil : try await requireEmbedder().embedChecked([text])[0]
      let stored = try await writer.write { transaction -> Memory? in
        if supplied != nil { try transaction.batch.reader.require(basis) }
        guard let now = try transaction.memory(id, for: userID) else { throw StoreError.noMemory(id, of: userID) }
        if let version, version != now.version { throw StoreError.versionMismatch(now, expected: version) }
        // Called again only if another write came between.
        let changed = now == current ? first : try transform(now)
        let isSameText = template.isSame(changed, now)
        guard isSameText || (supplied != nil && template.text(of: changed).hasSameBytes(as: text)) else { return nil }
        return try transaction.update(id, for: userID, embedding: isSameText ? nil : supplied) { _ in changed }
      }
      if let stored { return stored }
    }
  }

  /// Stores the fields of an earlier version of a memory as its newest version; the present one becomes history.
  ///
  /// - Parameters:
  ///   - earlier: An earlier version that is kept: see ``history(of:for:limit:)``.
  ///   - version: The version that the memory must have now; nil: any.
  ///   - embedding: The embedding of the earlier text. Nil keeps the present one; if the text differs, the store's embedder makes it.
  /// - Returns: The stored memory, with all fields of the earlier version.
  /// - Throws: ``StoreError`` `.notFound` if the version is not kept, and as ``update(_:for:ifVersion:embedding:_:)``. Nothing is changed.
  @discardableResult
  public func revert(
    _ id: MemoryID, for userID: String, to earlier: Int, ifVersion version: Int? = nil, embedding: Embedding? = nil
  ) async throws -> Memory {
    let writer = try writer()
    guard embedding == nil, hasEmbedder else {
      return try await writer.write { try $0.revert(id, for: userID, to: earlier, ifVersion: version, embedding: embedding) }
    }
    let basis = core.generation.embedding
    while true {
      // The text is embedded outside the transaction. If another write changes it meanwhile, the loop begins again.
      let text = try readOnce { try $0.textToEmbed(reverting: id, of: userID, to: earlier) }
      let supplied = if let text { try await requireEmbedder().embedChecked([text])[0] } else { nil as Embedding? }
      let stored = try await writer.write { transaction -> Memory? in
        if supplied != nil { try transaction.batch.reader.require(basis) }
        let isNeeded = try transaction.batch.reader.textToEmbed(reverting: id, of: userID, to: earlier) != nil
        if isNeeded, supplied == nil { return nil }
        return try transaction.revert(id, for: userID, to: earlier, ifVersion: version, embedding: isNeeded ? supplied : nil)
      }
      if let stored { return stored }
    }
  }

  /// Deletes a memory, and makes those that it superseded current again, in one commit: see ``WriteTransaction/retract(_:for:ifVersion:)``.
  ///
  /// ```swift
  /// let summary = MemoryDraft(userID: "ada", text: "moves to Lisbon soon", derivedFrom: ids, supersedesOrigins: true)
  /// let id = try await store.add(summary).id
  /// try await store.retract(id, for: "ada")  // the memories of `ids` are found again
  /// ```
  ///
  /// - Returns: The memories that are current again.
  /// - Throws: As ``WriteTransaction/retract(_:for:ifVersion:)``, and those of ``write(users:token:_:)``. Nothing is changed.
  @discardableResult
  public func retract(_ id: MemoryID, for userID: String, ifVersion version: Int? = nil) async throws -> [MemoryID] {
    try await writer().write { try $0.retract(id, for: userID, ifVersion: version) }
  }

  /// Deletes a memory of the user and its earlier versions.
  ///
  /// - Returns: Whether there was one. False, and nothing is changed, if it has expired or is another user's.
  /// - Throws: ``StoreError`` `.invalidUserID`, and those of ``write(users:token:_:)``.
  @discardableResult
  public func delete(_ id: MemoryID, for userID: String) async throws -> Bool {
    try await writer().write { try $0.delete(id, for: userID) }
  }

  /// Deletes every memory of the scope that the filter matches, in one commit.
  ///
  /// - Returns: How many were deleted.
  /// - Throws: ``StoreError`` `.invalidArgument`, `.invalidUserID`, and those of ``write(users:token:_:)``. Nothing is changed.
  @discardableResult
  public func delete(where filter: Filter, scope: SearchScope) async throws -> Int {
    try await writer().write(runsAlone: true) { try $0.delete(where: filter, scope: scope) }
  }
}

extension RecordReader {
  /// The text that the embedder gets for an earlier version of a memory; nil if it is the same as for the present version.
  fileprivate func textToEmbed(reverting id: MemoryID, of userID: String, to version: Int) throws -> String? {
    guard let memory = try liveMemoryRecord(id, of: userID)?.memory else { throw StoreError.noMemory(id, of: userID) }
    let earlier = try self.version(version, of: memory)
    return generation.template.isSame(earlier, memory) ? nil : generation.template.text(of: earlier)
  }
}

extension MemoryStore {
  /// The memories whose ids end in some digits, in no particular order. If there is more than one, the digits are ambiguous.
  ///
  /// - Parameters:
  ///   - userID: Nil: of all users.
  ///   - limit: The most to return, at least 1.
  /// - Throws: ``StoreError`` `.invalidArgument` for a limit below 1, `.invalidUserID`, `.corrupted`, `.tooManyReaders`, `.closed`.
  /// - Complexity: O(memories in scope). Blocks the caller.
  public func memories(endingWith suffix: MemoryIDSuffix, of userID: String?, limit: Int) throws -> [Memory] {
    try Limits.check(pageSize: limit)
    if let userID { try Limits.checkUserID(userID) }
    var found: [Memory] = []
    try readOnce { reader in
      let visit = { (record: MemoryRecord) -> Bool in
        if suffix.matches(record.memory.id) { found.append(record.memory) }
        return found.count < limit
      }
      if let userID {
        try reader.forEachMemory(of: userID, newestFirst: true, after: nil, visit)
      } else {
        try reader.forEachMemory(after: nil, visit)
      }
    }
    return found
  }
}
