import Files
import Formats
import Foundation
import LMDB
import Testing
import TestSupport

@testable import Engram

/// Damage made by hand, byte by byte and key by key.
@Suite struct VerifyTests {
  private let tool: Tool
  private let store: String

  init() throws {
    tool = try Tool()
    let lines = SampleLines.jsonLines(count: 60, seed: 4) { _, generator in (0..<4).map { _ in Float.random(in: -1...1, using: &generator) }
    }
    store = try tool.store("s.memory", "--dimension", "4", lines: lines)
    try tool.run("context", "set", store, "--user", "z", #"{"firstSeen":2}"#)
    try tool.run("verify", store)
  }

  private var generation: String { "\(store)/gen-1" }

  /// Verifies, and expects damage that names `what`.
  private func expectDamage(_ what: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let outcome = try tool.run(["verify", store], exit: 3, sourceLocation: sourceLocation)
    #expect(outcome.standardOutput.contains(what), "\(outcome.standardOutput)", sourceLocation: sourceLocation)
    let json = try tool.run(["verify", store, "--json"], exit: 3, sourceLocation: sourceLocation).standardOutput
    #expect(json.hasPrefix(#"{"ok":false,"#), sourceLocation: sourceLocation)
  }

  private func change(_ file: String, _ body: (inout [UInt8]) throws -> Void) throws {
    let url = URL(fileURLWithPath: "\(generation)/\(file)")
    var bytes = Array(try Data(contentsOf: url))
    try body(&bytes)
    let handle = try FileHandle(path: url.path, access: .readWrite)
    try handle.write(bytes, at: 0)
    try handle.truncate(to: bytes.count)
  }

  private func withDatabase(_ body: (inout EnvironmentTransaction, Schema) throws -> Void) throws {
    let environment = try Environment(path: generation, databases: Tables.names, options: Environment.Options())
    let schema = Schema(environment)
    var transaction = try EnvironmentTransaction(environment)
    try body(&transaction, schema)
    try transaction.commit()
    #expect(environment.close())
  }

  /// The first key of a database with its value.
  private func first(_ database: Database, _ transaction: borrowing EnvironmentTransaction) throws -> (key: Key, value: [UInt8]) {
    var cursor = try transaction.view.cursor(in: database)
    try #require(try cursor.first())
    let value = try cursor.value()
    return (Key(cursor.key), unsafe value.withUnsafeBytes { unsafe Array($0) })
  }

  private static func value(_ key: Key, _ database: Database, _ transaction: borrowing EnvironmentTransaction) throws -> [UInt8] {
    guard let value = try transaction.view.value(key, in: database) else {
      Issue.record("\(database.name) has no such key")
      return []
    }
    return unsafe value.withUnsafeBytes { unsafe Array($0) }
  }

  @Test func changedByteOfARowIsFound() throws {
    try change("rows.f32") { $0[4096 + 5] ^= 1 }
    try expectDamage("rows.f32: row 0 of memory ")
  }

  @Test func changedHeaderOfTheRowFileIsFound() throws {
    try change("rows.f32") { $0[40] ^= 1 }
    try expectDamage("rows.f32 does not belong to this store: its header checksum is ")
  }

  @Test func truncatedRowFileIsFound() throws {
    try change("rows.f32") { $0.removeLast($0.count - 4096 - 64) }
    try expectDamage("rows.f32 is truncated: 4160 bytes")
  }

  @Test(arguments: ["text 17 ", "friendshipLevel"])
  func changedByteOfAValueIsFound(_ needle: String) throws {
    let pattern = Array(needle.utf8)
    try change("data.mdb") { bytes in
      let hits = bytes.indices.filter { bytes[$0] == pattern[0] && bytes[$0...].starts(with: pattern) }
      try #require(!hits.isEmpty)
      for hit in hits { bytes[hit] ^= 1 }
    }
    try expectDamage("the value does not match its checksum")
  }

  @Test(arguments: [
    ("memories", "timeline: it names memory "), ("memories", "has no record"), ("timeline", "timeline: memory "),
    ("timeline", "has no entry"),
    ("blocks", "of its user, which is missing"), ("blocks", "columns: there are columns of a block that does not exist"),
    ("columns", "has no columns"), ("users", "contexts and "), ("users", "meta: the state counts 4 users, there are 3"),
    ("contexts", "meta: the state counts 8 contexts, there are 7"), ("contexts", "users: "), ("expiry", "expiry: memory "),
    ("dedupe", "dedupe: memory "),
    ("sessions", "sessions: memory "), ("log", "meta: the state counts 69 log entries, there are 68"),
  ])
  func deletedKeyIsFound(_ name: String, _ problem: String) throws {
    try withDatabase { transaction, schema in
      let database = try #require(Self.databases(schema)[name])
      try #require(try transaction.delete(first(database, transaction).key, in: database))
    }
    try expectDamage(problem)
  }

  @Test func deletedPresentContextOfAHistoryIsFound() throws {
    try withDatabase { transaction, schema in
      let key = try first(schema[Tables.History.self], transaction).key
      var context = Key()
      for offset in 0..<(key.count - 9) { context.append(key.bytes.bigEndian(at: offset, as: UInt8.self)) }
      try #require(try transaction.delete(context, in: schema[Tables.Contexts.self]))
    }
    try expectDamage("history: version 1 of a UserContext has no present one")
  }

  @Test func clearedLiveBitIsFound() throws {
    try withDatabase { transaction, schema in
      let (key, value) = try first(schema[Tables.Blocks.self], transaction)
      var block = try BlockRecord(unsafe value.span.bytes)
      try #require(block.live & 1 == 1)
      block.live &= ~1
      var bytes: [UInt8] = []
      block.encode(into: &bytes)
      try transaction.put(key, bytes, in: schema[Tables.Blocks.self])
    }
    try expectDamage("is not live in its block")
  }

  @Test func anExpiryThatTheBlockDoesNotTellIsFound() throws {
    try withDatabase { transaction, schema in
      let (key, value) = try first(schema[Tables.Expiry.self], transaction)
      let owner = UserKey(unsafe value.span.bytes)
      let id = MemoryID(key.bytes, at: 8)
      let memory = try Self.value(id.encoded, schema[Tables.Memories.self], transaction)
      let record = try MemoryRecord(unsafe memory.span.bytes, id: id)
      let row = try #require(record.row)
      let name = BlockKey(user: owner, number: row.block).encoded
      let stored = try Self.value(name, schema[Tables.Blocks.self], transaction)
      var block = try BlockRecord(unsafe stored.span.bytes)
      try #require(block.hasExpiry)
      block.hasExpiry = false
      var bytes: [UInt8] = []
      block.encode(into: &bytes)
      try transaction.put(name, bytes, in: schema[Tables.Blocks.self])
    }
    try expectDamage(", which expires, says that none does")
  }

  /// Both records are read: the row belongs to one of them.
  @Test func aRowThatTwoRecordsNameIsFound() throws {
    var second: MemoryID?
    try withDatabase { transaction, schema in
      let (row, id, value) = try {
        var cursor = try transaction.view.cursor(in: schema[Tables.Memories.self])
        try #require(try cursor.first())
        let owner = try MemoryRecord(try cursor.value(), id: MemoryID(cursor.key, at: 0))
        try #require(try cursor.next())
        return (try #require(owner.row).row, MemoryID(cursor.key, at: 0), try cursor.valueBytes())
      }()
      var record = try MemoryRecord(unsafe value.span.bytes, id: id)
      let own = try #require(record.row)
      record.row = .init(row: row, block: own.block, checksum: own.checksum)
      second = id
      var writer = CBORWriter()
      record.encode(into: &writer)
      try transaction.put(id.encoded, writer.bytes, in: schema[Tables.Memories.self])
    }
    let id = try #require(second)
    try expectDamage("of memory \(id) does not match its checksum")
    try expectDamage("is that of memory \(id), whose record names another")
  }

  @Test func aDedupeKeyThatLeadsElsewhereIsFound() throws {
    var ids: [MemoryID] = []
    try withDatabase { transaction, schema in
      let (key, value) = try first(schema[Tables.Dedupe.self], transaction)
      let other = MemoryID(try first(schema[Tables.Memories.self], transaction).key.bytes, at: 0)
      ids = [MemoryID(unsafe value.span.bytes, at: 0), other]
      try transaction.put(key, other.bytes, in: schema[Tables.Dedupe.self])
    }
    try #require(ids[0] != ids[1])
    try expectDamage("dedupe: an entry of memory \(ids[1]) is under another user, time or name than its record says")
    try expectDamage("dedupe: the entry of memory \(ids[0]) does not lead to it")
  }

  @Test func columnsThatContradictTheRecordAreFound() throws {
    try withDatabase { transaction, schema in
      let (key, value) = try first(schema[Tables.Columns.self], transaction)
      var columns = BlockColumns(try ColumnsView(unsafe value.span.bytes))
      columns.slots[0].createdAt += 1
      var bytes: [UInt8] = []
      columns.encode(into: &bytes)
      try transaction.put(key, bytes, in: schema[Tables.Columns.self])
    }
    try expectDamage("columns: what they say of row ")
  }

  @Test func valueUnderAnotherUsersKeyIsFound() throws {
    try withDatabase { transaction, schema in
      let (key, value) = try first(schema[Tables.Users.self], transaction)
      var other = Key()
      other.append(UInt64(0))
      other.append(UInt64(1))
      try transaction.delete(key, in: schema[Tables.Users.self])
      try transaction.put(other, value, in: schema[Tables.Users.self])
    }
    try expectDamage("is under another user's key")
  }

  @Test func entriesThatNothingNamesAreFound() throws {
    try withDatabase { transaction, schema in
      let user = UserKey(high: 1, low: 2)
      let id = MemoryID(high: 3, low: 4)
      try transaction.put(TimelineKey(user: user, createdAt: 5, id: id).encoded, [], in: schema[Tables.Timeline.self])
      try transaction.put(ExpiryKey(expiresAt: 5, id: id).encoded, [UInt8](repeating: 0, count: 16), in: schema[Tables.Expiry.self])
      try transaction.put(DedupeKey(user: user, hash: user).encoded, id.bytes, in: schema[Tables.Dedupe.self])
      try transaction.put(SessionKey(user: user, session: user, createdAt: 5, id: id).encoded, [], in: schema[Tables.Sessions.self])
    }
    for name in ["timeline", "expiry", "dedupe", "sessions"] {
      try expectDamage("\(name): it names memory \(MemoryID(high: 3, low: 4)), which has no record")
    }
  }

  @Test func damagedStoreRecordIsExitCode3ForEveryCommand() throws {
    try withDatabase { transaction, schema in try transaction.put(MetaKey.store.encoded, [0xFF], in: schema[Tables.Meta.self]) }
    try expectDamage("the store's own record does not decode")
    #expect(try tool.run(["inspect", store], exit: 3).standardError.hasPrefix("memtool: the store's own record does not decode"))
  }

  private static func databases(_ schema: Schema) -> [String: Database] {
    let all = [
      schema[Tables.Memories.self], schema[Tables.Timeline.self], schema[Tables.Blocks.self], schema[Tables.Columns.self],
      schema[Tables.Users.self], schema[Tables.Contexts.self], schema[Tables.Expiry.self], schema[Tables.Dedupe.self],
      schema[Tables.Log.self], schema[Tables.Sessions.self],
    ]
    return Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
  }
}
