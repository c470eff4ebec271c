import Files
import Foundation
import TestSupport
import Testing

@testable import Engram

/// The store's files are rebuilt while readers and writers use the store, and none of their calls fails.
@Suite(.serialized) struct CompactionTests {
  private let place = TestStore()

  private func export(_ store: MemoryStore) throws -> [UInt8] {
    var bytes: [UInt8] = []
    _ = try store.exportLines { bytes += $0 }
    return bytes
  }

  private func generations() throws -> [String] {
    try Directories.entries(place.path).filter { $0.hasPrefix("gen-") }
  }

  @Test func theContentStaysAndTheDeadRowsGo() async throws {
    let store = try await place.open()
    var generator = SeededGenerator(seed: 11)
    for write in RandomWrite.make(count: 120, existing: [], &generator) {
      _ = try? await store.write(token: write.token) { try write.run(&$0) }
    }
    for user in 0..<30 { try await store.add((0..<40).map { TestStore.draft("bulk\(user)", $0) }) }
    try await store.delete(where: .not(.ids([])), scope: .user("bulk3"))
    let (before, contents, status) = (try export(store), try StoreContents(store), try store.status)
    let report = try await store.compact()
    #expect(try export(store) == before)
    let moved = try StoreContents(store)
    #expect(moved.contexts == contents.contexts && moved.tallies == contents.tallies && moved.histories == contents.histories)
    #expect(moved.log == contents.log && moved.tokens == contents.tokens && moved.rowsLive == contents.rowsLive)
    let after = try store.status
    #expect(report.generation == 2 && after.generation == 2)
    #expect(after.rowsLive == status.rowsLive && after.rowsAllocated == after.rowsLive, "\(after)")
    #expect(report.rowsBefore == status.rowsAllocated && report.rowsAfter == after.rowsAllocated)
    #expect(after.batchSequence == status.batchSequence && after.lastCommit == status.lastCommit)
    #expect(try generations() == ["gen-2"] && report.holders.isEmpty)
    #expect(try await store.verify().problems == [])
    try await store.add(TestStore.draft("bulk3", 1))
    let grown = try export(store)
    try await store.close()
    let again = try await place.open()
    #expect(try export(again) == grown)
    #expect(try await again.verify().problems == [])
    try await again.close()
  }

  @Test(.timeLimit(.minutes(10))) func otherProcessesFollow() async throws {
    let store = try await place.open()
    let soak = try ChildProcess(["soak", place.path, "--seconds", "6", "--writers", "2", "--readers", "2"])
    let others = try [ChildProcess(["compact", place.path, "6"]), ChildProcess(["reopen", place.path, "6"])]
    let end = ContinuousClock.now + .seconds(7)
    var compactions = 0
    // On a slow machine the compactions take longer than the other processes run.
    while ContinuousClock.now < end || compactions < 4 {
      try await store.compact()
      compactions += 1
    }
    let outcome = try await soak.finish()
    #expect(outcome.termination == .exited(0), "\(outcome)")
    #expect(outcome.standardOutput.contains(#""errors":[]"#), "\(outcome)")
    for other in others {
      let outcome = try await other.finish()
      #expect(outcome.termination == .exited(0), "\(outcome)")
    }
    #expect(compactions > 3)
    #expect(try await store.verify().problems == [])
    _ = try StoreContents(store)
    try await store.compact()
    #expect(try generations().count == 1)
    try await store.close()
  }
}
