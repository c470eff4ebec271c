import Formats
import Foundation
import LMDB
import VectorSearch

extension WriteTransaction {
  // MARK: Reading

  /// A memory of the user as the transaction sees it.
  ///
  /// - Returns: Nil if the user has no such memory or it has expired; a memory of another user counts as absent.
  /// - Throws: ``StoreError`` `.invalidUserID`, `.corrupted`; the transaction can go on.
  public func memory(_ id: MemoryID, for userID: String) throws -> Memory? {
    try surfacingRead(.user(userID)) { try $0.batch.reader.liveMemoryRecord(id, of: userID)?.memory }
  }

  /// The user's memory with the dedupe key, as the transaction sees it; see ``MemorySnapshot/memory(dedupeKey:for:)``.
  public func memory(dedupeKey: String, for userID: String) throws -> Memory? {
    try surfacingRead(.user(userID)) { try $0.batch.reader.liveMemoryRecord(dedupeKey: dedupeKey, of: userID)?.memory }
  }

  /// The user's memories directly before and after one of them, as the transaction sees them; see
  /// ``MemorySnapshot/neighbors(of:for:count:)``.
  public func neighbors(of id: MemoryID, for userID: String, count: Int) throws -> [Memory] {
    try surfacingRead(.user(userID)) { try $0.batch.reader.neighbors(of: id, for: userID, count: count) }
  }

  /// A copy of the embedding of a memory of the user, as the transaction sees it. With the cosine metric it has unit length.
  ///
  /// - Returns: `dimension` components; nil if the memory has no embedding or is absent, as for ``memory(_:for:)``.
  /// - Throws: ``StoreError`` `.invalidUserID`; `.corrupted` if the row does not have the checksum in its record; the transaction can go
  ///   on.
  public func embedding(of id: MemoryID, for userID: String) throws -> Embedding? {
    try surfacingRead(.user(userID)) { try $0.components(of: id, for: userID).map { Embedding($0) } }
  }

  /// Lends the embedding of a memory of the user, as the transaction sees it.
  ///
  /// - Parameter body: Gets `dimension` components, valid for the call.
  /// - Returns: Nil if the memory has no embedding or is absent, as for ``memory(_:for:)``.
  /// - Throws: As ``embedding(of:for:)``, and what `body` throws.
  public func withEmbedding<Value>(of id: MemoryID, for userID: String, _ body: (Span<Float>) throws -> Value) throws -> Value? {
    guard let components = try surfacingRead(.user(userID), { try $0.components(of: id, for: userID) }) else { return nil }
    return try body(components.span)
  }

  private func components(of id: MemoryID, for userID: String) throws -> [Float]? {
    guard let reference = try batch.reader.liveMemoryRecord(id, of: userID)?.row else { return nil }
    return try batch.components(reference)
  }

  /// Earlier versions of a memory of the user, as the transaction sees them; see ``MemorySnapshot/history(of:for:limit:)``.
  public func history(of id: MemoryID, for userID: String, limit: Int = 16) throws -> [Memory] {
    try surfacingRead(.user(userID)) { try $0.batch.reader.history(of: id, for: userID, limit: limit) }
  }

  // MARK: Adding

  /// Adds a memory.
  ///
  /// No embedder runs inside a transaction: ``MemoryStore/add(_:onEmbeddingFailure:)-(MemoryDraft,_)`` calls it before. If the store is
  /// pinned to an embedder, a draft without an embedding must set ``MemoryDraft/isTextOnly``.
  ///
  /// - Returns: The memory's id, what became of the draft, and whether the memory has an embedding. If the user has a memory with the same
  ///   dedupe key, nothing is stored, and the id is that of the existing memory.
  /// - Throws: ``StoreError`` for a draft out of bounds, `.embeddingRequired`, `.conflict` if the id is taken, `.notFound` or `.conflict`
  ///   if a memory that it supersedes does not exist or was superseded before, `.invalidArgument` if it supersedes its origins and has
  ///   expired or names none; the transaction can go on.
  @discardableResult
  public mutating func add(_ draft: MemoryDraft) throws -> Added {
    try surfacing(.user(draft.userID)) { transaction in
      try transaction.requireEmbedding(draft)
      return try transaction.add(try PreparedDraft(draft, store: transaction.batch.store))
    }
  }

  /// - Throws: ``StoreError`` `.embeddingRequired` for a draft that has no embedding and is not text-only, in a store pinned to an
  ///   embedder.
  func requireEmbedding(_ draft: MemoryDraft) throws(StoreError) {
    if draft.embedding == nil, !draft.isTextOnly, let embedder = batch.generation.embedder {
      throw StoreError(
        .embeddingRequired,
        "a memory of '\(draft.userID)' has no embedding, and no embedder is asked inside a write, so no search would find it: give it one made "
          + "by '\(embedder)', add it with the store's own add, or say isTextOnly")
    }
  }

