import Files
import Foundation
import LMDB
import Synchronization
import TestSupport
import Testing

@testable import Engram

/// Long operations run on threads of their own and end soon after their task is cancelled.
///
/// The bug: `verify` and `audit` blocked their caller for as long as they read, and cancellation did not end them. It did not end the
/// verification of a backup, the search of the files for traces, or a walk over all memories either. Each operation now reports once for a
/// bounded amount of work, and a report ends the work if the task was cancelled. So these tests measure no time: they hold the work at a
/// report in the middle, cancel the task, and expect that no further report follows.
@Suite(.serialized) struct CancellationTests {
  private let place = TestStore()
  private static let users = 30
  private static let memories = 6_000

  /// Holds work at a report in the middle of a phase, and counts the reports after it.
  private final class Midway: Sendable {
    private struct State {
      var phases: [OperationProgress.Phase] = []
      var isReached = false
      var stepsAfter = 0
    }

    private let phase: OperationProgress.Phase
    private let later: OperationProgress.Phase?
    private let state = Mutex(State())
    private let gate = DispatchSemaphore(value: 0)

    /// - Parameter later: Reports count only after the first report of this phase; nil: all count.
    init(_ phase: OperationProgress.Phase, after later: OperationProgress.Phase?) {
      self.phase = phase
      self.later = later
    }

    var isReached: Bool { state.withLock { $0.isReached } }
    var stepsAfter: Int { state.withLock { $0.stepsAfter } }

    func see(_ step: OperationProgress) {
      let holds = state.withLock { state in
        if state.isReached { state.stepsAfter += 1 }
        if let later, !state.phases.contains(later) {
          if step.phase == later { state.phases = [later] }
          return false
        }
        state.phases.append(step.phase)
        guard !state.isReached, step.done < step.total, state.phases.count(where: { $0 == phase }) == 2 else { return false }
        state.isReached = true
        return true
      }
      if holds { gate.wait() }
    }

    func goOn() { gate.signal() }
  }

  /// Cancels `work` at its second report of `phase`.
  private func cancel<Value: Sendable>(
    in phase: OperationProgress.Phase, after later: OperationProgress.Phase? = nil,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ work: @escaping @Sendable (_ progress: @escaping @Sendable (OperationProgress) -> Void) async throws -> Value
  ) async throws {
    let midway = Midway(phase, after: later)
    let task = Task { _ = try await work { midway.see($0) } }
    try await waitUntil(within: .seconds(60), sourceLocation: sourceLocation) { midway.isReached }
    task.cancel()
    midway.goOn()
    await #expect(throws: CancellationError.self, sourceLocation: sourceLocation) { try await task.value }
    #expect(midway.stepsAfter == 0, sourceLocation: sourceLocation)
  }

  /// Runs `work` in a task that is cancelled before it begins.
  private func expectsCancellation(
    sourceLocation: SourceLocation = #_sourceLocation, _ work: @escaping @Sendable () async throws -> Void
  ) async {
    let task = cancelled(work)
    await #expect(throws: CancellationError.self, sourceLocation: sourceLocation) { try await task.value }
  }

