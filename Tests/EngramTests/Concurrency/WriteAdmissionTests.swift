import Foundation
import TestSupport
import Testing

@testable import Engram

/// Which writes are admitted, which are refused, and with which error.
@Suite(.serialized) struct WriteAdmissionTests {
  private let place = TestStore()

  @Test(.timeLimit(.minutes(5))) func aWriteOfATaskStartedInABodyIsRefused() async throws {
    let store = try await place.open()
    let inner = try await store.write { transaction in
      try transaction.add(TestStore.draft("u", 1))
      return Task { try await store.add(TestStore.draft("u", 2)) }
    }
    await expectCode(.nestedWrite) { _ = try await inner.value }
    #expect(try store.count() == 1)
    // The store still works.
    try await store.add(TestStore.draft("u", 3))
    #expect(try store.count() == 2)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aWriteCancelledBeforeItBeginsChangesNothing() async throws {
    let store = try await place.open()
    let gate = await WriterGate(store)
    let bodies = Recorder<Int>()
    let cancelled = Task {
      try await store.write { transaction in
        bodies.append(1)
        try transaction.add(TestStore.draft("u", 1))
      }
    }
    try await waitUntil { try store.status.queueDepth == 1 }
    cancelled.cancel()
    // It fails at once, while the writer is still busy.
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    try await gate.open()
    try await store.add(TestStore.draft("u", 2))
    #expect(bodies.values.isEmpty)
    #expect(try store.count() == 1)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aTaskThatIsCancelledAlreadyWritesNothing() async throws {
    let store = try await place.open()
    let task = Task {
      unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
      try await store.add(TestStore.draft("u", 1))
    }
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try store.count() == 0)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5)), arguments: [false, true])
  func aWriteCancelledAfterItBeganIsReportedAsWhatItBecame(throwing: Bool) async throws {
    struct Refusal: Error {}
    let store = try await place.open()
    let (begun, beginning) = AsyncStream<Void>.makeStream()
    let goOn = DispatchSemaphore(value: 0)
    let task = Task {
      try await store.write { transaction in
        let id = try transaction.add(TestStore.draft("u", 1)).id
        beginning.finish()
        goOn.wait()
        if throwing { throw Refusal() }
        return id
      }
    }
    for await _ in begun {}
    task.cancel()
    goOn.signal()
    if throwing {
      await #expect(throws: Refusal.self) { try await task.value }
      #expect(try store.count() == 0)
    } else {
      #expect(try store.memory(try await task.value, for: "u")?.text == "memory 1")
    }
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aWritePastItsDeadlineNamesThisProcessAndNeverRuns() async throws {
    let store = try await place.open(StoreOptions(dimension: 8, writeTimeout: .milliseconds(200)))
    let gate = await WriterGate(store)
    let bodies = Recorder<Int>()
    let start = ContinuousClock.now
    await expectCode(.writerBusy, holder: TestProcess.id) { try await store.write { _ in bodies.append(1) } }
    let waited = ContinuousClock.now - start
    #expect(waited >= .milliseconds(200) && waited < .seconds(50), "\(waited)")
    try await gate.open()
    try await store.add(TestStore.draft("u", 1))
    #expect(bodies.values.isEmpty)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func deadlinesAreKeptAgainAfterAnIdleTime() async throws {
    let store = try await place.open(StoreOptions(dimension: 8, writeTimeout: .milliseconds(100)))
    for _ in 0..<3 {
      try await store.add(TestStore.draft("u", 1))
      let gate = await WriterGate(store)
      await expectCode(.writerBusy, holder: TestProcess.id) { try await store.add(TestStore.draft("u", 2)) }
      try await gate.open()
    }
    #expect(try store.count() == 3)
    try await store.close()
  }

  /// The bug: `queueLimit` had no effect, so a burst of writes queued without bound.
  @Test(.timeLimit(.minutes(5))) func theQueueNeverHoldsMoreThanItsLimit() async throws {
    let store = try await place.open(StoreOptions(dimension: 8, queueLimit: 16))
    let gate = await WriterGate(store)
    let depths = try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<100 { group.addTask { try await store.add(TestStore.draft("u", number)) } }
      var depths: [Int] = []
      try await waitUntil { try store.status.queueDepth >= 16 }
      // Watch a while longer: a queue without a limit would keep growing.
      for _ in 0..<50 {
        depths.append(try store.status.queueDepth)
        try await Task.sleep(for: .milliseconds(2))
      }
      try await gate.open()
      try await group.waitForAll()
      return depths
    }
    #expect(depths.max() ?? 0 <= 16)
    // Writes that were suspended outside the queue were admitted later.
    #expect(try store.count() == 100)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func everyWriteOnAReadOnlyHandleIsRefused() async throws {
    let first = try await place.open()
    let id = try await first.add(TestStore.draft("u", 1)).id
    try await first.close()
    let store = try await place.open(StoreOptions(access: .readOnly))
    await expectCode(.readOnly) { try await store.write { _ in } }
    await expectCode(.readOnly) { try await store.add(TestStore.draft("u", 2)) }
    await expectCode(.readOnly) { try await store.update(id, for: "u") { $0 } }
    await expectCode(.readOnly) { try await store.delete(id, for: "u") }
    await expectCode(.readOnly) { try await store.delete(where: .kind("x"), scope: .all) }
    await expectCode(.readOnly) { try await store.put(UserContext(userID: "u")) }
    await expectCode(.readOnly) { try await store.updateContext(for: "u", message: "a", response: "b") }
    await expectCode(.readOnly) { try await store.deleteContext(UserContext.self, for: "u") }
    #expect(try store.memory(id, for: "u")?.text == "memory 1")
    #expect(try store.count() == 1)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aTokenIsCommittedOnceAndRemembered() async throws {
    let store = try await place.open()
    #expect(try !store.wasCommitted("a"))
    _ = try await store.write(token: "a") { try $0.add(TestStore.draft("u", 1)) }
    #expect(try store.wasCommitted("a"))
    await expectCode(.conflict) { _ = try await store.write(token: "a") { try $0.add(TestStore.draft("u", 2)) } }
    #expect(try store.count() == 1)
    struct Refusal: Error {}
    await #expect(throws: Refusal.self) { try await store.write(token: "b") { _ in throw Refusal() } as Void }
    #expect(try !store.wasCommitted("b"))
    try await store.close()
    let again = try await place.open()
    #expect(try again.wasCommitted("a"))
    try await again.close()
  }

  /// The bug: the tokens of a batch that is being written are not in LMDB yet, so a second write with the same token in the same batch
  /// was done, too.
  @Test(.timeLimit(.minutes(5))) func aTokenIsCommittedOnceEvenInOneBatch() async throws {
    let store = try await place.open()
    let gate = await WriterGate(store)
    let tasks = (0..<2).map { number in Task { try await store.write(token: "a") { try $0.add(TestStore.draft("u", number)) } } }
    try await waitUntil { try store.status.queueDepth == 2 }
    try await gate.open()
    var refused = 0
    for task in tasks {
      do {
        _ = try await task.value
      } catch let error as StoreError where error.code == .conflict {
        refused += 1
      }
    }
    #expect(refused == 1)
    #expect(try store.count() == 1)
    _ = try StoreContents(store)
    try await store.close()
  }
}
