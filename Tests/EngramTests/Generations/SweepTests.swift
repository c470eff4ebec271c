#if os(Linux)
  import Files
  import Foundation
  import TestSupport
  import Testing

  @testable import Engram

  /// Directories that no process has open are removed without holding a lock that others wait for. If that is interrupted, the next process
  /// removes them.
  @Suite(.serialized) struct SweepTests {
    private let place = TestStore()

    private var generations: [String] { get throws { try Directories.entries(place.path).filter { $0.hasPrefix("gen-") } } }
    private var setAside: [String] { get throws { try generations.filter { StorePaths.isSetAside(directoryName: $0) } } }

    private func fill() async throws {
      let store = try await place.open()
      try await store.add((0..<50).map { TestStore.draft("user\($0 % 5)", $0) })
      try await store.close()
    }

    /// Starts another process that compacts the store, and whose first removal of a file meets `fault`.
    private func compactor(_ fault: String) throws -> ChildProcess {
      // Under the thread sanitizer the process removes a file of the sanitizer first.
      let first = TestProcess.hasThreadSanitizer ? 2 : 1
      return try ChildProcess(
        executable: "/usr/bin/strace",
        [
          "-f", "-qq", "-o", "/dev/null", "-e", "trace=?unlink,unlinkat", "-e", "inject=?unlink,unlinkat:\(fault):when=\(first)",
          try TestProcess.executable("EngramTestChild"), "compact-once", place.path,
        ])
    }

    @Test func namesOfWhatIsToBeRemovedAreNoGenerations() throws {
      let paths = try StorePaths(path: "/")
      #expect(paths.setAside(7).name != paths.setAside(7).name)
      let name = paths.setAside(7).name
      #expect(name.hasPrefix("gen-7.removed-") && StorePaths.isSetAside(directoryName: name))
      #expect(StorePaths.generationNumber(directoryName: name) == nil)
      for other in ["gen-7", "gen-7.removed", "gen-0.removed-a", "gen-x.removed-a", "gen-7.removed-a.b", "a.removed-b", "removed-a"] {
        #expect(!StorePaths.isSetAside(directoryName: other), "\(other)")
      }
    }

    // The bug: a directory called `gen-18446744073709551615` made every compaction trap. The cause: the number of the next generation is
    // the largest number plus one. The fix: a name with so large a number is not a generation's, and a number without a successor is an
    // error.
    @Test(.timeLimit(.minutes(5))) func aDirectoryWithAHugeNumberStopsNoCompaction() async throws {
      #expect(StorePaths.generationNumber(directoryName: "gen-\(UInt64.max)") == nil)
      #expect(StorePaths.generationNumber(directoryName: "gen-\(StorePaths.lastGeneration)") == StorePaths.lastGeneration)
      try await fill()
      try Directories.create("\(place.path)/gen-\(UInt64.max)")
      let store = try await place.open()
      #expect(try await store.compact().generation == 2)
      #expect(try store.count() == 50)
      try await store.close()
    }

    // The bug: an erasure finished and the store closed right after it: the files with the erased data stayed until the next opening. The
    // cause: the rebuild's last sweep keeps a generation of which a snapshot is held, and closing did not sweep. The fix: it does.
    @Test(.timeLimit(.minutes(5))) func closingRemovesTheGenerationThatASnapshotHeldDuringTheLastSweep() async throws {
      try await fill()
      let store = try await place.open()
      let snapshot = try store.snapshot()
      #expect(try await store.compact().generation == 2)
      #expect(try generations.sorted() == ["gen-1", "gen-2"])
      snapshot.end()
      try await store.close()
      #expect(try generations == ["gen-2"])
    }

    @Test(.timeLimit(.minutes(5))) func aKilledRemovalIsFinishedByTheNextOpener() async throws {
      try await fill()
      let outcome = try await compactor("signal=SIGKILL").finish()
      #expect(outcome.termination == .signalled(SIGKILL), "\(outcome)")
      #expect(try setAside.count == 1 && generations.contains("gen-2") && generations.count == 2)
      // A read-only handle changes nothing.
      let reader = try await place.open(StoreOptions(access: .readOnly))
      #expect(try reader.count() == 50 && setAside.count == 1)
      try await reader.close()
      let store = try await place.open()
      #expect(try generations == ["gen-2"] && store.count() == 50)
      #expect(try await store.verify().problems == [])
      try await store.close()
    }

    /// The directory was removed while `open.lock` was held: a process that opened the store, or followed to its new generation, waited for
    /// that. Now the directory is renamed under the lock and removed after the lock is released.
    @Test(.timeLimit(.minutes(6))) func nobodyWaitsForTheRemovalOfAnother() async throws {
      try await fill()
      let slow = try compactor("delay_enter=40000000")
      try await waitUntil(within: .seconds(30)) { try setAside.count == 1 }
      let reader = try await place.open(StoreOptions(access: .readOnly))
      #expect(try reader.count() == 50 && reader.status.generation == 2)
      #expect(try setAside.count == 1, "opening waited for the end of the removal")
      try await reader.close()
      // An opening for writing removes the directory itself.
      let store = try await place.open()
      #expect(try generations == ["gen-2"])
      slow.kill()
      try await slow.finish()
      #expect(try store.count() == 50)
      try await store.close()
    }

    @Test(.timeLimit(.minutes(6))) func aReceiptIsNotCompleteBeforeTheFilesAreGone() async throws {
      try await fill()
      let store = try await place.open()
      let killed = try paths.setAside(9)
      try Directories.create(killed)
      _ = try FileHandle(path: killed.appending("data.mdb"), access: .createNew)
      let receipt = try await store.forget(userID: "user1")
      #expect(try receipt.isComplete && generations == ["gen-2"] && store.count() == 40)
      // Housekeeping finds a directory that another process left.
      try Directories.create(paths.setAside(9))
      try await waitUntil { try generations == ["gen-2"] }
      try await store.close()
    }

    // The bug: `compact()` left the old generation if a short read, such as that of the store's own housekeeping, was under way at its only
    // sweep; a test on a busy machine met one. The fix: it waits for reads that end by themselves, but not for snapshots that an
    // application holds.
    @Test(.timeLimit(.minutes(5))) func aReadThatIsUnderWayDoesNotKeepTheOldGeneration() async throws {
      try await fill()
      let store = try await place.open()
      let (began, end) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
      let read = Task {
        try await onBlockingThread {
          try store.core.live.read { _ in
            began.signal()
            end.wait()
          }
        }
      }
      try await onBlockingThread { began.wait() }
      async let report = store.compact()
      // Not in a task: busy tests can keep the threads of tasks for longer than the sweep waits.
      try await onBlockingThread {
        let deadline = ContinuousClock.now + .seconds(60)
        while try store.status.generation < 2, .now < deadline { usleep(1000) }
        // Longer than the first sweep takes.
        usleep(100_000)
        #expect(try generations == ["gen-1", "gen-2"])
        end.signal()
      }
      #expect(try await report.holders == [])
      #expect(try generations == ["gen-2"])
      try await read.value
      try await store.close()
    }

    private var paths: StorePaths { get throws { try StorePaths(path: place.path) } }
  }
#endif