  /// Adds memories, in order.
  ///
  /// - Returns: What became of each draft, in the order of the drafts.
  /// - Throws: As ``add(_:)-(MemoryDraft)``. If the body catches the error, the drafts before the one that failed stay added.
  @discardableResult
  public mutating func add(_ drafts: [MemoryDraft]) throws -> [Added] {
    var added: [Added] = []
    added.reserveCapacity(drafts.count)
    for draft in drafts { added.append(try add(draft)) }
    return added
  }

  /// - Parameter marksReplaced: False for an import, in which the memory that was replaced has ``Memory/supersededBy`` set already.
  mutating func add(_ prepared: PreparedDraft, marksReplaced: Bool = true) throws -> Added {
    var memory = prepared.memory(now: batch.now)
    if let dedupeKey = memory.dedupeKey, let record = try batch.reader.memoryRecord(dedupeKey: dedupeKey, of: memory.userID) {
      if !batch.reader.isExpired(record.memory) {
        return Added(id: record.memory.id, outcome: .existing, isEmbedded: record.row != nil)
      }
      try remove(record)
    }
    if let record = try batch.reader.memoryRecord(memory.id) {
      guard batch.reader.isExpired(record.memory) else {
        throw StoreError(.conflict, "the id \(memory.id) is taken by another memory")
      }
      try remove(record)
    }
    if marksReplaced { memory = try supersede(by: memory, prepared.draft) }
    try insert(memory, prepared.components, prepared.words(batch.generation.termReaders))
    return Added(
      id: memory.id, outcome: batch.reader.isExpired(memory) ? .expired : .added, isEmbedded: prepared.components != nil)
  }

  /// Stores a memory whose id and dedupe key are free.
  ///
  /// - Parameters:
  ///   - components: The row as it will be in the file; nil for a memory without an embedding.
  ///   - words: The words of the memory; nil: they are made here.
  mutating func insert(_ memory: Memory, _ components: [Float]?, _ words: MemoryWords? = nil) throws {
    let key = batch.reader.userKey(memory.userID)
    var reference: MemoryRecord.RowReference?
    try batch.updateUser(key, memory.userID) { user, batch in
      user.memories += 1
      if let components { reference = try batch.addRow(components, of: memory, key: key, user: &user) }
    }
    batch.countMemories(1)
    let record = MemoryRecord(memory: memory, row: reference)
    try putRecord(record)
    try batch.insertIndexEntries(of: memory, key)
    try batch.insertWords(of: record, key, words)
    try batch.writeBlocksIfMany()
  }

  mutating func putRecord(_ record: MemoryRecord) throws {
    if record.memory.hasDetails { try batch.require(StoreRecord.Features.memoryDetails) }
    if record.memory.change != nil { try batch.require(StoreRecord.Features.memoryVersions) }
    let value = batch.encoded { record.encode(into: &$0) }
    try batch.put(record.memory.id, value, in: Tables.Memories.self)
    batch.append(LogRecord(operation: .putMemory, userID: record.memory.userID, memoryID: record.memory.id))
  }

  // MARK: Changing

  /// Replaces a memory of the user by a changed copy of it.
  ///
  /// The replaced version becomes history, see ``history(of:for:limit:)``.
  ///
  /// - Parameters:
  ///   - version: The version that the memory must have now; nil: any.
  ///   - embedding: The new embedding; nil keeps the old one, which is refused if the text to embed changes.
  ///   - transform: Returns the changed copy, made by `with(…)`. Not called after a mismatch.
  /// - Returns: The stored memory.
  /// - Throws: ``StoreError`` `.notFound` if the memory has expired, or the user has none with the id, even if another user has;
  ///   `.versionMismatch`, `.invalidUserID`, `.embeddingRequired`, and those of a draft; the transaction can go on.
  @discardableResult
  public mutating func update(
    _ id: MemoryID, for userID: String, ifVersion version: Int? = nil, embedding: Embedding? = nil,
    _ transform: (Memory) throws -> Memory
  ) throws -> Memory {
    try surfacing(.user(userID)) { transaction in
      try transaction.replace(id, userID, version, embedding) { memory, _ in
        let changed = try transform(memory)
        guard changed.replaces == memory.replaces else { throw StoreError.otherMemory(id) }
        return changed
      }
    }
  }

  /// Stores the fields of an earlier version of a memory as its newest version; the present one becomes history.
  ///
  /// - Parameters:
  ///   - earlier: An earlier version that is kept: see ``history(of:for:limit:)``.
  ///   - version: The version that the memory must have now; nil: any.
  ///   - embedding: The embedding of the earlier text; nil keeps the present one, which is refused if the text to embed changes.
  /// - Returns: The stored memory, with all fields of the earlier version.
  /// - Throws: ``StoreError`` `.notFound` if the version is not kept, and as ``update(_:for:ifVersion:embedding:_:)``; the transaction can
  ///   go on.
  @discardableResult
  public mutating func revert(
    _ id: MemoryID, for userID: String, to earlier: Int, ifVersion version: Int? = nil, embedding: Embedding? = nil
  ) throws -> Memory {
    try surfacing(.user(userID)) { transaction in
      try transaction.replace(id, userID, version, embedding) { memory, reader in try reader.version(earlier, of: memory) }
    }
  }

