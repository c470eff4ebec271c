import Formats
import Foundation
import LMDB
import VectorSearch

/// Reads records at one instant: of a snapshot, or of a write transaction with its own changes.
///
/// Every read by user compares the full userID with the one in the record.
struct RecordReader: ~Escapable {
  let view: TransactionView
  /// Rows are read from the same generation as the records that name them.
  let generation: Generation
  /// Milliseconds since 1970: decides which memories have expired.
  let now: Int64

  @_lifetime(copy view)
  init(_ view: TransactionView, _ generation: Generation, now: Int64) {
    self.view = view
    self.generation = generation
    self.now = now
  }

  var schema: Schema { generation.schema }
  /// The generation's record: dimension, metric and secret, and the embedder that is pinned by now.
  var store: StoreRecord { generation.store }

  func userKey(_ userID: String) -> UserKey { UserKey(userID, secret: generation.secret) }

  func state() throws -> StateRecord {
    guard let value = try value(.state, in: Tables.Meta.self) else { throw StoreError(.corrupted, "the store's state record is missing") }
    return try StateRecord(value)
  }

  /// The store's own record as it is now: an embedder may have been pinned since the generation was opened.
  func storedRecord() throws -> StoreRecord {
    guard let value = try value(.store, in: Tables.Meta.self) else { throw StoreError(.corrupted, "the store's own record is missing") }
    return try StoreRecord(value)
  }

  // MARK: The embedder

  /// What determines the generation's vectors, as it is now: an embedder may have been pinned since the generation was opened.
  func embeddingBasis() throws -> EmbeddingBasis {
    let known = generation.embedding
    if known.embedder != nil { return known }
    let stored = try storedRecord()
    if stored.embedder != nil { generation.pin(as: stored) }
    return EmbeddingBasis(embedder: stored.embedder, template: stored.template)
  }

  /// - Throws: ``StoreError`` `.embedderMismatch` if the store is pinned to another embedder than the one that makes, or made, a vector.
  func require(_ embedder: EmbedderIdentity) throws {
    guard let pinned = try embeddingBasis().embedder, pinned != embedder else { return }
    throw StoreError.embedderMismatch(embedder, pinned: pinned)
  }

  /// - Throws: ``StoreError`` `.embedderMismatch` if a vector that was made on this basis is not comparable with the store's any more.
  func require(_ basis: EmbeddingBasis) throws {
    let now = try embeddingBasis()
    if now == basis { return }
    if let embedder = basis.embedder, let pinned = now.embedder, embedder != pinned {
      throw StoreError.embedderMismatch(embedder, pinned: pinned)
    }
    throw StoreError(.embedderMismatch, "what is embedded of a memory changed meanwhile: embed it again")
  }

  // MARK: Users

  func user(_ key: UserKey, _ userID: String) throws -> UserRecord? {
    guard let value = try value(key, in: Tables.Users.self) else { return nil }
    let record = try UserRecord(value)
    return record.userID.hasSameBytes(as: userID) ? record : nil
  }

  /// Users in the order of their keys, which is neither that of the names nor that of time, but always the same.
  func forEachUser(after user: UserKey?, _ body: (UserKey, UserRecord) throws -> Bool) throws {
    try walk(Tables.Users.self, from: user.map { .after($0) } ?? .end) { key, value in try body(key, try UserRecord(value)) }
  }

  // MARK: Contexts

  /// Calls `body` with the header and a reader at the start of the record; returns nil if the user has no context of the type.
  func context<Value>(
    _ recordType: String, _ userID: String, _ body: (ContextEnvelope.Header, inout CBORReader) throws -> Value
  ) throws -> Value? {
    guard let value = try value(ContextKey(user: userKey(userID), recordType: recordType), in: Tables.Contexts.self) else { return nil }
    return try ContextEnvelope.read(value) { header, reader in
      guard header.userID.hasSameBytes(as: userID) else { return nil }
      return try body(header, &reader)
    }
  }

