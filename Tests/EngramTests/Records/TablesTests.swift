import LMDB
import TestSupport
import Testing

@testable import Engram

/// The list of tables, and their keys.
@Suite struct TablesTests {
  @Test func theListHasEachTableAtItsNumber() {
    #expect(Tables.all.map { $0.number } == Array(0..<Tables.all.count))
    #expect(Set(Tables.names).count == Tables.all.count)
    #expect(Tables.indexes.map { $0.name } == ["timeline", "expiry", "dedupe", "sessions"])
    #expect(Tables.optionalNames == ["sessions", "words"])
    // Each optional table has its own bit, and this version maintains all of them.
    let options = Tables.all.map { $0.option }.filter { !$0.isEmpty }
    #expect(options.allSatisfy { $0.rawValue.nonzeroBitCount == 1 } && Set(options.map(\.rawValue)).count == options.count)
    #expect(OptionalTables(options) == .known)
  }

  /// Keys that differ in one part each, in the order of their parts.
  @Test func aKeyReadsBackAndItsBytesSortAsItsParts() throws {
    let numbers: [UInt64] = [0, 1, 255, 256, .max - 1, .max]
    let users = numbers.flatMap { high in [0, .max].map { UserKey(high: high, low: $0) } }
    let ids = numbers.map { MemoryID(high: $0, low: 7) } + [MemoryID(high: .max, low: 8)]
    let times: [Int64] = [.min, -1, 0, 1, .max]
    try check([MetaKey.state, .store], Tables.Meta.self)
    try check(users, Tables.Users.self)
    try check(users.flatMap { user in ["A", "AB", "B"].map { ContextKey(user: user, recordType: $0) } }, Tables.Contexts.self)
    try check(
      numbers.map { .context(ContextVersionKey(ContextKey(user: users[3], recordType: "UserContext"), version: $0)) }, Tables.History.self)
    // The keys of memories come before those of contexts.
    try check(
      ids.flatMap { id in numbers.map { .memory(MemoryVersionKey(MemoryVersions(user: users[3], id: id), version: $0)) } }
        + [.context(ContextVersionKey(ContextKey(user: users[3], recordType: "-"), version: 0))], Tables.History.self)
    try check(ids, Tables.Memories.self)
    try check(times.flatMap { time in ids.map { TimelineKey(user: users[1], createdAt: time, id: $0) } }, Tables.Timeline.self)
    try check(users.flatMap { user in [0, 1, 256, .max].map { BlockKey(user: user, number: $0) } }, Tables.Blocks.self)
    try check(users.map { BlockKey(user: $0, number: 5) }, Tables.Columns.self)
    try check(times.flatMap { time in ids.map { ExpiryKey(expiresAt: time, id: $0) } }, Tables.Expiry.self)
    try check(users.flatMap { user in users.map { DedupeKey(user: user, hash: $0) } }, Tables.Dedupe.self)
    try check(
      users.map { TokenKey.token($0) } + numbers.flatMap { number in users.map { TokenKey.order(sequence: number, $0) } },
      Tables.Tokens.self)
    try check(
      users.flatMap { session in
        times.flatMap { time in ids.map { SessionKey(user: users[2], session: session, createdAt: time, id: $0) } }
      }, Tables.Sessions.self)
    try check(times.flatMap { time in ids.map { WordsKey(user: users[1], createdAt: time, id: $0) } }, Tables.Words.self)
    try check(numbers.flatMap { number in [0, 1, .max].map { LogKey(sequence: number, index: $0) } }, Tables.Log.self)
  }

  private func check<T: Table>(_ keys: [T.EntryKey], _ table: T.Type) throws {
    var last: [UInt8]?
    for key in keys {
      let encoded = key.encoded
      #expect(try T.EntryKey(decoding: encoded.bytes) == key, "\(table.name)")
      let bytes = unsafe encoded.bytes.withUnsafeBytes { unsafe Array($0) }
      if let last { #expect(last.lexicographicallyPrecedes(bytes), "\(table.name): \(key)") }
      last = bytes
    }
  }

  /// A damaged key is an error, never a trap: shorter, longer, or of another kind.
  @Test func aKeyOfAnotherShapeIsRefused() {
    for table in Tables.all {
      for count in 0...112 {
        var key = Key()
        for _ in 0..<count { key.append(UInt8(0x5A)) }
        refuse(key, table, isAllowed: Self.shapes[table.name]?.contains(count) ?? false)
      }
    }
  }

  /// The possible lengths of each table's keys. `meta`, `history` and `tokens` are left out: their keys need bytes that the test's keys do
  /// not have.
  private static let shapes: [String: ClosedRange<Int>] = [
    "users": 16...16, "contexts": 17...112, "memories": 16...16, "timeline": 40...40, "blocks": 20...20, "columns": 20...20,
    "expiry": 24...24, "dedupe": 32...32, "log": 12...12,
    "sessions": 56...56, "words": 40...40,
  ]

  private func refuse<T: Table>(_ key: Key, _ table: T.Type, isAllowed: Bool) {
    do throws(StoreError) {
      _ = try T.EntryKey(decoding: key.bytes)
      #expect(isAllowed, "\(table.name) takes a key of \(key.count) bytes")
    } catch {
      #expect(!isAllowed && error.code == .corrupted, "\(table.name): \(error)")
    }
  }
}