  private mutating func replace(
    _ id: MemoryID, _ userID: String, _ version: Int?, _ embedding: Embedding?,
    _ transform: (Memory, borrowing RecordReader) throws -> Memory
  ) throws -> Memory {
    try Limits.check(memoryVersion: version)
    guard let old = try batch.reader.liveMemoryRecord(id, of: userID) else { throw StoreError.noMemory(id, of: userID) }
    if let version, version != old.memory.version { throw StoreError.versionMismatch(old.memory, expected: version) }
    let changed = try transform(old.memory, batch.reader)
    guard changed.id == id, changed.userID.hasSameBytes(as: old.memory.userID), changed.createdAt == old.memory.createdAt,
      changed.dedupeKey.hasSameBytes(as: old.memory.dedupeKey)
    else {
      throw StoreError.otherMemory(id)
    }
    try Limits.check(changed)
    if embedding == nil, old.row != nil, !batch.generation.template.isSame(changed, old.memory) {
      throw StoreError(
        .embeddingRequired,
        "what is embedded of memory \(id) changed, its text or also its speaker or caption: give the new embedding, or open the store with an embedder"
      )
    }
    let components = try embedding.map { try PreparedDraft.components($0, store: batch.store) }
    return try exchange(old, by: changed, components, keepsRow: components == nil)
  }

  /// Stores a changed copy of a memory as its next version: same id, user, creation time and dedupe key. The old version becomes history.
  ///
  /// - Parameters:
  ///   - components: The new row as it will be in the file; nil: none.
  ///   - keepsRow: Whether the old row, if there is one, stays instead.
  /// - Returns: The copy with its version.
  @discardableResult
  mutating func exchange(_ old: MemoryRecord, by copy: Memory, _ components: [Float]?, keepsRow: Bool) throws -> Memory {
    let key = batch.reader.userKey(copy.userID)
    let changed = copy.following(old.memory, at: batch.now)
    try keepVersion(old.memory, key)
    var record = MemoryRecord(memory: changed, row: keepsRow ? old.row : nil)
    if let row = record.row {
      try batch.updateColumns(row, of: changed, key: key)
    } else if old.row != nil || components != nil {
      try batch.updateUser(key, changed.userID) { user, batch in
        if let row = old.row { try batch.removeRow(row, key: key, user: &user) }
        if let components { record.row = try batch.addRow(components, of: changed, key: key, user: &user) }
      }
    }
    try batch.replaceIndexEntries(of: old.memory, by: changed, key)
    try batch.replaceWords(of: record, key)
    try putRecord(record)
    return changed
  }

  /// Stores a memory that is about to be changed as an earlier version, and trims its history.
  private mutating func keepVersion(_ old: Memory, _ user: UserKey) throws {
    let (versions, number) = (MemoryVersions(user: user, id: old.id), UInt64(old.version))
    if batch.historyLimit > 0 {
      // Without its row: the embedding of a version is not kept.
      let value = batch.encoded { MemoryRecord(memory: old, row: nil).encode(into: &$0) }
      try batch.put(.memory(MemoryVersionKey(versions, version: number)), value, in: Tables.History.self)
    }
    if old.change != nil { try trimHistory(versions.prefix, newest: number, keeping: batch.historyLimit) }
  }

  // MARK: Deleting

  /// Deletes a memory of the user.
  ///
  /// - Returns: Whether there was one. False, and nothing is changed, if it has expired or is another user's.
  /// - Throws: ``StoreError`` `.invalidUserID`, `.corrupted`; the transaction can go on.
  @discardableResult
  public mutating func delete(_ id: MemoryID, for userID: String) throws -> Bool {
    try surfacing(.user(userID)) { transaction in
      guard let record = try transaction.batch.reader.memoryRecord(id, of: userID) else { return false }
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
    try surfacing(scope) { transaction in
      let ids = try transaction.matches(filter, scope)
      for id in ids { try transaction.remove(id) }
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

  /// Removes at most `limit` memories that two commits an hour apart have found expired, or sets the mark that this commit found some:
  /// see ``StateRecord/expiryStep(first:at:)``.
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
      for id in ids { try remove(id) }
    }
    return true
  }

  /// Removes a memory of any user, expired or not, if there is one.
  mutating func remove(_ id: MemoryID) throws {
    if let record = try batch.reader.memoryRecord(id) { try remove(record) }
  }

  mutating func remove(_ record: MemoryRecord) throws {
    let memory = record.memory
    let key = batch.reader.userKey(memory.userID)
    try batch.delete(memory.id, in: Tables.Memories.self)
    if memory.change != nil { try trimHistory(MemoryVersions(user: key, id: memory.id).prefix, newest: .max, keeping: 0) }
    try batch.removeIndexEntries(of: memory, key)
    try batch.removeWords(of: memory, key)
    try batch.updateUser(key, memory.userID) { user, batch in
      user.memories -= 1
      if let row = record.row { try batch.removeRow(row, key: key, user: &user) }
    }
    batch.countMemories(-1)
    batch.append(LogRecord(operation: .deleteMemory, userID: memory.userID, memoryID: memory.id))
  }
}
