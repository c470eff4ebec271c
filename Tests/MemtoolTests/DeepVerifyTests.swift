import Files
import Formats
import Foundation
import LMDB
import Testing
import TestSupport

@testable import Engram

/// `verify --deep` finds every damage that the tests make, and never dies of it.
@Suite struct DeepVerifyTests {
  private let tool: Tool
  private let store: String

  init() throws {
    tool = try Tool()
    let lines = SampleLines.jsonLines(count: 400, seed: 5) { _, generator in
      (0..<16).map { _ in Float.random(in: -1...1, using: &generator) }
    }
    store = try tool.store("s.memory", "--dimension", "16", lines: lines)
    try tool.run("context", "set", store, "--user", "z", #"{"firstSeen":2}"#)
    try tool.run("context", "set", store, "--user", "z", #"{"firstSeen":3}"#)
  }

  private var data: String { "\(store)/gen-1/data.mdb" }
  private var rows: String { "\(store)/gen-1/rows.f32" }

  private func change(_ path: String, _ body: (inout [UInt8]) throws -> Void) throws {
    var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    try body(&bytes)
    let handle = try FileHandle(path: path, access: .readWrite)
    try handle.write(bytes, at: 0)
    try handle.truncate(to: bytes.count)
  }

  private func withDatabase<Value>(_ body: (inout EnvironmentTransaction, [String: Database]) throws -> Value) throws -> Value {
    let environment = try Environment(path: "\(store)/gen-1", databases: Tables.names, options: Environment.Options())
    var transaction = try EnvironmentTransaction(environment)
    let value = try body(&transaction, Dictionary(uniqueKeysWithValues: environment.databases.map { ($0.name, $0) }))
    try transaction.commit()
    #expect(environment.close())
    return value
  }

  /// The meta page of the store's last commit.
  private func meta() throws -> MetaPage { try #require(try MetaPair.read(try FileHandle(path: data, access: .read)).newestValid) }

  private func expectDamage(_ what: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let outcome = try tool.run(["verify", store, "--deep"], exit: 3, sourceLocation: sourceLocation)
    #expect(outcome.standardOutput.contains(what), "\(outcome.standardOutput.prefix(2000))", sourceLocation: sourceLocation)
    let json = try tool.run(["verify", store, "--deep", "--json"], exit: 3, sourceLocation: sourceLocation).standardOutput
    #expect(json.hasPrefix(#"{"ok":false,"#), sourceLocation: sourceLocation)
  }

  @Test func aSoundStoreIsFoundSound() throws {
    let outcome = try tool.run("verify", store, "--deep")
    #expect(outcome.standardOutput.hasPrefix("ok: 400 memories, 8 contexts, 400 rows, "), "\(outcome.standardOutput)")
    #expect(outcome.standardOutput.contains(" pages, "))
  }

  /// Flips one bit of one value of each kind; the key and the checksum stay.
  @Test(arguments: Tables.names) func aFlippedBitOfAValueIsFound(_ name: String) throws {
    let pattern = try withDatabase { transaction, databases -> [UInt8] in
      let database = try #require(databases[name])
      if name == "tokens" {
        try transaction.put(TokenKey.token(UserKey(high: 1, low: 2)).encoded, [1, 2, 3, 4, 5, 6, 7, 8, 9], in: database)
      }
      // The value as it is in the file, with its checksum at the end; an empty value consists of the checksum only.
      var cursor = try transaction.view.cursor(in: database)
      try #require(try cursor.first())
      let (key, value) = (Key(cursor.key), try cursor.valueBytes())
      return value + RecordChecksum(database: name).bytes(key: key.bytes, value: unsafe value.span.bytes)
    }
    try change(data) { bytes in
      let hits = bytes.indices.filter { bytes[$0] == pattern[0] && bytes[$0...].starts(with: pattern) }
      try #require(!hits.isEmpty)
      for hit in hits { bytes[hit + pattern.count / 2] ^= 0x10 }
    }
    try expectDamage(name)
  }

  @Test func aFlippedBitOfARowIsFound() throws {
    try change(rows) { $0[4096 + 64 * 7 + 9] ^= 4 }
    try expectDamage("rows.f32: row 7 of memory ")
  }

  @Test func aSwappedRowFileIsFound() throws {
    let other = try tool.store(
      "other.memory", "--dimension", "16", lines: SampleLines.jsonLines(count: 400, seed: 5) { _, _ in [Float](repeating: 1, count: 16) })
    try FileManager.default.removeItem(atPath: rows)
    try FileManager.default.copyItem(atPath: "\(other)/gen-1/rows.f32", toPath: rows)
    try expectDamage("rows.f32 does not belong to this store: its store UUID")
  }

  @Test func aTruncatedRowFileIsFound() throws {
    try change(rows) { $0.removeLast($0.count - 4096 - 64 * 100) }
    try expectDamage("rows.f32 is truncated")
  }

  @Test func aTruncatedDataFileIsFound() throws {
    let last = try meta().lastPage
    try change(data) { $0.removeLast($0.count - Int(last / 2) * 4096) }
    try expectDamage("the file is truncated")
  }

  @Test(arguments: [
    ("memories", "timeline: it names memory "), ("timeline", "has no entry"),
    ("blocks", "of its user, which is missing"),
    ("columns", "has no columns"), ("users", "has no record"), ("contexts", "contexts"), ("log", "log entries"),
  ])
  func aMissingEntryIsFound(_ name: String, _ problem: String) throws {
    try withDatabase { transaction, databases in
      let database = try #require(databases[name])
      let key = try {
        var cursor = try transaction.view.cursor(in: database)
        try #require(try cursor.first())
        return Key(cursor.key)
      }()
      try #require(try transaction.delete(key, in: database))
    }
    try expectDamage(problem)
  }

  /// A record without its row, a mask, a count: each value has the right checksum, but they contradict each other.
  @Test func contradictionsAreFound() throws {
    try withDatabase { transaction, databases in
      let (memories, users, blocks) = (
        try #require(databases["memories"]), try #require(databases["users"]), try #require(databases["blocks"])
      )
      func first(_ database: Database) throws -> (Key, [UInt8]) {
        var cursor = try transaction.view.cursor(in: database)
        try #require(try cursor.first())
        return (Key(cursor.key), try cursor.valueBytes())
      }
      let (id, value) = try first(memories)
      var record = try MemoryRecord(unsafe value.span.bytes, id: MemoryID(id.bytes, at: 0))
      record.row = .init(row: 1_000_000, block: 0, checksum: 1)
      var writer = CBORWriter()
      record.encode(into: &writer)
      let (userKey, userValue) = try first(users)
      var user = try UserRecord(unsafe userValue.span.bytes)
      user.memories += 1
      var userWriter = CBORWriter()
      user.encode(into: &userWriter)
      let (blockKey, blockValue) = try first(blocks)
      var block = try BlockRecord(unsafe blockValue.span.bytes)
      // Clears two bits: one may be the row of the record above, which now names another row.
      block.live &= block.live - 1
      block.live &= block.live - 1
      var blockBytes: [UInt8] = []
      block.encode(into: &blockBytes)
      try transaction.put(id, writer.bytes, in: memories)
      try transaction.put(userKey, userWriter.bytes, in: users)
      try transaction.put(blockKey, blockBytes, in: blocks)
    }
    try expectDamage("names row 1000000")
    try expectDamage("memories by its record, and ")
    try expectDamage("is not live in its block")
  }

  @Test func damagedPagesAreFound() throws {
    let sound = try Data(contentsOf: URL(fileURLWithPath: data))
    let page = Int(try meta().lastPage) - 1
    let changes: [(String, (inout [UInt8]) -> Void)] = [
      ("number", { $0[page * 4096] ^= 1 }),
      ("flags", { $0[page * 4096 + 10] ^= 3 }),
      ("lower bound", { $0[page * 4096 + 12] ^= 0xFF }),
      ("node offset", { $0[page * 4096 + 16] ^= 0xFF }),
      ("zeros", { bytes in for offset in 0..<4096 { bytes[page * 4096 + offset] = 0 } }),
      ("swapped pages", { bytes in for offset in 0..<4096 { bytes.swapAt(page * 4096 + offset, (page - 1) * 4096 + offset) } }),
    ]
    for (name, damage) in changes {
      try change(data) { bytes in
        bytes = Array(sound)
        damage(&bytes)
      }
      let outcome = try tool.run(["verify", store, "--deep"], exit: 3)
      #expect(outcome.standardOutput.contains("data.mdb: "), "\(name): \(outcome.standardOutput.prefix(500))")
    }
  }

  /// LMDB dies of SIGFPE, SIGABRT or SIGBUS when it reads such a meta page.
  @Test func damagedMetaPagesAreFoundByEveryCommand() throws {
    let sound = try Data(contentsOf: URL(fileURLWithPath: data))
    let slot = try meta().slot * 4096
    for (offset, value) in [(16, 0), (20, 9), (41, 0), (42, 0xFF), (80, 0x7F), (128, 0x7F), (136, 0xFF)] {
      try change(data) { bytes in
        bytes = Array(sound)
        for other in [slot, 4096 - slot] where offset < 44 { bytes[other + offset] = UInt8(value) }
        for byte in 0..<(offset < 44 ? 1 : 6) { bytes[slot + offset + byte] = UInt8(value) }
      }
      for command in [
        ["verify", store, "--deep"], ["verify", store], ["inspect", store], ["search", store, "--all", "--vector", "[1]"],
      ] {
        try tool.run(command, exit: 3)
      }
    }
  }

  /// Whatever bytes are changed, the command ends by itself: it finds damage, or none if the byte has no meaning.
  @Test(.timeLimit(.minutes(8))) func noByteEndsTheCommandByASignal() throws {
    let sound = Array(try Data(contentsOf: URL(fileURLWithPath: data)))
    let used = (Int(try meta().lastPage) + 1) * 4096
    var generator = SeededGenerator(seed: 77)
    var found = 0
    for _ in 0..<150 {
      try change(data) { bytes in
        bytes = sound
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
          // Headers and pointers are changed more often than the rest of a page.
          let offset =
            Bool.random(using: &generator) ? Int.random(in: 0..<64, using: &generator) : Int.random(in: 0..<4096, using: &generator)
          bytes[Int.random(in: 0..<(used / 4096), using: &generator) * 4096 + offset] = UInt8.random(in: 0...255, using: &generator)
        }
      }
      let outcome = try Subprocess.run(tool.executable, ["verify", store, "--deep"])
      #expect([.exited(0), .exited(3)].contains(outcome.termination), "\(outcome)")
      if outcome.termination == .exited(3) { found += 1 }
    }
    #expect(found > 75, "\(found) of 150")
  }
}