  func context<Record: ContextRecord>(_ type: Record.Type, _ userID: String) throws -> Record? {
    try context(Record.recordType, userID) { header, reader in try ContextEnvelope.decode(type, header, &reader) }
  }

  /// The present version.
  func versionedContext<Record: ContextRecord>(_ type: Record.Type, _ userID: String) throws -> ContextVersion<Record>? {
    try context(Record.recordType, userID) { header, reader in
      ContextVersion(
        version: Int(clamping: header.version), updatedAt: Date(milliseconds: header.updatedAt),
        context: try ContextEnvelope.decode(type, header, &reader))
    }
  }

  /// Earlier versions, the newest first.
  func history<Record: ContextRecord>(_ type: Record.Type, _ userID: String, limit: Int) throws -> [ContextVersion<Record>] {
    var versions: [ContextVersion<Record>] = []
    if limit <= 0 { return versions }
    let prefix = ContextKey(user: userKey(userID), recordType: Record.recordType).versionPrefix
    try walk(Tables.History.self, prefix: prefix, backwards: true) { _, value in
      let version = try ContextEnvelope.read(value) { header, reader -> ContextVersion<Record>? in
        guard header.userID.hasSameBytes(as: userID) else { return nil }
        return ContextVersion(
          version: Int(clamping: header.version), updatedAt: Date(milliseconds: header.updatedAt),
          context: try ContextEnvelope.decode(type, header, &reader))
      }
      if let version { versions.append(version) }
      return versions.count < limit
    }
    return versions
  }

  // MARK: Memories

  /// Earlier versions of a live memory of the user, the newest first; none if the user has no such memory.
  func history(of id: MemoryID, for userID: String, limit: Int) throws -> [Memory] {
    try Limits.check(pageLimit: limit)
    guard let present = try liveMemoryRecord(id, of: userID)?.memory, limit > 0 else { return [] }
    var versions: [Memory] = []
    try forEachVersion(of: present, newestFirst: true) { _, value in
      versions.append(try MemoryRecord(value, id: id).memory)
      return versions.count < limit
    }
    return versions
  }

  /// Walks the stored versions of a memory that are earlier than it until `body` returns false.
  func forEachVersion(
    of memory: Memory, newestFirst: Bool = false, _ body: (MemoryVersionKey, RawSpan) throws -> Bool
  ) throws {
    // A memory that was never changed has none, and costs no search.
    if memory.change == nil { return }
    let prefix = MemoryVersions(user: userKey(memory.userID), id: memory.id).prefix
    try walk(Tables.History.self, prefix: prefix, backwards: newestFirst) { key, value in
      guard case .memory(let version) = key, version.version < UInt64(memory.version) else { return true }
      return try body(version, value)
    }
  }

  /// An earlier version of a memory.
  ///
  /// - Throws: ``StoreError`` `.notFound` if the version is not kept; `.corrupted`.
  func version(_ version: Int, of memory: Memory) throws -> Memory {
    let name = MemoryVersions(user: userKey(memory.userID), id: memory.id)
    guard (1..<memory.version).contains(version),
      let value = try value(.memory(MemoryVersionKey(name, version: UInt64(version))), in: Tables.History.self)
    else {
      throw StoreError(
        .notFound, "memory \(memory.id) of '\(memory.userID)' has no earlier version \(version): it is version \(memory.version) now")
    }
    return try MemoryRecord(value, id: memory.id).memory
  }

  /// The record, expired or not; nil if there is none.
  func memoryRecord(_ id: MemoryID) throws -> MemoryRecord? {
    guard let value = try value(id, in: Tables.Memories.self) else { return nil }
    return try MemoryRecord(value, id: id)
  }

  /// The rows that this instant's records name, readable through the map; nil in a store without embeddings.
  func rows() throws -> RowFile? {
    guard let rows = generation.rows else { return nil }
    try rows.cover(rowCount: state().rowsHigh)
    return rows
  }

