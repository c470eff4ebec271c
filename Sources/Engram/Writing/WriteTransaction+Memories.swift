import Formats
import Foundation
import LMDB
import VectorSearch

extension WriteTransaction {
  // MARK: Reading

  /// The memory as the transaction sees it; nil where there is none or it has expired.
  public func memory(_ id: MemoryID) throws -> Memory? {
    try surfacingRead { try $0.batch.reader.liveMemoryRecord(id)?.memory }
  }

  // MARK: Adding

  /// Adds a memory.
  ///
  /// No embedder is asked inside a transaction: ``MemoryStore/add(_:)-(MemoryDraft)`` asks it before. In a store that is pinned to an embedder,
  /// a draft without an embedding must say ``MemoryDraft/isTextOnly``.
  ///
  /// - Returns: The new memory's id, or that of the user's memory with the same dedupe key.
  /// - Throws: ``StoreError`` for a draft out of bounds, `.embeddingRequired`, `.conflict` if the id is taken; the transaction can go on.
  @discardableResult
  public mutating func add(_ draft: MemoryDraft) throws -> MemoryID {
    if draft.embedding == nil, !draft.isTextOnly, let embedder = batch.generation.embedder {
      throw StoreError(
        .embeddingRequired,
        "a memory of '\(draft.userID)' has no embedding, and no embedder is asked inside a write, so no search would find it: give it one made "
          + "by '\(embedder)', add it with the store's own add, or say isTextOnly")
    }
    return try surfacing { try $0.add(try PreparedDraft(draft, store: $0.batch.store)).id }
  }

  /// Adds memories, in order.
  @discardableResult
  public mutating func add(_ drafts: [MemoryDraft]) throws -> [MemoryID] {
    var ids: [MemoryID] = []
    ids.reserveCapacity(drafts.count)
    for draft in drafts { ids.append(try add(draft)) }
    return ids
  }

  /// - Parameter marksReplaced: False for what is stored as it was elsewhere, where the memory that was replaced bears its mark already.
  mutating func add(_ prepared: PreparedDraft, marksReplaced: Bool = true) throws -> Added {
    let memory = prepared.memory(now: batch.now)
    if let dedupeKey = memory.dedupeKey, let existing = try batch.reader.dedupe(memory.userID, dedupeKey) {
      guard let record = try batch.reader.memoryRecord(existing), record.memory.userID.hasSameBytes(as: memory.userID),
        record.memory.dedupeKey.hasSameBytes(as: dedupeKey)
      else { throw StoreError(.corrupted, "the dedupe key '\(dedupeKey)' names memory \(existing), which does not have it") }
      if !batch.reader.isExpired(record.memory) { return Added(id: existing, outcome: .existing) }
      try remove(record)
    }
    if let record = try batch.reader.memoryRecord(memory.id) {
      guard batch.reader.isExpired(record.memory) else {
        throw StoreError(.conflict, "the id \(memory.id) is taken by another memory")
      }
      try remove(record)
    }
    if marksReplaced { try supersede(by: memory) }
    try insert(memory, prepared.components)
    return Added(id: memory.id, outcome: batch.reader.isExpired(memory) ? .expired : .added)
  }

  /// Stores a memory whose id and dedupe key are free.
  ///
  /// - Parameter components: The row as it will stand in the file; nil for a memory without an embedding.
  mutating func insert(_ memory: Memory, _ components: [Float]?) throws {
    let key = batch.reader.userKey(memory.userID)
    var reference: MemoryRecord.RowReference?
    try batch.updateUser(key, memory.userID) { user, batch in
      user.memories += 1
      if let components { reference = try batch.addRow(components, of: memory, key: key, user: &user) }
    }
    batch.countMemories(1)
    try putRecord(MemoryRecord(memory: memory, row: reference))
    try batch.insertIndexEntries(of: memory, key)
    try batch.writeBlocksIfMany()
  }

  /// Marks the memory that a new one says it replaces.
  ///
  /// - Throws: ``StoreError`` `.notFound` if the user has no such memory, `.conflict` if another has replaced it before.
  private mutating func supersede(by memory: Memory) throws {
    guard let replaced = memory.replaces else { return }
    guard let old = try batch.reader.liveMemoryRecord(replaced), old.memory.userID.hasSameBytes(as: memory.userID) else {
      throw StoreError(.notFound, "'\(memory.userID)' has no memory \(replaced) to be replaced")
    }
    if let other = old.memory.supersededBy, other != memory.id {
      throw StoreError(.conflict, "memory \(replaced) was replaced by \(other) before")
    }
    try put(old.memory.with(supersededBy: memory.id), in: old)
  }

  private mutating func putRecord(_ record: MemoryRecord) throws {
    if record.memory.hasDetails { try batch.require(StoreRecord.Features.memoryDetails) }
    let value = batch.encoded { record.encode(into: &$0) }
    try batch.put(record.memory.id, value, in: Tables.Memories.self)
    batch.append(LogRecord(operation: .putMemory, userID: record.memory.userID, memoryID: record.memory.id))
  }

