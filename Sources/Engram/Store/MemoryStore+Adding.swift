import Logging

extension MemoryStore {
  /// Adds a memory. One without an embedding is embedded first if the store has an embedder.
  ///
  /// - Parameter onEmbeddingFailure: What to do if the embedder fails. The cancellation of the task throws `CancellationError` in any case.
  /// - Returns: The memory's id, the outcome, and whether the memory has an embedding. If the user has a memory with the same dedupe key,
  ///   nothing is stored, and the id is the one of that memory.
  /// - Throws: ``StoreError`` for a draft out of bounds, `.conflict` if another memory has the id, and those of ``write(users:token:_:)``;
  ///   what the embedder throws. Nothing is stored.
  @discardableResult
  public func add(_ draft: MemoryDraft, onEmbeddingFailure: EmbeddingFailurePolicy = .throw) async throws -> Added {
    try await add([draft], onEmbeddingFailure: onEmbeddingFailure)[0]
  }

  /// Adds memories in one commit: all of them or none. All texts are embedded in one call of the embedder.
  ///
  /// - Returns: The outcome of each draft, in the order of the drafts.
  /// - Throws: As ``add(_:onEmbeddingFailure:)-(MemoryDraft,_)``, for the first draft that fails.
  @discardableResult
  public func add(_ drafts: [MemoryDraft], onEmbeddingFailure: EmbeddingFailurePolicy = .throw) async throws -> [Added] {
    try await add(drafts, onEmbeddingFailure, textsAtOnce: .max)
  }

  /// As ``add(_:onEmbeddingFailure:)-([MemoryDraft],_)``, for many texts.
  ///
  /// - Parameter textsAtOnce: The most that one call of the embedder gets.
  func add(_ drafts: [MemoryDraft], _ policy: EmbeddingFailurePolicy, textsAtOnce: Int) async throws -> [Added] {
    let writer = try writer()
    // One generation for all parts: the transaction compares it with the one that it writes to.
    let (store, termReaders) = (core.generation.store, core.generation.termReaders)
    var basis: EmbeddingBasis?
    var prepared: [PreparedDraft] = []
    prepared.reserveCapacity(drafts.count)
    var rest = drafts[...]
    while !rest.isEmpty {
      try Task.checkCancellation()
      let part = try await embedded(Array(rest.prefix(textsAtOnce)), policy, store)
      rest = rest.dropFirst(textsAtOnce)
      basis = basis ?? part.1
      prepared += try await PreparedDraft.prepare(part.0, store: store, termReaders)
    }
    let (ready, required) = (prepared, basis)
    return try await writer.write(sizeBytes: ready.reduce(0) { $0 + $1.sizeBytes }) { transaction in
      if let required { try transaction.batch.reader.require(required) }
      var added: [Added] = []
      added.reserveCapacity(ready.count)
      for draft in ready { added.append(try transaction.add(draft)) }
      return added
    }
  }

  /// Adds a memory, or replaces the user's memory with the same dedupe key by it, in one commit.
  ///
  /// A replaced memory keeps its id and its creation time; all other fields and the embedding become those of the draft. The draft's own id
  /// and creation time count only if the memory is new. If the draft has no embedding, the store's embedder makes one. If there is no
  /// embedder, or it fails and the policy is `.keepText`, the old embedding stays if the text is the same, and is removed if it differs.
  ///
  /// - Parameters:
  ///   - draft: Must have a dedupe key.
  ///   - onEmbeddingFailure: As for ``add(_:onEmbeddingFailure:)-(MemoryDraft,_)``.
  /// - Returns: The memory's id, with outcome `.updated` or `.added`; `.expired` if the draft has expired already.
  /// - Throws: ``StoreError`` `.invalidArgument` for a draft without a dedupe key, and those of
  ///   ``add(_:onEmbeddingFailure:)-(MemoryDraft,_)``. Nothing is changed.
  @discardableResult
  public func upsert(_ draft: MemoryDraft, onEmbeddingFailure: EmbeddingFailurePolicy = .throw) async throws -> Added {
    let writer = try writer()
    try Limits.requireDedupeKey(draft)
    let store = core.generation.store
    let (drafts, basis) = try await embedded([draft], onEmbeddingFailure, store)
    let prepared = try PreparedDraft(drafts[0], store: store)
    return try await writer.write(sizeBytes: prepared.sizeBytes) { transaction in
      if let basis { try transaction.batch.reader.require(basis) }
      return try transaction.upsert(prepared)
    }
  }

  // MARK: Embedding

  /// The drafts with the embeddings that the store's embedder makes for those without.
  ///
  /// - Parameter store: The record of the generation whose embedder is used. Another generation may be live by the time of the transaction.
  /// - Returns: The drafts, and the basis of the embeddings, which the transaction that stores them must check; nil if none was made.
  private func embedded(
    _ drafts: [MemoryDraft], _ policy: EmbeddingFailurePolicy, _ store: StoreRecord
  ) async throws -> ([MemoryDraft], EmbeddingBasis?) {
    let missing = drafts.indices.filter { drafts[$0].embedding == nil && !drafts[$0].isTextOnly }
    guard hasEmbedder, !missing.isEmpty else { return (drafts, nil) }
    for index in missing { try Limits.checkText(drafts[index].text) }
    // A handle with another embedder than the store's is not a failure of the embedder: `policy` does not cover it.
    let embedder = try requireEmbedder()
    let basis = EmbeddingBasis(embedder: store.embedder, template: store.template)
    var drafts = drafts
    do {
      let embeddings = try await embedder.embedChecked(missing.map { basis.template.text(of: drafts[$0]) })
      for (index, embedding) in zip(missing, embeddings) where policy == .throw || canStore(embedding, store) {
        drafts[index].embedding = embedding
      }
    } catch {
      // An embedder that is cancelled may throw an error of its own.
      try Task.checkCancellation()
      if policy == .throw || error is CancellationError { throw error }
      core.options.logger.warning(
        "the embedder failed: texts are stored without embeddings", metadata: ["texts": "\(missing.count)", "error": "\(error)"])
    }
    return (drafts, basis)
  }

  private func canStore(_ embedding: Embedding, _ store: StoreRecord) -> Bool {
    (try? PreparedDraft.components(embedding, store: store)) != nil
  }

}

extension Embedder {
  /// Returns one embedding for each text, in the order of the texts.
  ///
  /// - Parameter isQuery: Whether the texts are searched for, and not stored.
  /// - Throws: What the embedder throws; ``StoreError`` `.embedderMismatch` if it returns another number of vectors.
  func embedChecked(_ texts: [String], isQuery: Bool = false) async throws -> [Embedding] {
    let embeddings = isQuery ? try await embed(queries: texts) : try await embed(texts)
    guard embeddings.count == texts.count else {
      throw StoreError(
        .embedderMismatch, "the embedder '\(identity)' returned \(embeddings.count) vectors for \(texts.count) texts")
    }
    return embeddings
  }
}