  /// A memory's row, compared with the checksum in its record. Lives as long as the generation.
  @_lifetime(borrow self)
  func row(_ reference: MemoryRecord.RowReference) throws -> Span<Float> {
    let rowCount = try state().rowsHigh
    guard let rows = generation.rows, reference.row < rowCount else {
      throw StoreError(.corrupted, "a record names row \(reference.row), which the store does not have")
    }
    try rows.cover(rowCount: rowCount)
    try rows.verify(row: reference.row, checksum: reference.checksum)
    return unsafe _overrideLifetime(rows.row(reference.row), borrowing: self)
  }

  func isExpired(_ memory: Memory) -> Bool { hasPassed(memory.expiresAt) }

  /// Whether the time is ``now`` or earlier; nil means never.
  func hasPassed(_ expiresAt: Date?) -> Bool {
    guard let expiresAt else { return false }
    return expiresAt.milliseconds <= now
  }

  /// The record; nil if there is none or it has expired.
  func liveMemoryRecord(_ id: MemoryID) throws -> MemoryRecord? {
    guard let record = try memoryRecord(id), !isExpired(record.memory) else { return nil }
    return record
  }

  /// The record of the user's memory, expired or not; nil if no memory has the id, or another user's has it. Every public call on one
  /// memory calls this or ``liveMemoryRecord(_:of:)``, which calls this.
  ///
  /// - Throws: ``StoreError`` `.invalidUserID`, `.corrupted`.
  func memoryRecord(_ id: MemoryID, of userID: String) throws -> MemoryRecord? {
    try Limits.checkUserID(userID)
    guard let record = try memoryRecord(id), record.memory.userID.hasSameBytes(as: userID) else { return nil }
    return record
  }

  /// As ``memoryRecord(_:of:)``; nil also if the memory has expired.
  func liveMemoryRecord(_ id: MemoryID, of userID: String) throws -> MemoryRecord? {
    guard let record = try memoryRecord(id, of: userID), !isExpired(record.memory) else { return nil }
    return record
  }

  /// The id of the memory that has a dedupe key; nil if the key is free.
  func dedupe(_ userID: String, _ dedupeKey: String) throws -> MemoryID? {
    guard let value = try value(DedupeKey(user: userKey(userID), hash: userKey(dedupeKey)), in: Tables.Dedupe.self) else { return nil }
    return try Tables.Dedupe.value(value)
  }

  /// The record of the user's memory with the dedupe key, expired or not; nil if the key is free.
  ///
  /// - Throws: ``StoreError`` `.invalidUserID`, `.valueTooLarge`; `.corrupted` if the key leads to a memory that does not have it.
  func memoryRecord(dedupeKey: String, of userID: String) throws -> MemoryRecord? {
    try Limits.checkUserID(userID)
    try Limits.checkName(dedupeKey, "dedupeKey")
    guard let id = try dedupe(userID, dedupeKey) else { return nil }
    guard let record = try memoryRecord(id, of: userID), record.memory.dedupeKey.hasSameBytes(as: dedupeKey) else {
      throw StoreError(.corrupted, "the dedupe key '\(dedupeKey)' names memory \(id), which does not have it")
    }
    return record
  }

  /// As ``memoryRecord(dedupeKey:of:)``; nil also if the memory has expired.
  func liveMemoryRecord(dedupeKey: String, of userID: String) throws -> MemoryRecord? {
    guard let record = try memoryRecord(dedupeKey: dedupeKey, of: userID), !isExpired(record.memory) else { return nil }
    return record
  }

  /// How many expired memories of the users (nil: of all) the sweep has not removed yet.
  func expiredCount(_ users: Set<UserKey>?) throws -> Int {
    var count = 0
    try forEachExpired(limit: .max) { _, owner in
      if users?.contains(owner) ?? true { count += 1 }
    }
    return count
  }

