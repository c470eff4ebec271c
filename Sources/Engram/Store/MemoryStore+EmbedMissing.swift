/// What ``MemoryStore/embedMissing(scope:progress:)`` did.
public struct EmbeddingReport: Sendable, Hashable, Codable {
  /// Memories that had no embedding and have one now.
  public let embedded: Int
  /// Memories that others changed, deleted or embedded meanwhile. Those that still have no embedding get one with the next call.
  public let skipped: Int
  /// Memories for which the embedder returned a vector that cannot be stored: they are as they were.
  public let refused: Int
  /// The first ten of these memories at most.
  public let firstRefused: [MemoryID]
  public let duration: Duration
}

extension MemoryStore {
  /// Embeds the memories that have no embedding: those whose embedder failed and whose texts were kept, those that were added before the
  /// store had an embedder, and those that were added with ``MemoryDraft/isTextOnly``.
  ///
  /// Each commit embeds at most 256 memories. If the call ends early, the commits stay, and the next call does the rest. A memory whose
  /// text changes meanwhile does not get the embedding of the old text. A memory keeps its version, because the embedding is not one of its
  /// fields.
  ///
  /// - Parameters:
  ///   - scope: The users whose memories are embedded.
  ///   - progress: Called now and then: counting, then embedding. See ``OperationProgress``.
  /// - Throws: ``StoreError`` `.embedderRequired`, `.embedderMismatch`, `.invalidUserID`, and those of ``write(users:token:_:)``;
  ///   `CancellationError`; what the embedder throws. Earlier commits of the call stay.
  /// - Complexity: O(users + memories of users who have one without an embedding). Keeps 16 bytes for each memory that has none.
  @discardableResult
  public func embedMissing(
    scope: SearchScope = .all, progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> EmbeddingReport {
    let started = ContinuousClock.now
    try Limits.check(scope)
    let (writer, embedder) = (try writer(), try requireEmbedder())
    // Read once: another generation may be live by the time of a transaction, which compares `basis` with its own.
    let store = core.generation.store
    let basis = EmbeddingBasis(embedder: store.embedder, template: store.template)
    let ids = try await core.background("the memories without an embedding cannot be found") { core, check in
      try core.live.read { try $0.idsWithoutEmbedding(scope, reporting(progress, check)) }
    }
    var (next, embedded, skipped, refused) = (0, 0, 0, [MemoryID]())
    while next < ids.count {
      try Task.checkCancellation()
      let (texts, end) = try readOnce { try $0.textsToEmbed(ids, from: next, basis.template) }
      let vectors = texts.isEmpty ? [] : try await embedder.embedChecked(texts.map(\.text))
      var ready: [(id: MemoryID, text: String, components: [Float])] = []
      for (memory, vector) in zip(texts, vectors) {
        if let components = try? PreparedDraft.components(vector, store: store) {
          ready.append((memory.id, memory.text, components))
        } else {
          refused.append(memory.id)
        }
      }
      let attached = try await writer.write(sizeBytes: ready.reduce(0) { $0 + 512 + $1.components.count * 4 }) { [ready] transaction in
        try transaction.batch.reader.require(basis)
        return try ready.count { try transaction.attach($0.components, to: $0.id, embeddedFrom: $0.text) }
      }
      embedded += attached
      skipped += end - next - texts.count + ready.count - attached
      next = end
      progress(OperationProgress(phase: .embedding, done: next, total: ids.count, count: next))
    }
    return EmbeddingReport(
      embedded: embedded, skipped: skipped, refused: refused.count, firstRefused: Array(refused.prefix(10)), duration: .now - started)
  }
}

extension RecordReader {
  /// The memories of a scope that have no embedding, user by user.
  ///
  /// - Parameter progress: Called now and then; what it throws ends the walk.
  fileprivate func idsWithoutEmbedding(
    _ scope: SearchScope, _ progress: @escaping (OperationProgress) throws -> Void
  ) throws -> [MemoryID] {
    var ids: [MemoryID] = []
    var meter = WorkMeter(.counting, total: try state().memories, progress)
    func collect(_ user: UserRecord) throws {
      // Every memory of the user has a row.
      guard user.rows < user.memories else { return try meter.add(user.memories) }
      try forEachMemory(of: user.userID, newestFirst: false, after: nil) { record in
        if record.row == nil { ids.append(record.memory.id) }
        try meter.add(bytes: record.memory.text.utf8.count)
        return true
      }
    }
    if let users = users(of: scope) {
      for (key, userID) in users { if let user = try user(key, userID) { try collect(user) } }
    } else {
      try forEachUser(after: nil) { _, user in
        try collect(user)
        return true
      }
    }
    return ids
  }

  /// The texts that the embedder gets for the next memories, in the order of `ids`: at most 256, and about 1 MiB.
  ///
  /// - Returns: The texts, without those of memories that are gone or have an embedding by now, and the index of the first id that was not
  ///   looked at.
  fileprivate func textsToEmbed(
    _ ids: [MemoryID], from start: Int, _ template: EmbeddingTemplate
  ) throws -> (texts: [(id: MemoryID, text: String)], end: Int) {
    var (texts, end, bytes) = ([(id: MemoryID, text: String)](), start, 0)
    while end < min(ids.count, start + EmbeddingBatch.memories), bytes < EmbeddingBatch.textBytes {
      if let record = try liveMemoryRecord(ids[end]), record.row == nil {
        let text = template.text(of: record.memory)
        texts.append((ids[end], text))
        bytes += text.utf8.count
      }
      end += 1
    }
    return (texts, end)
  }
}