  private func cancelled<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) -> Task<Value, any Error> {
    Task {
      // SAFETY: the task is used within the closure only.
      unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
      return try await work()
    }
  }

  private func filled() async throws -> MemoryStore {
    let store = try await place.open()
    for user in 0..<Self.users {
      try await store.add((0..<Self.memories / Self.users).map { TestStore.draft("user\(user)", user * 1_000 + $0) })
    }
    return store
  }

  /// Expects that the store is as it was, and that nothing is left beside it.
  private func expectUntouched(_ store: MemoryStore, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    #expect(try store.count() == Self.memories, sourceLocation: sourceLocation)
    #expect(try store.status.generation == 1, sourceLocation: sourceLocation)
    #expect(try Directories.entries(place.path).filter { $0.hasPrefix("gen-") } == ["gen-1"], sourceLocation: sourceLocation)
    #expect(try Directories.entries(place.directory.path) == ["store"], sourceLocation: sourceLocation)
    #expect(try store.status.snapshots.isEmpty, sourceLocation: sourceLocation)
  }

  // MARK: Reading

  @Test(.timeLimit(.minutes(5))) func aVerificationEnds() async throws {
    let store = try await filled()
    try await cancel(in: .verifying) { try await store.verify(deep: true, progress: $0) }
    try await expectUntouched(store)
    #expect(try await store.verify(deep: true).isIntact)
    try await store.close()
    let url = place.url
    try await cancel(in: .verifying) { try await MemoryStore.verify(at: url, deep: true, progress: $0) }
    #expect(try await MemoryStore.verify(at: url, deep: true) { _ in }.isIntact)
  }

  @Test(.timeLimit(.minutes(5))) func theWalkOverThePagesEnds() async throws {
    let store = try await filled()
    var asked = 0
    #expect(throws: CancellationError.self) {
      _ = try store.core.generation.pages {
        asked += 1
        if asked == 3 { throw CancellationError() }
      }
    }
    #expect(asked == 3)
    await expectsCancellation { _ = try await store.verify(deep: true) }
    try await expectUntouched(store)
    try await store.close()
    let url = place.url
    await expectsCancellation { _ = try await MemoryStore.verify(at: url, deep: true) { _ in } }
    // The opening that was cancelled holds no lock and no file.
    let again = try await place.open()
    try await expectUntouched(again)
    try await again.close()
  }

  @Test(.timeLimit(.minutes(5))) func anAuditEnds() async throws {
    let store = try await filled()
    try await cancel(in: .auditing) { try await store.audit(AuditOptions(), progress: $0) }
    try await cancel(in: .comparing) { try await store.audit(AuditOptions(), progress: $0) }
    try await expectUntouched(store)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func noStepIsLong() async throws {
    let store = try await filled()
    let steps = Recorder<OperationProgress>()
    _ = try await store.verify { steps.append($0) }
    _ = try await store.audit(AuditOptions()) { steps.append($0) }
    for phase in [OperationProgress.Phase.verifying, .auditing] {
      let done = [0] + steps.values.filter { $0.phase == phase }.map(\.done)
      #expect(done.count > 5 && zip(done, done.dropFirst()).allSatisfy { $1 - $0 <= 1_024 }, "\(done)")
    }
    try await store.close()
  }

  /// A few large values are as much work as many small ones.
  @Test(.timeLimit(.minutes(5))) func aStepHasFewLargeValues() async throws {
    let store = try await place.open()
    for number in 0..<20 {
      try await store.updateContext(for: "user\(number)") { $0.with(preferences: ["a": String(repeating: "a", count: 100_000)]) }
    }
    let steps = Recorder<Int>()
    _ = try await store.verify { steps.append($0.done) }
    let done = [0] + steps.values
    #expect(done.count > 6 && zip(done, done.dropFirst().dropLast()).allSatisfy { $1 - $0 <= 64 }, "\(done)")
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func walksOverAllMemoriesEnd() async throws {
    let store = try await filled()
    await expectsCancellation { _ = try await store.count(scope: .all, filter: .not(.ids([]))) }
    await expectsCancellation { try store.snapshot().forEachMemory { _ in true } }
    // A short list is read even if the task is cancelled, because the clean-up of a cancelled task may need it.
    let task = cancelled { try store.memories(for: "user1", limit: 10).count }
    #expect(try await task.value == 10)
    #expect(try await store.count(scope: .all, filter: .not(.ids([]))) == Self.memories)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aPageThatAFilterLeavesEmptyEnds() async throws {
    let store = try await place.open()
    try await store.add((0..<3_000).map { TestStore.draft("u", $0) })
    await expectsCancellation { _ = try store.memories(for: "u", limit: 10, filter: .kind("none")) }
    try await store.close()
  }

  /// 68 MB of rows: enough for a thread of its own, and for a check in the middle.
  @Test(.timeLimit(.minutes(5))) func aSearchOfManyRowsEnds() async throws {
    let embedder = HashingEmbedder(dimension: 16_384)
    let store = try await place.open(StoreOptions(dimension: 16_384, embedder: embedder))
    let vector = try await embedder.embed(["ramen"])[0]
    for start in stride(from: 0, to: 1_040, by: 104) {
      try await store.add((start..<start + 104).map { MemoryDraft(userID: "u", text: "ramen \($0)", embedding: vector) })
    }
    await expectsCancellation { _ = try await store.search("ramen", scope: .all) }
    await expectsCancellation { _ = try store.search(SearchQuery(embedding: vector, scope: .user("u"), limit: 1)) }
    #expect(try await store.search("ramen", scope: .user("u"), limit: 3).count == 3)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func anExportEndsAndRemovesItsFile() async throws {
    let store = try await filled()
    let path = place.directory.path("all.jsonl")
    try await cancel(in: .exporting) { try await store.export(to: URL(fileURLWithPath: path), progress: $0) }
    try await expectUntouched(store)
    try await store.close()
  }

  // MARK: Building

  @Test(.timeLimit(.minutes(5)), arguments: [OperationProgress.Phase.copying, .verifying])
  func aBackupEndsAndLeavesNothing(in phase: OperationProgress.Phase) async throws {
    let store = try await filled()
    let url = URL(fileURLWithPath: place.directory.path("backup"))
    try await cancel(in: phase) { try await store.backup(to: url, progress: $0) }
    try await expectUntouched(store)
    try await store.backup(to: url)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aCompactionEndsAndLeavesNothing() async throws {
    let store = try await filled()
    try await cancel(in: .copying) { try await store.compact(progress: $0) }
    try await expectUntouched(store)
    try await store.compact()
    #expect(try store.count() == Self.memories && store.status.generation == 2)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5)), arguments: [OperationProgress.Phase.salvaging, .copying, .verifying])
  func aRepairEndsAndLeavesNothing(in phase: OperationProgress.Phase) async throws {
    try await filled().close()
    let (source, url) = (place.url, URL(fileURLWithPath: place.directory.path("repaired")))
    try await cancel(in: phase) { try await MemoryStore.repair(source, into: url, progress: $0) }
    let store = try await place.open()
    try await expectUntouched(store)
    try await store.close()
  }

  // MARK: Erasing

  @Test(.timeLimit(.minutes(5)), arguments: [OperationProgress.Phase.comparing, .scanning])
  func anErasureThatEndsBeforeItHidesChangesNothing(in phase: OperationProgress.Phase) async throws {
    let store = try await filled()
    try await cancel(in: phase) {
      try await store.erase(.user("user1"), timeout: .seconds(30), verifiesErasure: true, progress: $0)
    }
    try await expectUntouched(store)
    try await store.close()
  }

  /// What is hidden stays hidden, and the store itself continues the rebuild.
  @Test(.timeLimit(.minutes(5))) func anErasureThatEndsInItsRebuildIsResumed() async throws {
    let store = try await filled()
    let left = Self.memories - Self.memories / Self.users
    try await cancel(in: .copying) {
      try await store.erase(.user("user1"), timeout: .seconds(30), verifiesErasure: false, progress: $0)
    }
    #expect(try store.count() == left)
    try await waitUntil(within: .seconds(60)) { try store.status.generation == 2 && store.dueUpkeep == nil }
    #expect(try store.count() == left)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5)), arguments: [OperationProgress.Phase.comparing, .scanning])
  func aProofThatEndsLeavesAnErasureDone(in phase: OperationProgress.Phase) async throws {
    let store = try await filled()
    try await cancel(in: phase, after: .copying) {
      try await store.erase(.user("user1"), timeout: .seconds(30), verifiesErasure: true, progress: $0)
    }
    #expect(try store.count() == Self.memories - Self.memories / Self.users)
    #expect(try store.status.generation == 2 && store.dueUpkeep == nil)
    try await store.close()
  }

  // MARK: Importing

  @Test(.timeLimit(.minutes(5)), arguments: [OperationProgress.Phase.checking, .writing])
  func anImportEndsAndChangesNothing(in phase: OperationProgress.Phase) async throws {
    let store = try await filled()
    let directory = TemporaryDirectory()
    let path = directory.path("lines.jsonl")
    let lines = (0..<2_000).map { #"{"type":"memory","userID":"v","text":"number \#($0)"}"# }
    try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: path))
    try await cancel(in: phase) { progress in
      let source = try #require(try ImportSource(path: path))
      return try await store.importLines(from: [source], ImportOptions(), progress: progress)
    }
    try await expectUntouched(store)
    try await store.close()
  }
}
