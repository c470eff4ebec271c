import Formats

extension WriteTransaction {
  /// Adds a memory, or replaces the user's memory with the same dedupe key by it.
  ///
  /// A replaced memory keeps its id and its creation time; all other fields, and the embedding, become those of the draft. The draft's own
  /// id and creation time are used only if the memory is new. ``Memory/supersededBy`` is cleared. If the draft has no embedding, is not
  /// text-only and has the same text, the old embedding is kept.
  ///
  /// - Parameter draft: Must have a dedupe key. In a store that is pinned to an embedder it needs an embedding, as for
  ///   ``add(_:)-(MemoryDraft)``.
  /// - Returns: The memory's id, with outcome `.updated` or `.added`; `.expired` if the draft has expired already.
  /// - Throws: ``StoreError`` `.invalidArgument` for a draft without a dedupe key, and those of ``add(_:)-(MemoryDraft)``; the transaction
  ///   can go on.
  @discardableResult
  public mutating func upsert(_ draft: MemoryDraft) throws -> Added {
    try surfacing(.user(draft.userID)) { transaction in
      try Limits.requireDedupeKey(draft)
      try transaction.requireEmbedding(draft)
      return try transaction.upsert(try PreparedDraft(draft, store: transaction.batch.store))
    }
  }

  mutating func upsert(_ prepared: PreparedDraft) throws -> Added {
    let draft = prepared.memory(now: batch.now)
    guard let key = draft.dedupeKey, let old = try batch.reader.liveMemoryRecord(dedupeKey: key, of: draft.userID) else {
      return try add(prepared)
    }
    var changed = prepared.memory(now: batch.now, replacing: old.memory)
    try Limits.check(changed)
    changed = try supersede(by: changed, prepared.draft)
    let keepsRow = prepared.components == nil && !prepared.isTextOnly && batch.generation.template.isSame(changed, old.memory)
    try exchange(old, by: changed, prepared.components, keepsRow: keepsRow)
    return Added(
      id: changed.id, outcome: batch.reader.isExpired(changed) ? .expired : .updated,
      isEmbedded: prepared.components != nil || (keepsRow && old.row != nil))
  }
}

extension Limits {
  /// - Throws: ``StoreError`` `.invalidArgument`.
  static func requireDedupeKey(_ draft: MemoryDraft) throws(StoreError) {
    if draft.dedupeKey == nil {
      throw StoreError(.invalidArgument, "a memory of '\(draft.userID)' without a dedupe key cannot be upserted: add it, or give it a key")
    }
  }
}
