import Files
import Foundation
import TestSupport
import Testing

@testable import Engram

/// A rebuild that is killed at any point leaves a store that opens and has all of its contents.
@Suite(.serialized) struct BrokenRebuildTests {
  private let place = TestStore()

  private func generations() throws -> [String] { try Directories.entries(place.path).filter { $0.hasPrefix("gen-") } }

  private func currentName() throws -> String { try String(contentsOfFile: "\(place.path)/current", encoding: .utf8) }

  @Test(.timeLimit(.minutes(10))) func killsWhileAnotherProcessWritesLoseNothing() async throws {
    var generator = SeededGenerator(seed: 12)
    let filled = try await place.open()
    for user in 0..<20 { try await filled.add((0..<30).map { TestStore.draft("bulk\(user)", $0) }) }
    try await filled.close()
    let writer = try ChildProcess(["acknowledge", place.path, "w"], timeout: .seconds(200))
    #expect(try await writer.readLine() == "ready")
    var longest = 500_000
    for round in 0..<40 {
      // On a slow machine the rebuilds get more time, until one has reached its switch.
      if round >= 30 {
        if try generations() != ["gen-1"], try currentName() != "gen-1\n" { break }
        longest *= 2
      }
      let child = try ChildProcess(["compact", place.path, "60"])
      try await Task.sleep(for: .microseconds(Int.random(in: 5_000..<longest, using: &generator)))
      child.kill()
      #expect(try await child.finish().termination == .signalled(SIGKILL))
    }
    writer.kill()
    let outcome = try await writer.finish()
    let acknowledged = outcome.standardOutput.split(separator: "\n").dropFirst().count
    #expect(acknowledged > 30, "\(outcome)")
    let store = try await place.open()
    for number in 0..<acknowledged { #expect(try store.count(scope: .user("w-\(number)")) == 3) }
    #expect(try [acknowledged, acknowledged + 1].contains(store.context(for: "total")?.conversationsCount ?? 0))
    #expect(try await store.verify().problems == [])
    _ = try StoreContents(store)
    #expect(try store.status.generation > 1)
    #expect(try generations().count == 1, "the sweep at opening leaves nothing")
    try await store.compact()
    #expect(try generations().count == 1)
    try await store.close()
  }

  /// The process died after the last commit of a generation, before the rename of `current`.
  @Test func anOldNameInCurrentIsFollowedAndMended() async throws {
    let store = try await place.open()
    try await store.add((0..<50).map { TestStore.draft("u", $0) })
    let old = try Data(contentsOf: place.url.appendingPathComponent("current"))
    // Another process keeps the old generation open, so that its directory stays.
    let holder = try ChildProcess(["hold-snapshots", place.path, "1"])
    #expect(try await holder.readLine() == "holding 1")
    let report = try await store.compact()
    #expect(report.holders == [holder.processID])
    try await store.close()
    holder.kill()
    try await holder.finish()
    try old.write(to: place.url.appendingPathComponent("current"))
    #expect(try generations() == ["gen-1", "gen-2"])
    let reader = try await place.open(StoreOptions(access: .readOnly))
    #expect(try reader.status.generation == 2 && reader.count() == 50)
    try await reader.close()
    #expect(try generations() == ["gen-1", "gen-2"], "who only reads removes nothing")
    let again = try await place.open()
    #expect(try again.status.generation == 2 && again.count() == 50)
    #expect(try generations() == ["gen-2"])
    #expect(try String(contentsOf: place.url.appendingPathComponent("current"), encoding: .utf8) == "gen-2\n")
    try await again.close()
  }

  @Test func whatABrokenOffRebuildLeftIsSwept() async throws {
    let store = try await place.open()
    try await store.add(TestStore.draft("u", 1))
    try await store.close()
    for name in ["gen-2", "gen-7"] {
      try Directories.create("\(place.path)/\(name)")
    }
    try FileManager.default.copyItem(atPath: "\(place.path)/gen-1/data.mdb", toPath: "\(place.path)/gen-7/data.mdb")
    let again = try await place.open()
    #expect(try generations() == ["gen-1"])
    #expect(try again.count() == 1)
    try await again.close()
  }

  @Test func heldSnapshotsKeepWhatTheySaw() async throws {
    let store = try await place.open()
    try await store.add((0..<100).map { TestStore.draft("u", $0) })
    let snapshot = try store.snapshot()
    let query = SearchQuery(embedding: TestStore.vector(3), scope: .user("u"), limit: 20)
    let before = try snapshot.search(query)
    try await store.delete(where: .not(.ids([])), scope: .user("u"))
    let report = try await store.compact()
    #expect(report.rowsAfter == 0 && report.rowsBefore >= 100)
    #expect(report.holders == [ProcessInfo.processInfo.processIdentifier], "this process's own snapshot")
    #expect(try snapshot.search(query) == before)
    #expect(try store.count() == 0 && snapshot.count() == 100)
    #expect(try store.status.snapshots.count == 1)
    await expectCode(.stillInUse) { try await store.close(timeout: .milliseconds(50)) }
    #expect(try snapshot.search(query) == before)
    _ = consume snapshot
    try await store.close()
    #expect(try generations().contains("gen-2"))
    let again = try await place.open()
    #expect(try generations() == ["gen-2"])
    try await again.close()
  }
}
