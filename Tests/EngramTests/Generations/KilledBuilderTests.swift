#if os(Linux)
  import Files
  import TestSupport
  import Testing

  @testable import Engram

  /// The bug: a write was acknowledged and lost. The torture harness found it in one of 177 histories. LMDB writes the meta page of a
  /// commit and then publishes it to readers. A builder that was killed in between had superseded its generation, but no snapshot showed
  /// that. The next writer looked for it in a snapshot and went on in the old generation, and later all processes followed to the new one.
  /// A sweep even treated the new one as unfinished. The fix: a batch looks inside its own transaction, a sweep at the meta pages.
  @Suite struct KilledBuilderTests {
    private let place = TestStore()

    /// A store of fifty memories that this process has open and another process has superseded. That process was killed before it published
    /// its commit to readers.
    private func supersededStore() async throws -> MemoryStore {
      let store = try await place.open()
      try await store.add((0..<50).map { TestStore.draft("user\($0 % 5)", $0) })
      let child = try await MetaFaults(place.directory).child(["compact-once", place.path], plan: "D")
      let outcome = try await child.finish()
      #expect(outcome.termination == .signalled(9), "\(outcome)")
      #expect(try store.count() == 50 && store.core.generation.number == 1)
      #expect(try Directories.entries(place.path).contains("gen-2"))
      return store
    }

    private func expectAll(_ count: Int, _ store: MemoryStore) async throws {
      #expect(try store.count() == count)
      #expect(try await store.verify(deep: true).problems == [])
      let live = store.core.generation.number
      #expect(live >= 2)
      try await store.close()
      let again = try await place.open()
      #expect(try again.count() == count)
      #expect(try await again.verify(deep: true).problems == [])
      #expect(try Directories.entries(place.path).filter { $0.hasPrefix("gen-") } == ["gen-\(live)"])
      try await again.close()
    }

    @Test(.timeLimit(.minutes(5))) func theNextBatchGoesIntoTheNewGeneration() async throws {
      let store = try await supersededStore()
      try await store.add(TestStore.draft("new", 0))
      #expect(store.core.generation.number == 2)
      try await expectAll(51, store)
    }

    @Test(.timeLimit(.minutes(5))) func housekeepingLeavesTheNewGenerationAlone() async throws {
      let store = try await supersededStore()
      _ = try store.core.live.sweep()
      #expect(try Directories.entries(place.path).contains("gen-2"))
      try await store.add(TestStore.draft("new", 0))
      try await expectAll(51, store)
    }

    @Test(.timeLimit(.minutes(5))) func whoOpensTheStoreMeanwhileLosesNothing() async throws {
      let store = try await supersededStore()
      let other = try await ChildProcess(["reopen", place.path, "0.05"]).finish()
      #expect(other.termination == .exited(0), "\(other)")
      #expect(try (store.context(for: "reopened")?.conversationsCount ?? 0) > 0)
      try await store.add(TestStore.draft("new", 0))
      try await expectAll(51, store)
    }

    @Test(.timeLimit(.minutes(5))) func theNextRebuildBeginsWithTheNewGeneration() async throws {
      let store = try await supersededStore()
      try await store.compact()
      try await store.add(TestStore.draft("new", 0))
      try await expectAll(51, store)
    }

    @Test(.timeLimit(.minutes(5))) func aBackupIsWhole() async throws {
      let store = try await supersededStore()
      let backup = TestStore()
      try await store.backup(to: backup.url)
      try await store.add(TestStore.draft("new", 0))
      let copy = try await backup.open()
      #expect(try copy.count() == 50)
      try await copy.close()
      try await expectAll(51, store)
    }
  }
#endif