  // MARK: Changing

  /// Replaces a memory by a changed copy of it.
  ///
  /// - Parameters:
  ///   - embedding: The new embedding; nil keeps the old one, which a new text forbids.
  ///   - transform: Returns the changed copy, made by `with(…)`.
  /// - Returns: The stored memory.
  /// - Throws: ``StoreError`` `.notFound`, `.embeddingRequired`, and those of a draft; the transaction can go on.
  @discardableResult
  public mutating func update(_ id: MemoryID, embedding: Embedding? = nil, _ transform: (Memory) throws -> Memory) throws -> Memory {
    try surfacing { try $0.replace(id, embedding, transform) }
  }

  private mutating func replace(_ id: MemoryID, _ embedding: Embedding?, _ transform: (Memory) throws -> Memory) throws -> Memory {
    guard let old = try batch.reader.liveMemoryRecord(id) else { throw StoreError(.notFound, "there is no memory \(id)") }
    let changed = try transform(old.memory)
    guard changed.id == id, changed.userID.hasSameBytes(as: old.memory.userID), changed.createdAt == old.memory.createdAt,
      changed.dedupeKey.hasSameBytes(as: old.memory.dedupeKey), changed.replaces == old.memory.replaces
    else {
      throw StoreError(.invalidArgument, "the transform of memory \(id) returned another memory")
    }
    try Limits.check(changed)
    if !changed.text.hasSameBytes(as: old.memory.text), embedding == nil, old.row != nil {
      throw StoreError(.embeddingRequired, "the text of memory \(id) changed: give its new embedding, or open the store with an embedder")
    }
    let components = try embedding.map { try PreparedDraft.components($0, store: batch.store) }
    try put(changed, components, in: old)
    return changed
  }

  /// Stores a changed memory in the place of its old record.
  ///
  /// - Parameter components: Its new row; nil keeps the old one.
  private mutating func put(_ changed: Memory, _ components: [Float]? = nil, in old: MemoryRecord) throws {
    let key = batch.reader.userKey(changed.userID)
    var record = MemoryRecord(memory: changed, row: old.row)
    if let components {
      try batch.updateUser(key, changed.userID) { user, batch in
        if let row = old.row { try batch.removeRow(row, key: key, user: &user) }
        record.row = try batch.addRow(components, of: changed, key: key, user: &user)
      }
    } else if let row = old.row {
      try batch.updateColumns(row, of: changed, key: key)
    }
    try batch.replaceIndexEntries(of: old.memory, by: changed, key)
    try putRecord(record)
  }

  // MARK: Deleting

  /// Deletes a memory.
  ///
  /// - Returns: Whether there was one.
  @discardableResult
  public mutating func delete(_ id: MemoryID) throws -> Bool {
    try surfacing { transaction in
      guard let record = try transaction.batch.reader.memoryRecord(id) else { return false }
      let wasLive = !transaction.batch.reader.isExpired(record.memory)
      try transaction.remove(record)
      return wasLive
    }
  }

  /// Deletes every memory of the scope that the filter matches.
  ///
  /// - Returns: How many.
  /// - Complexity: O(memories in scope).
  @discardableResult
  public mutating func delete(where filter: Filter, scope: SearchScope) throws -> Int {
    try surfacing { transaction in
      let ids = try transaction.matches(filter, scope)
      for id in ids { try transaction.delete(id) }
      return ids.count
    }
  }

  private func matches(_ filter: Filter, _ scope: SearchScope) throws -> [MemoryID] {
    try Limits.check(filter)
    try Limits.check(scope)
    var ids: [MemoryID] = []
    try batch.reader.forEachMemory(in: scope) { record in
      if filter.matches(record.memory) { ids.append(record.memory.id) }
      return true
    }
    return ids
  }

  /// Removes at most `limit` memories that two commits an hour apart have found expired, or notes that this one finds some.
  ///
  /// - Returns: Whether there was anything to do.
  mutating func sweepExpired(limit: Int) throws -> Bool {
    guard let boot = batch.boot else { return false }
    let now = StoreInstant(wall: batch.now, boot: boot)
    switch batch.state.expiryStep(first: try batch.reader.firstExpiry(), at: now) {
    case .nothing: return false
    case .mark: batch.state.expiryMark = now
    case .remove(let before):
      var ids: [MemoryID] = []
      try batch.reader.forEachExpired(limit: limit, before: before) { id, _ in ids.append(id) }
      for id in ids { try delete(id) }
    }
    return true
  }

  mutating func remove(_ record: MemoryRecord) throws {
    let memory = record.memory
    let key = batch.reader.userKey(memory.userID)
    try batch.delete(memory.id, in: Tables.Memories.self)
    try batch.removeIndexEntries(of: memory, key)
    try batch.updateUser(key, memory.userID) { user, batch in
      user.memories -= 1
      if let row = record.row { try batch.removeRow(row, key: key, user: &user) }
    }
    batch.countMemories(-1)
    batch.append(LogRecord(operation: .deleteMemory, userID: memory.userID, memoryID: memory.id))
  }
}
