import Files
import Foundation
import TestSupport
import Testing

@testable import Engram

/// A closed store with contents of every kind, to be damaged and repaired.
struct DamagedStorePlace {
  let directory = TemporaryDirectory()
  /// The contents of the store when it was closed.
  let contents: StoreContents
  let export: [UInt8]
  /// Every memory that was deleted at any time.
  let deleted: Set<MemoryID>

  var path: String { directory.path("store") }
  var url: URL { URL(fileURLWithPath: path) }
  var destination: URL { URL(fileURLWithPath: directory.path("repaired")) }
  var dataPath: String { "\(path)/gen-1/data.mdb" }
  var rowPath: String { "\(path)/gen-1/rows.f32" }

  /// - Parameter size: The approximate number of memories of each of four users.
  init(size: Int = 60) async throws {
    let url = URL(fileURLWithPath: directory.path("store"))
    let store = try await MemoryStore.open(at: url, options: StoreOptions(dimension: 8))
    var deleted: Set<MemoryID> = []
    for number in 0..<4 {
      let user = "user \(number)"
      let ids = try await store.write(token: "token \(number)") { transaction in
        for version in 0...number {
          try transaction.updateContext(Tally.self, for: user) { ($0 ?? Tally(userID: user, value: 0)).adding(version) }
        }
        try transaction.put(UserContext(userID: user, friendshipLevel: number, firstSeen: Date(milliseconds: 1_700_000_000_000)))
        return try transaction.add((0..<size).map { Self.draft(user, $0) }).map(\.id)
      }
      let gone = ids.indices.filter { $0 % 7 == 3 }.map { ids[$0] }
      try await store.write { transaction in
        for id in gone { try transaction.delete(id, for: user) }
      }
      deleted.formUnion(gone)
    }
    // The last commits are small, so most pages belong to earlier ones.
    let last = try await store.add(Self.draft("user 1", size)).id
    try await store.delete(last, for: "user 1")
    deleted.insert(last)
    contents = try StoreContents(store)
    export = try Self.export(store)
    self.deleted = deleted
    try await store.close()
  }

  private static func draft(_ user: String, _ number: Int) -> MemoryDraft {
    var draft = TestStore.draft(user, number)
    // Longer than a page, of few words.
    if number % 20 == 7 { draft.text = "long \(number) " + String(repeating: "x", count: 7200) }
    if number % 9 == 2 { draft.embedding = nil }
    if number % 5 == 0 { draft.dedupeKey = "key \(number)" }
    if number % 6 == 0 { draft.expiresAt = Date(milliseconds: 4_000_000_000_000 + Int64(number)) }
    draft.kind = number % 2 == 0 ? "fact" : nil
    return draft
  }

  static func export(_ store: MemoryStore) throws -> [UInt8] {
    var bytes: [UInt8] = []
    _ = try store.exportLines { bytes += $0 }
    return bytes
  }

  // MARK: Damage

  func image() throws -> DataFileImage { DataFileImage(bytes: try read(dataPath)) }

  func read(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }

  func write(_ bytes: [UInt8], to path: String) throws {
    let file = try Files.FileHandle(path: path, access: .create)
    try file.truncate(to: 0)
    try file.write(bytes, at: 0)
  }

  func damageData(_ change: (inout DataFileImage) throws -> Void) throws {
    var image = try image()
    try change(&image)
    try write(image.bytes, to: dataPath)
  }

  func damageRows(_ change: (inout [UInt8]) throws -> Void) throws {
    var bytes = try read(rowPath)
    try change(&bytes)
    try write(bytes, to: rowPath)
  }

  /// Every file of the store.
  func files() throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
      let child = "\(path)/\(name)"
      files[name] = try Directories.status(child)?.isDirectory == true ? [] : read(child)
    }
    return files
  }

  // MARK: Repair

  /// Repairs the store, checks that its files have not changed and that the new store verifies, and returns the new store's contents.
  func repair(
    usingPrevious: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> (report: RepairReport, contents: StoreContents) {
    let before = try files()
    let report = try await MemoryStore.repair(url, into: destination, usingPrevious: usingPrevious)
    #expect(try files() == before, sourceLocation: sourceLocation)
    let store = try await MemoryStore.open(at: destination)
    #expect(try await store.verify().problems == [], sourceLocation: sourceLocation)
    let contents = try StoreContents(store)
    try await store.close()
    #expect(report.memories == contents.memories.count, sourceLocation: sourceLocation)
    #expect(report.rows == contents.rowsLive && report.tokens == contents.tokens, sourceLocation: sourceLocation)
    #expect(report.contexts == contents.contexts.count + contents.tallies.count, sourceLocation: sourceLocation)
    #expect(report.versions == contents.histories.values.map(\.count).reduce(0, +), sourceLocation: sourceLocation)
    return (report, contents)
  }

  /// Expects that all contents are found except the memories, embeddings and contexts named.
  func expectKept(
    _ found: StoreContents, memories lost: Set<MemoryID> = [], embeddings: Set<MemoryID> = [], contextsOf users: Set<String> = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let expected = contents.memories.filter { !lost.contains($0.memory.id) }
    #expect(found.memories.map(\.memory) == expected.map(\.memory), sourceLocation: sourceLocation)
    #expect(
      found.memories.map(\.embedding) == expected.map { embeddings.contains($0.memory.id) ? nil : $0.embedding },
      sourceLocation: sourceLocation)
    for (user, context) in contents.contexts where !users.contains(user) {
      #expect(found.contexts[user] == context && found.tallies[user] == contents.tallies[user], sourceLocation: sourceLocation)
      #expect(found.histories[user] == contents.histories[user], sourceLocation: sourceLocation)
    }
    #expect(found.tokens == contents.tokens, sourceLocation: sourceLocation)
  }
}
