import Formats
import LMDB
import Logging

/// Finds out whether a commit that failed while its meta page was written is on disk.
///
/// Neither the error nor the meta pages show it: this process reads the system's cache, not the disk. A further commit shows it. Once it
/// succeeds, the commit that it was built upon is on disk, and the doubtful page is either part of that commit or overwritten. So the
/// generation is opened again, and its state record is committed unchanged. The thread that resolves has held `writer.lock` since before
/// the failed commit: no other process can have written since, and the state record that is found is that of the failed commit or the one
/// before.
struct CommitResolution {
  let live: LiveGeneration
  let options: StoreOptions
  /// Ends writing in this process.
  let poison: (StoreError) -> Void

  enum Outcome {
    /// The commit is on disk.
    case happened
    /// Nothing was changed, for certain; the error says so.
    case didNotHappen(StoreError)
    /// This process writes no more; the error says so.
    case unknown(StoreError)
  }

  /// Blocks the thread that committed until the reads in progress have ended, for at most 1.5 times ``StoreOptions/reopeningPatience``.
  ///
  /// - Parameters:
  ///   - pooled: The generation of the commit, which is the live one.
  ///   - lastState: The state of the commit before.
  ///   - isCommitted: Whether the state that is found is that of the failed commit; nil if it is neither that nor `lastState`.
  func run(
    _ pooled: LiveGeneration.PooledGeneration, after failure: LMDBError, lastState: StateRecord, isCommitted: (StateRecord) -> Bool?
  ) -> Outcome {
    options.logger.warning("a commit failed half-way: the store is opened again", metadata: ["error": "\(failure)"])
    live.beginReopening(pooled, lastState: lastState)
    // Longer than a read waits: a read that waits inside another read gives up first, so that the outer read can end.
    let deadline = ContinuousClock.now + options.reopeningPatience * 3 / 2
    let generation: Generation
    do {
      generation = try live.openAgain(pooled, until: deadline)
    } catch {
      let unresolved = unresolved(error)
      live.endReopening(pooled, failing: unresolved)
      return .unknown(unresolved)
    }
    do {
      let happened = try settle(generation, isCommitted)
      options.logger.notice("the failed commit was resolved", metadata: ["happened": "\(happened)"])
      live.endReopening(pooled, with: generation)
      return happened ? .happened : .didNotHappen(StoreError(failure, "the commit failed and nothing was changed; try again"))
    } catch {
      let unresolved = unresolved(error)
      goOnReading(pooled, generation, unresolved, until: deadline)
      return .unknown(unresolved)
    }
  }

  /// Commits the state record that is found, unchanged, and returns whether it is that of the failed commit.
  private func settle(_ generation: Generation, _ isCommitted: (StateRecord) -> Bool?) throws -> Bool {
    generation.growDataFile(by: 0)
    var transaction = try EnvironmentTransaction(generation.environment)
    let state = try RecordReader(transaction.view, generation, now: .min).state()
    guard let happened = isCommitted(state) else {
      throw StoreError(.corrupted, "the store is at commit \(state.batchSequence), which is neither the failed one nor the one before")
    }
    try generation.withdraw(transaction: transaction.id)
    var writer = CBORWriter()
    state.encode(into: &writer)
    try transaction.put(MetaKey.state.encoded, writer.bytes, in: generation.schema[Tables.Meta.self])
    try transaction.commit()
    generation.growDataFile(by: 0)
    return happened
  }

  private func unresolved(_ reason: any Error) -> StoreError {
    let failure = StoreError(
      .inDoubt,
      "the commit failed half-way, and whether it happened could not be found out; this process writes no more: open the store again, and ask wasCommitted for the write's token",
      cause: reason)
    poison(failure)
    return failure
  }

  /// Lets reads go on after writing has ended. If this environment has failed as well, it is opened once more.
  private func goOnReading(
    _ pooled: LiveGeneration.PooledGeneration, _ generation: Generation, _ failure: StoreError, until deadline: ContinuousClock.Instant
  ) {
    guard generation.environment.isPanicked else { return live.endReopening(pooled, with: generation) }
    do {
      live.endReopening(pooled, with: try live.openAgain(LiveGeneration.PooledGeneration(generation), until: deadline))
    } catch {
      live.endReopening(pooled, failing: failure)
    }
  }
}
