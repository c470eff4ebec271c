import Foundation
import LMDB
import VectorSearch

@testable import Engram

/// Everything in a store that can be equal in two stores: keys are left out, because they depend on the store's secret, and so are the
/// times of commits. Reading it checks every record against every index, and the counts against the records.
struct StoreContents: Equatable {
  struct Entry: Equatable {
    let memory: Memory
    let row: MemoryRecord.RowReference?
    let embedding: Embedding?
  }

  struct User: Equatable {
    let record: UserRecord
    let blocks: [WriteBatch.Block]
  }

  var memories: [Entry] = []
  var users: [String: User] = [:]
  var contexts: [String: UserContext] = [:]
  var tallies: [String: Tally] = [:]
  var histories: [String: [Tally]] = [:]
  var log: [LogRecord] = []
  var rowsHigh = 0
  var rowsLive = 0
  var tokens = 0

  struct Damage: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
  }

  init(_ store: MemoryStore) throws {
    let snapshot = try store.snapshot()
    var contents = Self.empty
    try snapshot.read { reader in try contents.readRecords(reader) }
    for index in contents.memories.indices {
      let entry = contents.memories[index]
      contents.memories[index] = Entry(
        memory: entry.memory, row: entry.row, embedding: try snapshot.embedding(of: entry.memory.id, for: entry.memory.userID))
    }
    self = contents
  }

  private init() {}
  private static var empty: StoreContents { StoreContents() }

  private mutating func readRecords(_ reader: RecordReader) throws {
    let state = try reader.state()
    var cursor = try reader.view.cursor(in: reader.schema[Tables.Memories.self])
    var found = try cursor.first()
    var counts: [String: (memories: Int, rows: Int)] = [:]
    var (timeline, expiring, deduped) = (0, 0, 0)
    while found {
      let record = try MemoryRecord(try cursor.value(), id: MemoryID(cursor.key, at: 0))
      let memory = record.memory
      memories.append(Entry(memory: memory, row: record.row, embedding: nil))
      counts[memory.userID, default: (0, 0)].memories += 1
      if record.row != nil { counts[memory.userID, default: (0, 0)].rows += 1 }
      let key = reader.userKey(memory.userID)
      try require(
        reader.contains(TimelineKey(user: key, createdAt: memory.createdAt.milliseconds, id: memory.id), in: Tables.Timeline.self),
        "timeline")
      timeline += 1
      if let expiresAt = memory.expiresAt {
        try require(reader.contains(ExpiryKey(expiresAt: expiresAt.milliseconds, id: memory.id), in: Tables.Expiry.self), "expiry")
        expiring += 1
      }
      if let dedupeKey = memory.dedupeKey {
        try require(try reader.dedupe(memory.userID, dedupeKey) == memory.id, "dedupe")
        deduped += 1
      }
      found = try cursor.next()
    }
    try require(try reader.entryCount(of: Tables.Timeline.self) == timeline, "a timeline entry too many")
    try require(try reader.entryCount(of: Tables.Expiry.self) == expiring, "an expiry entry too many")
    try require(try reader.entryCount(of: Tables.Dedupe.self) == deduped, "a dedupe entry too many")
    try require(try reader.entryCount(of: Tables.Log.self) == state.logCount, "the count of the log")
    try require(try reader.entryCount(of: Tables.Tokens.self) == 2 * state.tokens, "the count of tokens")
    try require(state.memories == memories.count, "the count of memories: \(state.memories), found \(memories.count)")
    try readUsers(reader, state, counts)
    try readLog(reader)
    (rowsHigh, rowsLive, tokens) = (state.rowsHigh, state.rowsLive, state.tokens)
  }

  private mutating func readUsers(_ reader: RecordReader, _ state: StateRecord, _ counts: [String: (memories: Int, rows: Int)]) throws {
    var (blockCount, contextCount, live) = (0, 0, 0)
    var records: [UserRecord] = []
    try reader.forEachUser(after: nil) { _, record in
      records.append(record)
      return true
    }
    for record in records {
      let key = reader.userKey(record.userID)
      var blocks: [WriteBatch.Block] = []
      for number in 0..<record.blocks {
        guard let value = try reader.value(BlockKey(user: key, number: number), in: Tables.Blocks.self) else {
          // A block is removed when its last row has died; blocks that are still to be filled stay.
          try require(
            number < record.firstOpenBlock, "block \(number) of \(record.userID), who fills \(record.firstOpenBlock) of \(record.blocks)")
          continue
        }
        guard let columns = try reader.value(BlockKey(user: key, number: number), in: Tables.Columns.self) else {
          throw Damage("columns of block \(number)")
        }
        blocks.append(WriteBatch.Block(record: try BlockRecord(value), columns: BlockColumns(try ColumnsView(columns))))
      }
      blockCount += blocks.count
      live += blocks.reduce(0) { $0 + $1.record.live.nonzeroBitCount }
      try require(record.memories == counts[record.userID]?.memories ?? 0, "the memories of \(record.userID)")
      try require(record.rows == counts[record.userID]?.rows ?? 0, "the rows of \(record.userID)")
      contexts[record.userID] = try reader.context(UserContext.self, record.userID)
      tallies[record.userID] = try reader.context(Tally.self, record.userID)
      histories[record.userID] = try reader.history(Tally.self, record.userID, limit: .max).map(\.context)
      let present = (contexts[record.userID] == nil ? 0 : 1) + (tallies[record.userID] == nil ? 0 : 1)
      try require(record.contexts == present, "the contexts of \(record.userID): \(record.contexts), found \(present)")
      contextCount += present
      users[record.userID] = User(record: record, blocks: blocks)
    }
    try require(state.users == users.count, "the count of users")
    try require(state.contexts == contextCount, "the count of contexts")
    try require(state.rowsLive == live, "live bits: \(state.rowsLive), found \(live)")
    try require(Set(counts.keys).isSubset(of: users.keys), "a memory's user has no record")
    try require(try reader.entryCount(of: Tables.Blocks.self) == blockCount, "a block too many")
    try require(try reader.entryCount(of: Tables.Columns.self) == blockCount, "columns too many")
  }

  private mutating func readLog(_ reader: RecordReader) throws {
    try reader.walk(Tables.Log.self) { _, value in
      log.append(try LogRecord(value))
      return true
    }
  }

  private func require(_ condition: Bool, _ what: @autoclosure () -> String) throws {
    if !condition { throw Damage("the store contradicts itself: \(what())") }
  }
}

/// A context whose value shows the order of its updates.
struct Tally: ContextRecord, Hashable {
  let userID: String
  let value: UInt64

  func adding(_ number: Int) -> Tally { Tally(userID: userID, value: value &* 31 &+ UInt64(number)) }
}
