import Foundation
import TestSupport
import Testing

@testable import Engram

/// Calls of this process while another process writes.
@Suite(.serialized) struct WriterLockTests {
  private let place = TestStore()

  @Test(.timeLimit(.minutes(5))) func aWriteThatWaitsTooLongNamesTheOtherProcessAndNeverRuns() async throws {
    let store = try await place.open(StoreOptions(dimension: 8, writeTimeout: .milliseconds(300)))
    let child = try ChildProcess(["hold-writer", place.path])
    #expect(try await child.readLine() == "holding")
    let bodies = Recorder<Int>()
    let start = ContinuousClock.now
    await expectCode(.writerBusy, holder: child.processID) { try await store.write { _ in bodies.append(1) } }
    let waited = ContinuousClock.now - start
    #expect(waited >= .milliseconds(300) && waited < .seconds(50), "\(waited)")
    #expect(try store.status.isWaitingForWriter)
    #expect(try store.count() == 0)
    try await child.finish()
    try await store.add(TestStore.draft("u", 1))
    #expect(bodies.values.isEmpty)
    #expect(try store.count() == 2)
    #expect(try !store.status.isWaitingForWriter)
    try await store.close()
  }

  // The bug: writes that had timed out or were cancelled stayed in the queue for as long as another process held `writer.lock`. 20,600 of
  // them made a process grow from 28 to 150 MB, and the status counted them. The cause: only the next batch removed them. The fix: a
  // request leaves the queue when it is given up.
  @Test(.timeLimit(.minutes(5)), arguments: [false, true])
  func writesThatAreGivenUpAreForgottenWhileAnotherProcessWrites(byCancelling: Bool) async throws {
    final class Payload: Sendable {}
    let deadline: Duration = byCancelling ? .seconds(120) : .milliseconds(100)
    let store = try await place.open(StoreOptions(dimension: 8, writeTimeout: deadline))
    let child = try ChildProcess(["hold-writer", place.path])
    #expect(try await child.readLine() == "holding")
    weak var payload: Payload?
    do {
      let made = Payload()
      payload = made
      let writes = (0..<500).map { _ in Task { try await store.write { _ in withExtendedLifetime(made) {} } } }
      try await waitUntil { try byCancelling ? store.status.queueDepth == 500 : store.status.queueDepth == 0 }
      if byCancelling { for write in writes { write.cancel() } }
      for write in writes { await #expect(throws: (any Error).self) { try await write.value } }
    }
    #expect(try store.status.queueDepth == 0 && store.status.isWaitingForWriter)
    try await waitUntil { payload == nil }
    try await child.finish()
    try await store.add(TestStore.draft("u", 1))
    #expect(try store.count() == 2)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aKilledWriterLeavesNothingAndTheNextGoesOn() async throws {
    let store = try await place.open()
    let child = try ChildProcess(["hold-writer", place.path])
    #expect(try await child.readLine() == "holding")
    let waiting = Task { try await store.add(TestStore.draft("u", 1)) }
    try await waitUntil { try store.status.isWaitingForWriter }
    child.kill()
    let id = try await waiting.value.id
    #expect(try await child.finish().termination == .signalled(SIGKILL))
    #expect(try store.count() == 1)
    #expect(try store.memory(id, for: "u") != nil)
    _ = try StoreContents(store)
    try await store.close()
  }

  /// Another process holds a write transaction that has changed pages, for as long as the reads take: one that waited for it would wait until
  /// the process is killed, and `finish` would say so.
  @Test(.timeLimit(.minutes(5))) func readersAreNeverBlockedByAnotherProcessesWrite() async throws {
    let store = try await place.open()
    let id = try await store.add(TestStore.draft("u", 1)).id
    try await store.put(UserContext(userID: "u"))
    let child = try ChildProcess(["hold-writer", place.path])
    #expect(try await child.readLine() == "holding")
    let query = SearchQuery(embedding: TestStore.vector(2), scope: .user("u"))
    try await onBlockingThread {
      for _ in 0..<300 {
        guard try store.context(for: "u") != nil, try store.memory(id, for: "u") != nil, try store.search(query).count == 1,
          try store.embedding(of: id, for: "u") != nil, try store.count() == 1, try store.snapshot().count() == 1
        else { throw StoreError(.notFound, "a read missed what is there") }
      }
    }
    #expect(try await child.finish().termination == .exited(0))
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func openingForReadingWaitsForNoWriter() async throws {
    let child = try ChildProcess(["hold-writer", place.path])
    #expect(try await child.readLine() == "holding")
    let store = try await place.open(StoreOptions(access: .readOnly))
    #expect(try store.count() == 0)
    try await store.close()
    try await child.finish()
  }
}
