#if os(Linux)
  import Files
  import Foundation
  import TestSupport
  import Testing

  @testable import Engram

  /// If writing the meta page of a commit fails, the outcome is open, and LMDB refuses further writes. The process finds out whether the
  /// commit happened, while its readers wait, and then writes again. If it cannot find out, the commit stays in doubt.
  ///
  /// A batch is twenty writes, one of which throws: nineteen memories, or none.
  @Suite(.serialized) struct FailedCommitTests {
    private let place = TestStore()

    private struct Summary: Decodable {
      let outcomes: [String: Int]
      let messages: Set<String>
      let held: String
      let readErrors: Set<String>
      let readsAfter: Int
      let seen: Set<Int>
      let regressed: Bool
      let committedTokens, count, conversations: Int
      let poison: String?
      let isReopening: Bool
      let statusMemories: Int
      let generation: UInt64
      let later: String
      let problems: [String]
    }

    private func summary(_ line: String) throws -> Summary { try JSONDecoder().decode(Summary.self, from: Data(line.utf8)) }

    /// Expectations about reads in the process of the failed commit, whatever the outcome.
    private func expectReading(_ summary: Summary) {
      #expect(summary.readErrors.isEmpty && !summary.regressed && summary.problems.isEmpty, "\(summary)")
      #expect(summary.seen.isSubset(of: [0, 19]) && summary.readsAfter > 20, "\(summary)")
      #expect(summary.held.hasPrefix("snapshotExpired: ") && summary.held.contains("opened again after a commit failed"), "\(summary)")
      #expect(!summary.isReopening)
      #expect(summary.committedTokens == summary.conversations)
    }

    /// Expectations about the contents that a process finds that opens the store afterwards.
    private func expectContents(batch: Int, after: Int) async throws {
      let store = try await place.open()
      #expect(try store.count(scope: .user("batch")) == batch)
      #expect(try store.count() == 1 + batch + after)
      #expect(try store.context(for: "total")?.conversationsCount ?? 0 == batch)
      for number in 0..<20 { #expect(try store.wasCommitted("t\(number)") == (batch > 0 && number != 7)) }
      #expect(try store.wasCommitted("before"))
      #expect(try store.wasCommitted("after") == (after > 0))
      #expect(try await store.verify(deep: true).problems == [])
      _ = try StoreContents(store)
      try await store.close()
    }

    /// The page is written although the call failed, and no other process has the store open: the commit is found when the store is opened
    /// again.
    @Test(.timeLimit(.minutes(5)), arguments: ["immediate", "eventual"])
    func aCommitThatHappenedIsAcknowledgedAfterAll(_ durability: String) async throws {
      let child = try await MetaFaults(place.directory).child(["fail-batch", place.path, "WE", durability])
      #expect(try await child.readLine() == "ready")
      let outcome = try await child.finish()
      let summary = try summary(String(outcome.standardOutput.split(separator: "\n").last ?? ""))
      expectReading(summary)
      #expect(summary.outcomes == ["ok": 19, "Refusal": 1])
      #expect(summary.committedTokens == 19 && summary.statusMemories == 20 && summary.count == 21)
      #expect(summary.poison == nil && summary.later == "ok")
      #expect(outcome.termination == .exited(0), "\(outcome)")
      try await expectContents(batch: 19, after: 1)
    }

    /// The page is: not written; not written, and writing the old page back fails, too; written and written back, which mixes both pages;
    /// not written because the disk is full; written in part.
    @Test(
      .timeLimit(.minutes(5)),
      arguments: [
        ("E.", "immediate"), ("EE", "immediate"), ("W.", "immediate"), ("SS", "immediate"), ("H.", "immediate"), ("HE", "immediate"),
        ("E.", "eventual"), ("W.", "eventual"),
      ])
    func aCommitThatDidNotHappenChangesNothingAndCanBeTriedAgain(plan: String, durability: String) async throws {
      let child = try await MetaFaults(place.directory).child(["fail-batch", place.path, plan, durability])
      #expect(try await child.readLine() == "ready")
      let outcome = try await child.finish()
      let summary = try summary(String(outcome.standardOutput.split(separator: "\n").last ?? ""))
      expectReading(summary)
      #expect(summary.outcomes == [plan == "SS" ? "diskFull" : "inputOutput": 20])
      #expect(summary.messages.count == 1 && summary.messages.first?.contains("nothing was changed") == true, "\(summary)")
      #expect(summary.committedTokens == 0 && summary.statusMemories == 1 && summary.count == 2 && summary.seen == [0])
      #expect(summary.poison == nil && summary.later == "ok")
      #expect(outcome.termination == .exited(0), "\(outcome)")
      try await expectContents(batch: 0, after: 1)
    }

    /// The commit that should resolve it fails in the same way: the outcome stays unknown, whatever the page shows, and the process only
    /// reads.
    @Test(.timeLimit(.minutes(5)), arguments: [("EEEE", 0), ("W.W.", 0), ("WEEE", 19), ("WEWE", 19)])
    func aCommitThatCannotBeResolvedStaysInDoubtAndReadingGoesOn(plan: String, visible: Int) async throws {
      let child = try await MetaFaults(place.directory).child(["fail-batch", place.path, plan, "immediate"])
      #expect(try await child.readLine() == "ready")
      let outcome = try await child.finish()
      let summary = try summary(String(outcome.standardOutput.split(separator: "\n").last ?? ""))
      expectReading(summary)
      #expect(summary.outcomes == ["inDoubt": 20])
      #expect(summary.poison == "inDoubt" && summary.later == "inDoubt")
      #expect(summary.count == 1 + visible && summary.committedTokens == visible)
      #expect(outcome.termination == .exited(0), "\(outcome)")
      try await expectContents(batch: visible, after: 0)
    }

    /// While another process has the store open, LMDB uses its shared count of commits and ignores the page, whether written or not.
    @Test(.timeLimit(.minutes(5)), arguments: ["WE", "E.", "W."])
    func anotherProcessReadsAndWritesOnThroughAFailedCommit(_ plan: String) async throws {
      let child = try await MetaFaults(place.directory).child(["fail-batch", place.path, plan, "immediate"])
      #expect(try await child.readLine() == "ready")
      let store = try await place.open()
      let held = try store.snapshot()
      #expect(try held.count() == 1)
      let reading = Task { () -> Set<Int> in
        var seen: Set<Int> = []
        while !Task.isCancelled {
          seen.insert(try store.count())
          await Task.yield()
        }
        return seen
      }
      try await child.say("go")
      let summary = try summary(try await child.readLine())
      expectReading(summary)
      #expect(summary.outcomes == ["inputOutput": 20] && summary.poison == nil && summary.later == "ok")
      #expect(summary.committedTokens == 0 && summary.count == 2)
      // This process still has the store open.
      #expect(try store.count() == 2 && held.count() == 1)
      for number in 0..<10 { try await store.add(TestStore.draft("parent", number)) }
      try await store.delete(where: .not(.ids([])), scope: .user("parent"))
      #expect(try await store.verify(deep: true).problems == [])
      #expect(try await child.finish().termination == .exited(0))
      reading.cancel()
      #expect(try await reading.value.isSubset(of: Set(1...12)))
      #expect(try held.count() == 1)
      _ = consume held
      try await store.close()
      try await expectContents(batch: 0, after: 1)
    }

    /// The resolving commit is based on the last counted commit and reuses the pages of the failed one, whose meta page is in the file. If
    /// the process dies meanwhile, the next owner of LMDB's lock determines the last commit from the file and must not choose that page: so
    /// the page first gets a number that makes it the older one.
    @Test(.timeLimit(.minutes(5))) func aKillDuringTheResolutionLeavesTheStoreWholeForOtherProcesses() async throws {
      let child = try await MetaFaults(place.directory).child(["fail-batch", place.path, "WEK", "immediate"])
      #expect(try await child.readLine() == "ready")
      let store = try await place.open()
      try await child.say("go")
      #expect(try await child.finish().termination == .signalled(SIGKILL))
      // The first write takes over the lock of the dead process.
      try await store.write { _ in }
      #expect(try await store.verify(deep: true).problems == [])
      #expect(try store.count() == 1)
      try await store.add(TestStore.draft("parent", 0))
      try await store.delete(where: .not(.ids([])), scope: .user("parent"))
      try await store.close()
      try await expectContents(batch: 0, after: 0)
    }

    @Test(.timeLimit(.minutes(5))) func aKillDuringTheResolutionLeavesAWholeStore() async throws {
      let child = try await MetaFaults(place.directory).child(["fail-batch", place.path, "WEK", "immediate"])
      #expect(try await child.readLine() == "ready")
      #expect(try await child.finish().termination == .signalled(SIGKILL))
      try await expectContents(batch: 19, after: 0)
    }

    // MARK: Reads that are under way

    /// The inner read waits for the store to be opened again, which waits for the outer read: the inner read gives up first.
    @Test(.timeLimit(.minutes(5))) func aReadInsideAReadGivesUpWaitingAndTheCommitIsResolved() async throws {
      let outcome = try await MetaFaults(place.directory).child(["fail-during-read", place.path, "nested"]).finish()
      #expect(
        outcome.standardOutput.split(separator: "\n").map(String.init)
          == ["outer true", "write inputOutput", "nested reopening", "count 2 0"], "\(outcome)")
      #expect(outcome.termination == .exited(0))
    }

    /// The process neither reads nor writes until that read has ended and the store is closed and opened again.
    @Test(.timeLimit(.minutes(5))) func aReadThatDoesNotEndKeepsACommitInDoubt() async throws {
      let outcome = try await MetaFaults(place.directory).child(["fail-during-read", place.path, "stuck"]).finish()
      #expect(
        outcome.standardOutput.split(separator: "\n").map(String.init)
          == ["write inDoubt", "read inDoubt", "status inDoubt false 1", "again inDoubt", "outer true", "nested ", "count 2 0"],
        "\(outcome)")
      #expect(outcome.termination == .exited(0))
    }

    @Test(.timeLimit(.minutes(5)), arguments: [("backup", 1), ("compact", 2)])
    func aCopyUnderWayLetsGoAndBeginsAnew(kind: String, generation: Int) async throws {
      let destination = place.directory.path("backup")
      let outcome = try await MetaFaults(place.directory).child(["fail-during-copy", place.path, kind, destination]).finish()
      #expect(
        outcome.standardOutput.split(separator: "\n").map(String.init)
          == ["copy ok false", "write inputOutput", "count 51 0 \(generation)"], "\(outcome)")
      guard kind == "backup" else { return }
      let copy = try await MemoryStore.open(at: URL(fileURLWithPath: destination))
      #expect(try copy.count() == 50)
      try await copy.close()
    }

    // MARK: The switch to another generation

    @Test(.timeLimit(.minutes(5)), arguments: [("WE", "ok", 2), ("E.", "inputOutput", 1), ("W.", "inputOutput", 1)])
    func aFailedSwitchToTheNextGenerationIsResolved(plan: String, outcome: String, generation: UInt64) async throws {
      let child = try await MetaFaults(place.directory).child(["fail-compaction", place.path, plan])
      let summary = try summary(try await child.readLine())
      #expect(summary.outcomes == [outcome: 1] && summary.generation == generation, "\(summary)")
      #expect(summary.later == "ok" && summary.poison == nil && summary.count == 51 && summary.problems.isEmpty, "\(summary)")
      #expect(summary.held == "ok" && summary.readErrors.isEmpty, "the next compaction: \(summary)")
      #expect(try await child.finish().termination == .exited(0))
      let store = try await place.open()
      #expect(try store.count() == 51 && store.status.generation == generation + 1)
      #expect(try await store.verify(deep: true).problems == [])
      #expect(try Directories.entries(place.path).filter { $0.hasPrefix("gen-") }.count == 1)
      try await store.close()
    }

    /// The file may name the next generation: its directory stays for the process that opens the store next.
    @Test(.timeLimit(.minutes(5)), arguments: [("EEEE", 1), ("WEEE", 2)])
    func aSwitchThatCannotBeResolvedKeepsBothGenerations(plan: String, generation: UInt64) async throws {
      let child = try await MetaFaults(place.directory).child(["fail-compaction", place.path, plan])
      let summary = try summary(try await child.readLine())
      #expect(summary.outcomes == ["inDoubt": 1] && summary.poison == "inDoubt" && summary.later == "inDoubt", "\(summary)")
      #expect(summary.count == 50 && summary.problems.isEmpty && summary.readErrors.isEmpty, "\(summary)")
      #expect(try Directories.entries(place.path).filter { $0.hasPrefix("gen-") }.sorted() == ["gen-1", "gen-2"])
      #expect(try await child.finish().termination == .exited(0))
      let store = try await place.open()
      #expect(try store.count() == 50 && store.status.generation == generation)
      try await store.add(TestStore.draft("u", 1))
      #expect(try await store.verify(deep: true).problems == [])
      #expect(try Directories.entries(place.path).filter { $0.hasPrefix("gen-") } == ["gen-\(generation)"])
      try await store.close()
    }
  }
#endif
