import Files
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Engram

/// A compaction or a backup that cannot be finished leaves the store as it was, and no files of its own.
@Suite(.serialized) struct InterruptedRebuildTests {
  private let place = TestStore()

  private func fill(_ store: MemoryStore, users: Int = 40) async throws {
    for user in 0..<users {
      try await store.add(
        (0..<100).map { number in
          var draft = TestStore.draft("user\(user)", number)
          draft.text = String(repeating: "a text of some length, \(number) ", count: 30)
          return draft
        })
    }
  }

  private func entries() throws -> [String] { try Directories.entries(place.path).filter { $0.hasPrefix("gen-") } }

  /// Holds a rebuild, which has a thread of its own, at its first step.
  private final class Pause: Sendable {
    private let reached = Atomic(false)
    private let gate = DispatchSemaphore(value: 0)

    var isReached: Bool { reached.load(ordering: .acquiring) }

    func wait() {
      if reached.exchange(true, ordering: .acquiringAndReleasing) { return }
      gate.wait()
    }

    func end() { gate.signal() }
  }

  private func throwsClosed(_ body: () throws -> Void) -> Bool {
    do {
      try body()
      return false
    } catch {
      return (error as? StoreError)?.code == .closed
    }
  }

  @Test(.timeLimit(.minutes(8))) func aCancelledCompactionLeavesNothing() async throws {
    let store = try await place.open()
    try await fill(store)
    let pause = Pause()
    let task = Task { try await store.compact { _ in pause.wait() } }
    try await waitUntil { pause.isReached }
    task.cancel()
    pause.end()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try entries() == ["gen-1"])
    #expect(try store.count() == 4000)
    #expect(try store.status.generation == 1)
    try await store.add(TestStore.draft("u", 1))
    try await store.compact()
    #expect(try entries() == ["gen-2"])
    #expect(try store.count() == 4001)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(8))) func closingEndsACompactionUnderWay() async throws {
    let store = try await place.open()
    try await fill(store)
    let pause = Pause()
    let task = Task { try await store.compact { _ in pause.wait() } }
    try await waitUntil { pause.isReached }
    let closing = Task { try await store.close() }
    try await waitUntil { throwsClosed { try store.core.checkOpen() } }
    pause.end()
    try await closing.value
    await expectCode(.closed) { _ = try await task.value }
    #expect(try entries() == ["gen-1"])
    let again = try await place.open()
    #expect(try again.count() == 4000)
    try await again.close()
  }

  @Test(.timeLimit(.minutes(8))) func aFullDiskEndsACompactionAndChangesNothing() async throws {
    let store = try await place.open()
    try await fill(store)
    try await store.close()
    let child = try TestProcess.executable("EngramTestChild")
    let outcome = try await ChildProcess.run(
      executable: "/bin/sh", ["-c", "ulimit -f 4000; exec \"$0\" \"$@\"", child, "compact-once", place.path])
    #expect(outcome.termination == .exited(1) && outcome.standardOutput.hasPrefix("failed diskFull: "), "\(outcome)")
    #expect(try entries() == ["gen-1"])
    let again = try await place.open()
    #expect(try again.count() == 4000)
    #expect(try await again.verify().problems == [])
    try await again.compact()
    try await again.close()
  }

  @Test(.timeLimit(.minutes(6))) func aKilledBackupLeavesNothingThatStays() async throws {
    let store = try await place.open()
    try await fill(store)
    try await store.close()
    let destination = place.directory.path("backup")
    var generator = SeededGenerator(seed: 9)
    for _ in 0..<8 {
      let child = try ChildProcess(["backup", place.path, destination])
      #expect(try await child.readLine() == "ready")
      try await Task.sleep(for: .microseconds(Int.random(in: 0..<300_000, using: &generator)))
      child.kill()
      let outcome = try await child.finish()
      if outcome.termination == .signalled(SIGKILL), try Directories.status(destination) == nil { continue }
      let copy = try await MemoryStore.open(at: URL(fileURLWithPath: destination))
      #expect(try copy.count() == 4000)
      #expect(try await copy.verify().problems == [])
      try await copy.close()
      try Directories.removeTree(destination)
    }
    let again = try await place.open()
    try await again.backup(to: URL(fileURLWithPath: destination))
    #expect(try Directories.entries(place.directory.path) == ["backup", "store"])
    try await again.close()
  }

  @Test(.timeLimit(.minutes(6))) func aStoreWithManyDeadRowsCompactsByItself() async throws {
    let store = try await place.open(StoreOptions(dimension: 1024))
    var generator = SeededGenerator(seed: 2)
    for batch in 0..<18 {
      let vector = (0..<1024).map { _ in Float.random(in: -1...1, using: &generator) }
      try await store.add((0..<1000).map { MemoryDraft(userID: "u\(batch)", text: "\($0)", embedding: Embedding(vector)) })
    }
    for batch in 0..<17 { try await store.delete(where: .not(.ids([])), scope: .user("u\(batch)")) }
    try await waitUntil(within: .seconds(60)) { try store.status.generation == 2 && entries() == ["gen-2"] }
    #expect(try store.count() == 1000 && store.status.rowsAllocated < 4000)
    try await store.close()
  }
}