  /// Calls `body` for the memories that have expired by ``now``, or by an earlier time, the earliest first.
  func forEachExpired(limit: Int, before time: Int64? = nil, _ body: (MemoryID, UserKey) throws -> Void) throws {
    let now = min(time ?? now, now)
    var left = limit
    if left <= 0 { return }
    try walk(Tables.Expiry.self) { key, value in
      if key.expiresAt > now { return false }
      try body(key.id, try Tables.Expiry.value(value))
      left -= 1
      return left > 0
    }
  }

  /// The earliest time at which a memory expires or has expired; nil if none does.
  func firstExpiry() throws -> Int64? {
    try firstKey(of: Tables.Expiry.self)?.expiresAt
  }

  /// Walks a user's live memories by time until `body` returns false.
  ///
  /// - Parameter position: Where to go on: after this memory in the chosen direction.
  func forEachMemory(
    of userID: String, newestFirst: Bool, after position: TimelinePosition?, _ body: (MemoryRecord) throws -> Bool
  ) throws {
    let key = userKey(userID)
    let start = position.map { WalkStart.after(TimelineKey(user: key, createdAt: $0.createdAt, id: $0.id)) } ?? .end
    try walk(Tables.Timeline.self, prefix: key.prefix, from: start, backwards: newestFirst) { entry, _ in
      guard let record = try record(entry.id, of: userID) else { return true }
      return try body(record)
    }
  }

  /// The record that an entry of the user's timeline names; nil if it has expired, or is of another user with the same key.
  func record(_ id: MemoryID, of userID: String) throws -> MemoryRecord? {
    guard let record = try memoryRecord(id) else {
      throw StoreError(.corrupted, "the timeline names memory \(id), which has no record")
    }
    return record.memory.userID.hasSameBytes(as: userID) && !isExpired(record.memory) ? record : nil
  }

  /// The user's live memories directly before and after one of them by time, equal times by id.
  ///
  /// - Returns: At most `count` of each side, the oldest first; none if the user has no such memory.
  /// - Complexity: O(log memories + count + expired memories in between).
  func neighbors(of id: MemoryID, for userID: String, count: Int) throws -> [Memory] {
    guard count > 0 else { throw StoreError(.invalidArgument, "the count of neighbors is \(count), it must be at least 1") }
    guard let memory = try liveMemoryRecord(id, of: userID)?.memory else { return [] }
    return try neighbors(of: memory, atMost: count)
  }

  /// The neighbors of a memory that the caller has read; none for a count of 0.
  ///
  /// - Parameter date: Those created later are left out; nil: none are.
  func neighbors(of memory: Memory, atMost count: Int, asOf date: Date? = nil) throws -> [Memory] {
    if count == 0 { return [] }
    let position = TimelinePosition(createdAt: memory.createdAt.milliseconds, id: memory.id)
    let last = date?.milliseconds ?? .max
    var neighbors: [Memory] = []
    func collect(newestFirst: Bool) throws {
      var left = count
      try forEachMemory(of: memory.userID, newestFirst: newestFirst, after: position) { record in
        if record.memory.createdAt.milliseconds > last { return false }
        neighbors.append(record.memory)
        left -= 1
        return left > 0
      }
    }
    try collect(newestFirst: true)
    neighbors.reverse()
    try collect(newestFirst: false)
    return neighbors
  }

  /// Walks every live memory in the order of ids until `body` returns false.
  func forEachMemory(newestFirst: Bool = false, after id: MemoryID?, _ body: (MemoryRecord) throws -> Bool) throws {
    try walk(Tables.Memories.self, from: id.map { .after($0) } ?? .end, backwards: newestFirst) { id, value in
      let record = try MemoryRecord(value, id: id)
      return try isExpired(record.memory) || body(record)
    }
  }
}

/// A position in a user's timeline. `createdAt` is in milliseconds since 1970.
struct TimelinePosition: Sendable, Hashable {
  let createdAt: Int64
  let id: MemoryID
}
