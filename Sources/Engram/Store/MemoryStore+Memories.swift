import Formats

extension MemoryStore {
  // MARK: Reading

  /// A memory; nil where there is none or it has expired.
  public func memory(_ id: MemoryID) throws -> Memory? {
    try readOnce { try $0.liveMemoryRecord(id)?.memory }
  }

  /// A memory's embedding as it is stored; nil where it has none or is absent.
  public func embedding(of id: MemoryID) throws -> Embedding? {
    try read { try $0.embedding(of: id) }
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

  // MARK: Writing

  /// Adds a memory. One without an embedding is embedded first if the store has an embedder.
  ///
  /// - Returns: Its id, or that of the user's memory with the same dedupe key.
  /// - Throws: ``StoreError`` for a draft out of bounds, `.conflict`, and those of ``write(token:_:)``.
  @discardableResult
  public func add(_ draft: MemoryDraft) async throws -> MemoryID {
    try await add([draft])[0]
  }

  /// Adds memories in one commit: all of them or none.
  ///
  /// - Returns: Their ids, in the order of the drafts.
  @discardableResult
  public func add(_ drafts: [MemoryDraft]) async throws -> [MemoryID] { try await adding(drafts).map(\.id) }

  /// Adds memories in one commit, and says of each what became of it.
  public func adding(_ drafts: [MemoryDraft]) async throws -> [Added] {
    let writer = try writer()
    let store = core.generation.store
    var prepared: [PreparedDraft] = []
    prepared.reserveCapacity(drafts.count)
    for draft in try await embedded(drafts) { prepared.append(try PreparedDraft(draft, store: store)) }
    let ready = prepared
    return try await writer.write(sizeBytes: ready.reduce(0) { $0 + $1.sizeBytes }) { transaction in
      var added: [Added] = []
      added.reserveCapacity(ready.count)
      for draft in ready { added.append(try transaction.add(draft)) }
      return added
    }
  }

  /// The drafts with the embeddings that the store's embedder supplies for those without.
  private func embedded(_ drafts: [MemoryDraft]) async throws -> [MemoryDraft] {
    let missing = drafts.indices.filter { drafts[$0].embedding == nil && !drafts[$0].isTextOnly }
    guard hasEmbedder, !missing.isEmpty else { return drafts }
    for index in missing { try Limits.checkText(drafts[index].text) }
    let embeddings = try await embed(missing.map { drafts[$0].text })
    var drafts = drafts
    for (index, embedding) in zip(missing, embeddings) { drafts[index].embedding = embedding }
    return drafts
  }

  func embed(_ texts: [String]) async throws -> [Embedding] {
    let embedder = try requireEmbedder()
    let embeddings = try await embedder.embed(texts)
    guard embeddings.count == texts.count else {
      throw StoreError(
        .embedderMismatch, "the embedder '\(embedder.identity)' returned \(embeddings.count) vectors for \(texts.count) texts")
    }
    return embeddings
  }

  /// Replaces a memory by a changed copy of it.
  ///
  /// - Parameters:
  ///   - embedding: The new embedding. Nil keeps the old one; with a new text, the store's embedder makes it.
  ///   - transform: Returns the changed copy, made by `with(…)`. May run more than once, with the memory as it then is.
  /// - Returns: The stored memory.
  /// - Throws: ``StoreError`` `.notFound`, `.embeddingRequired`, and those of ``write(token:_:)``.
  @discardableResult
  public func update(
    _ id: MemoryID, embedding: Embedding? = nil, _ transform: @escaping @Sendable (Memory) throws -> Memory
  ) async throws -> Memory {
    let writer = try writer()
    guard embedding == nil, hasEmbedder else { return try await writer.write { try $0.update(id, embedding: embedding, transform) } }
    while true {
      guard let current = try memory(id) else { throw StoreError(.notFound, "there is no memory \(id)") }
      let first = try transform(current)
      let text = first.text
      // Embedded outside the transaction; should another write change the text meanwhile, once more.
      let supplied = text.hasSameBytes(as: current.text) ? nil : try await embed([text])[0]
      let stored = try await writer.write { transaction -> Memory? in
        guard let now = try transaction.memory(id) else { throw StoreError(.notFound, "there is no memory \(id)") }
        // Called again only where another write came between.
        let changed = now == current ? first : try transform(now)
        let isSameText = changed.text.hasSameBytes(as: now.text)
        guard isSameText || (supplied != nil && changed.text.hasSameBytes(as: text)) else { return nil }
        return try transaction.update(id, embedding: isSameText ? nil : supplied) { _ in changed }
      }
      if let stored { return stored }
    }
  }

  /// Deletes a memory.
  ///
  /// - Returns: Whether there was one.
  @discardableResult
  public func delete(_ id: MemoryID) async throws -> Bool {
    try await writer().write { try $0.delete(id) }
  }

  /// Deletes every memory of the scope that the filter matches, in one commit.
  ///
  /// - Returns: How many.
  @discardableResult
  public func delete(where filter: Filter, scope: SearchScope) async throws -> Int {
    try await writer().write(runsAlone: true) { try $0.delete(where: filter, scope: scope) }
  }
}

extension MemoryStore {
  /// The memories whose ids end in some digits, in no particular order: more than one means that the digits are too few.
  ///
  /// - Parameters:
  ///   - userID: Nil: of all users.
  ///   - limit: The most to return.
  /// - Throws: ``StoreError`` `.invalidUserID`, `.corrupted`, `.tooManyReaders`, `.closed`.
  /// - Complexity: O(memories in scope). Blocks the caller.
  public func memories(endingWith suffix: MemoryIDSuffix, of userID: String?, limit: Int) throws -> [Memory] {
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
