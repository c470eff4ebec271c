import Foundation
import TestSupport
import Testing

@testable import Engram

/// A store of each format is kept and must always open. `format-1-details` is a store of format 1 in which a later version stored memories
/// of schema 2, `format-1-versions` one in which a still later version changed memories.
@Suite(.serialized) struct FormatFixtureTests {
  private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures")

  /// Unpacks the store of a fixture.
  static func unpack(_ name: String, in place: TemporaryDirectory) throws -> URL {
    let unpacked = try Subprocess.run("/bin/tar", ["-xzf", fixtures.appendingPathComponent("\(name).tar.gz").path, "-C", place.path])
    #expect(unpacked.termination == .exited(0), "\(unpacked.standardError)")
    return URL(fileURLWithPath: place.path("\(name).memory"))
  }

  @Test(.timeLimit(.minutes(5)), arguments: ["format-1", "format-1-details", "format-1-versions"])
  func aStoreOfAnEarlierFormatOpensAndHoldsWhatItHeld(
    _ name: String
  ) async throws {
    let place = TemporaryDirectory()
    let url = try Self.unpack(name, in: place)
    let expected = try Data(contentsOf: Self.fixtures.appendingPathComponent("\(name).jsonl"))
    for access in [StoreOptions.Access.readOnly, .readWrite] {
      let hold = try RebuildHold(url)
      let store = try await MemoryStore.open(
        at: url, options: StoreOptions(access: access, createsIfMissing: false))
      var exported: [UInt8] = []
      _ = try store.exportLines { exported += $0 }
      #expect(String(decoding: exported, as: UTF8.self) == String(decoding: expected, as: UTF8.self))
      #expect(try await store.verify().problems == [])
      #expect(try store.history(for: "ada").map(\.context.friendshipLevel) == [2])
      let hits = try store.search(SearchQuery(embedding: [1, 2, 3, 4, 5, 6, 7, 8], scope: .user("ada"), limit: 1))
      #expect(hits.map(\.memory.text) == ["loves ramen with extra egg"])
      let tagged = try store.search(SearchQuery(embedding: [8, 7, 6, 5, 4, 3, 2, 1], scope: .user("ada"), filter: .tag("home")))
      #expect(tagged.map(\.memory.text) == (name == "format-1" ? [] : ["lives in Linz"]))
      let current = try store.search(SearchQuery(embedding: [8, 7, 6, 5, 4, 3, 2, 1], scope: .user("ada")))
      #expect(!current.contains { $0.memory.text == "lives in Graz" })
      // The store was made before the index of sessions existed: reads work without it, and a compaction builds it.
      #expect(try store.inspection().missingTables == ["sessions", "words"])
      let all = try store.memories(for: "ada", newestFirst: false).elements
      for session in Set(all.compactMap(\.sessionID)) {
        #expect(try store.memories(inSession: session, for: "ada").elements == all.filter { $0.sessionID == session })
      }
      let ramen = try #require(all.first { $0.text == "loves ramen with extra egg" })
      let (present, earlier) =
        name == "format-1-versions"
        ? (4, ["3 prefers cold soba in summer", "2 prefers cold soba in summer", "1 loves ramen with extra egg"]) : (1, [])
      func versions() throws -> [String] {
        try store.history(of: ramen.id, for: "ada").map { "\($0.version) \($0.text)" }
      }
      #expect(ramen.version == present)
      #expect(try versions() == earlier)
      hold.end()
      if access == .readWrite {
        try await store.compact()
        #expect(try versions() == earlier)
        #expect(try store.inspection().missingTables == [] && store.memories(for: "ada", newestFirst: false).elements == all)
        #expect(try await store.verify().problems == [])
        for session in Set(all.compactMap(\.sessionID)) {
          #expect(try store.memories(inSession: session, for: "ada").elements == all.filter { $0.sessionID == session })
        }
        try await store.updateContext(for: "ada", message: "Bye", response: "See you!")
        #expect(try store.context(for: "ada")?.conversationsCount == 4)
      }
      try await store.close()
    }
  }
}
