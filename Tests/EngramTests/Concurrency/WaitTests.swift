#if os(Linux)
  import Files
  import Foundation
  import TestSupport
  import Testing

  @testable import Engram

  /// Every wait has a limit, and its error names the process that holds the lock.
  @Suite(.serialized) struct WaitTests {
    private let place = TestStore()
    private var paths: StorePaths { get throws { try StorePaths(path: place.path) } }

    // The bug: a read that met a superseded generation took `open.lock` on the caller's thread, without a limit. With a stalled holder
    // eight reads took 14.3 seconds, and no other task of the process ran. The fix: a thread of its own opens the new generation, and all
    // reads wait for that thread, with a limit.
    @Test(.timeLimit(.minutes(5))) func readsDoNotWaitForAStalledHolderOfTheLockOfOpenings() async throws {
      var options = StoreOptions(dimension: 8)
      options.followingPatience = .seconds(2)
      let store = try await place.open(options)
      try await store.add(TestStore.draft("u", 1))
      let gate = await WriterGate(store)
      let child = try ChildProcess(["compact-once", place.path])
      // The child has built the next generation and waits for `writer.lock`.
      try await waitUntil {
        let builders = LockHolders.processes(locking: try paths.data(2))
        let openers = LockHolders.processes(locking: try paths.openLock)
        return builders.contains(child.processID) && openers.isEmpty
      }
      let stalled = try FileLock(path: paths.openLock)
      try stalled.lock(.exclusive)
      let held = SnapshotLifetimeTests.Held.self
      let snapshot = try held.init(store)
      try await gate.open()
      try await waitUntil { (try? store.count()) == nil }
      let start = ContinuousClock.now
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<16 {
          group.addTask { await expectCode(.storeBusy, holder: TestProcess.id) { _ = try store.count() } }
        }
      }
      // One after another they would take 32 seconds.
      #expect(ContinuousClock.now - start < .seconds(25))
      #expect(try snapshot.snapshot.count() == 1)
      try stalled.unlock()
      #expect(try await child.finish().termination == .exited(0))
      try await waitUntil { (try? store.status.generation) == 2 }
      try await store.add(TestStore.draft("u", 2))
      #expect(try store.count() == 2)
      withExtendedLifetime(snapshot) {}
    }

    // The bug: the first opening with an embedder waited for `writer.lock` without a limit.
    @Test(.timeLimit(.minutes(5))) func openingThatPinsAnEmbedderWaitsAsLongAsAWrite() async throws {
      let embedder = HashingEmbedder()
      try await place.open(StoreOptions(dimension: embedder.identity.dimension)).close()
      let child = try ChildProcess(executable: try TestProcess.executable("TestChild"), ["hold-lock", paths.writerLock.path])
      #expect(try await child.readLine() == "locked")
      let options = StoreOptions(embedder: embedder, writeTimeout: .milliseconds(200))
      await expectCode(.writerBusy, holder: child.processID) { _ = try await place.open(options) }
      try await child.finish()
      let store = try await place.open(options)
      #expect(try store.status.embedder == embedder.identity)
      try await store.close()
    }

    @Test(.timeLimit(.minutes(5))) func closingWaitsForTheLockOfOpeningsUntilItsDeadline() async throws {
      let store = try await place.open()
      let child = try ChildProcess(executable: try TestProcess.executable("TestChild"), ["hold-lock", paths.openLock.path])
      #expect(try await child.readLine() == "locked")
      await expectCode(.storeBusy, holder: child.processID) { try await store.close(timeout: .milliseconds(300)) }
      try await child.finish()
      try await store.close()
      try await place.open().close()
    }

    // The bug: if the system could not start another thread, blocking work never ran and never returned, and opening a store trapped. The
    // cause: Foundation does not report that a thread was not started. The fix: threads are made by pthread_create, whose error is thrown.
    @Test(.timeLimit(.minutes(5))) func withoutThreadsEveryCallIsAnError() async throws {
      let outcome = try await ChildProcess.run(["no-threads", place.path])
      #expect(
        outcome.standardOutput.split(separator: "\n") == ["compact outOfResources", "open outOfResources", "read ok", "write ok"],
        "\(outcome)")
    }
  }
#endif
