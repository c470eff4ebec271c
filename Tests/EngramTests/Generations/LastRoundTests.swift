import Foundation
import Logging
import Synchronization
import Testing

@testable import Engram

/// The last round of a rebuild, which excludes writers, is bounded by its work.
///
/// The bug: an automatic compaction blocked the writers of a store of 145,000 memories for five seconds. The cause: it replayed everything
/// that had been committed while it waited for `writer.lock`. The fix: once it has the lock, it checks how far it is behind. If that is
/// more than the largest batch of writes, it releases the lock and catches up first.
@Suite(.serialized) struct LastRoundTests {
  private let place = TestStore()
  /// More changes than the last round may replay.
  private static let changes = StoreRebuild.longestRoundEntries + 100

  /// Keeps a rebuild that is about to lock `writer.lock` waiting, until it is further behind than its last round may be.
  ///
  /// The rebuild calls its check again and again while it waits for a lock, and reports no progress meanwhile. While it copies, it reports
  /// progress before each check.
  private final class HeavyWriter: Sendable {
    private let checks = Atomic(0)
    private let isOver = Atomic(false)
    private let hasStarted = Atomic(false)
    /// Whether a body is running, which holds `writer.lock`.
    private let isWriting = Atomic(false)
    let commits = Atomic(0)
    let turns = Atomic(0)

    func check() { checks.add(1, ordering: .relaxed) }
    func report() { checks.store(0, ordering: .relaxed) }
    func end() { isOver.store(true, ordering: .relaxed) }

    var hasBegun: Bool { hasStarted.load(ordering: .acquiring) }

    /// Called when the rebuild has released `writer.lock`: returns once the next batch has locked it.
    func lockWasGivenBack() {
      turns.add(1, ordering: .relaxed)
      while !isWriting.load(ordering: .acquiring), !isOver.load(ordering: .relaxed) { usleep(200) }
    }

    private var isWaitedFor: Bool { checks.load(ordering: .relaxed) >= 3 }

    /// Commits batches, each while the rebuild waits for `writer.lock`, and lets the rebuild have the lock after each. Otherwise the
    /// rebuild may miss the short gaps between batches until more was committed than the log keeps, and begin again.
    func run(_ store: MemoryStore, changes: Int) async throws {
      var number = 0
      while !isOver.load(ordering: .relaxed) {
        let batch = number
        try await store.write { transaction in
          self.isWriting.store(true, ordering: .releasing)
          self.hasStarted.store(true, ordering: .releasing)
          for change in 0..<changes {
            try transaction.add(MemoryDraft(userID: "u\(change % 50)", text: "\(batch)", isTextOnly: true))
          }
          self.report()
          while !self.isWaitedFor, !self.isOver.load(ordering: .relaxed) { usleep(200) }
          self.isWriting.store(false, ordering: .releasing)
        }
        commits.add(1, ordering: .acquiringAndReleasing)
        number += 1
        while turns.load(ordering: .relaxed) < number, !isOver.load(ordering: .relaxed) { try await Task.sleep(for: .microseconds(200)) }
      }
    }
  }

  private struct TurnHandler: LogHandler {
    let writer: HeavyWriter
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      if "\(event.message)".contains("gives the lock of the writers back") { writer.lockWasGivenBack() }
    }
  }

  private func filled(_ writer: HeavyWriter) async throws -> MemoryStore {
    let store = try await place.open(
      StoreOptions(writeTimeout: nil, logger: Logger(label: "test", factory: { _ in TurnHandler(writer: writer) })))
    try await store.add((0..<200).map { MemoryDraft(userID: "v\($0 % 5)", text: "text \($0)") })
    return store
  }

  /// Rebuilds the store under a writer that commits too much before each last round.
  private func rebuild(
    _ store: MemoryStore, isAutomatic: Bool, _ writer: HeavyWriter
  ) async throws -> StoreRebuild.Outcome? {
    let changes = Self.changes
    let writing = Task { try await writer.run(store, changes: changes) }
    try await waitUntil { writer.hasBegun }
    let rebuilt = await Task {
      try await store.core.background("the store cannot be compacted") { core, check in
        try core.rebuild(
          isAutomatic: isAutomatic,
          check: {
            writer.check()
            try check()
          }, { _ in writer.report() })
      }
    }.result
    writer.end()
    // Every write was acknowledged: none had to wait for a last round that is too long.
    try await writing.value
    return try rebuilt.get()
  }

  @Test(.timeLimit(.minutes(8))) func aCompactionOfTheStoresOwnAccordComesLaterRatherThanExcludeTheWriters() async throws {
    let writer = HeavyWriter()
    let store = try await filled(writer)
    await expectCode(.storeBusy) { _ = try await rebuild(store, isAutomatic: true, writer) }
    let (turns, commits) = (writer.turns.load(ordering: .relaxed), writer.commits.load(ordering: .relaxed))
    #expect(turns == StoreRebuild.turns && commits >= turns, "\(turns) turns, \(commits) commits")
    #expect(try store.status.generation == 1 && store.count() == 200 + commits * Self.changes)
    // Without other writers it succeeds.
    #expect(try await store.core.background("the store cannot be compacted") { try $0.rebuild(isAutomatic: true, check: $1) }?.new == 2)
    #expect(try store.count() == 200 + commits * Self.changes)
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(8))) func aCompactionThatWasAskedForGetsItsTurnInTheEnd() async throws {
    let writer = HeavyWriter()
    let store = try await filled(writer)
    let outcome = try #require(try await rebuild(store, isAutomatic: false, writer))
    let commits = writer.commits.load(ordering: .relaxed)
    let turns = writer.turns.load(ordering: .relaxed)
    #expect(outcome.new == 2 && turns == StoreRebuild.turns, "generation \(outcome.new), \(turns) turns, \(commits) commits")
    #expect(try store.count() == 200 + commits * Self.changes)
    #expect(try await store.verify().problems == [])
    try await store.close()
  }
}
