import Foundation
import TestSupport
import Testing

@testable import Engram

/// A store of each released format is kept, and must open for ever.
@Suite(.serialized) struct FormatFixtureTests {
  private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures")

  @Test(.timeLimit(.minutes(5)), arguments: ["format-1"]) func aStoreOfAnEarlierFormatOpensAndHoldsWhatItHeld(_ name: String) async throws {
    let place = TemporaryDirectory()
    let unpacked = try Subprocess.run("/bin/tar", ["-xzf", Self.fixtures.appendingPathComponent("\(name).tar.gz").path, "-C", place.path])
    #expect(unpacked.termination == .exited(0), "\(unpacked.standardError)")
    let expected = try Data(contentsOf: Self.fixtures.appendingPathComponent("\(name).jsonl"))
    for access in [StoreOptions.Access.readOnly, .readWrite] {
      let store = try await MemoryStore.open(
        at: URL(fileURLWithPath: place.path("\(name).memory")), options: StoreOptions(access: access, createsIfMissing: false))
      var exported: [UInt8] = []
      _ = try store.exportLines { exported += $0 }
      #expect(String(decoding: exported, as: UTF8.self) == String(decoding: expected, as: UTF8.self))
      #expect(try await store.verify().problems == [])
      #expect(try store.history(for: "ada").map(\.context.friendshipLevel) == [2])
      let hits = try store.search(SearchQuery(embedding: [1, 2, 3, 4, 5, 6, 7, 8], scope: .user("ada"), limit: 1))
      #expect(hits.map(\.memory.text) == ["loves ramen with extra egg"])
      if access == .readWrite {
        try await store.updateContext(for: "ada", message: "Bye", response: "See you!")
        #expect(try store.context(for: "ada")?.conversationsCount == 4)
      }
      try await store.close()
    }
  }
}
