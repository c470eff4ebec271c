import Foundation
import LMDB
import Logging

/// The commit of one batch: steps 3 to 7 of "A write, step by step" in Architecture.md. `writer.lock` is held, on the thread of the writer.
extension WriteCoordinator {
  /// A batch that was begun.
  private struct Batch: ~Copyable {
    var transaction: WriteTransaction
    let pooled: LiveGeneration.PooledGeneration
    /// The state of the commit before.
    let lastState: StateRecord
    let now: StoreInstant

    var generation: Generation { pooled.generation }
  }

  /// Runs the bodies and commits what they changed.
  ///
  /// - Returns: How each request ended, in order.
  func perform(_ requests: [WriteRequest]) -> [Result<Void, any Error>] {
    func all(_ error: any Error) -> [Result<Void, any Error>] { requests.map { _ in .failure(error) } }
    do {
      if let poison { throw poison }
      var batch = try begin()
      // Until the commit, an error leaves everything as it was: destroying the transaction aborts it.
      let results = try runBodies(of: requests, &batch.transaction)
      if batch.transaction.batch.isUnchanged { return results }
      warnIfClockJumped(batch.lastState, batch.now)
      // Rows may be in the file and on the disk by now, in slots that no commit names: the next batch overwrites them.
      try batch.transaction.batch.finish()
      let generation = batch.generation
      try commit(batch)
      return acknowledged(results, in: generation)
    } catch let failure as RowFlushFailure {
      // The kernel may have dropped what it could not write, and a second flush would not say so: this process writes no more.
      let error = StoreError(
        .poisoned,
        "rows.f32 could not be flushed: nothing was changed, and this process writes no more; find out why the disk fails, then open the store again",
        cause: failure.error)
      makeReadOnly(error)
      return all(error)
    } catch {
      return all(error)
    }
  }

  /// Step 3: begins the transaction in the live generation.
  ///
  /// - Throws: ``StoreError`` `.storeMoved`; what LMDB throws. Nothing has changed, but this process may have followed to a later
  ///   generation.
  private func begin() throws -> Batch {
    while true {
      let pooled = try followed()
      try live.requireInPlace(pooled.generation)
      let now = options.clock.now
      let transaction = try WriteTransaction(
        WriteBatch(
          try EnvironmentTransaction(pooled.generation.environment), generation: pooled.generation, historyLimit: options.historyLimit,
          now: now.wall, boot: now.boot))
      let lastState = transaction.batch.state
      if lastState.supersededBy == 0 { return Batch(transaction: transaction, pooled: pooled, lastState: lastState, now: now) }
      // A process was killed after it superseded this generation, and readers do not see that yet: see ``GenerationSweep``.
      _ = consume transaction
      try live.follow(from: pooled, to: lastState.supersededBy)
    }
  }

  /// The newest generation that readers know of. While `writer.lock` is held, no other process can supersede it.
  private func followed() throws -> LiveGeneration.PooledGeneration {
    while true {
      let pooled = live.current
      let next = try pooled.pool.supersedingNumber()
      guard next > 0 else { return pooled }
      try live.follow(from: pooled, to: next)
    }
  }

  /// Runs the bodies, in order. In a batch of several, a body that throws is undone; in a batch of one, the whole transaction is aborted
  /// instead.
  ///
  /// - Returns: How each ended.
  /// - Throws: The error of the only body; what LMDB threw, after which the transaction cannot go on. Nothing of the batch is kept.
  private func runBodies(of requests: [WriteRequest], _ transaction: inout WriteTransaction) throws -> [Result<Void, any Error>] {
    let undoes = requests.count > 1
    var results: [Result<Void, any Error>] = []
    for request in requests {
      if undoes { transaction.batch.beginJournal() }
      do {
        try Self.$isInBody.withValue(true) {
          if let token = request.token { try transaction.record(token: token) }
          try request.body(&transaction)
          try transaction.batch.writeWords()
        }
        // A body may have swallowed LMDB's error; the transaction is lost all the same.
        if let failure = transaction.batch.failure { throw failure }
        transaction.batch.endJournal()
        results.append(.success(()))
      } catch {
        if let failure = transaction.batch.failure { throw StoreError(failure, "the write failed and nothing was changed") }
        let error = StoreError.surfacing(error, "the write failed and nothing was changed")
        guard undoes else { throw error }
        try transaction.batch.undo()
        results.append(.failure(error))
      }
    }
    return results
  }

  private func warnIfClockJumped(_ lastState: StateRecord, _ now: StoreInstant) {
    guard let jump = lastState.clockJump(at: now) else { return }
    options.logger.warning(
      "the wall clock has jumped since the last commit: find out which of the two times was wrong", metadata: ["milliseconds": "\(jump)"])
  }

  /// Step 7, the one commit point. When it returns, the batch is on the disk.
  ///
  /// - Throws: ``StoreError`` of a commit that did not happen, which leaves everything as it was; `.poisoned` and `.inDoubt` if that is not
  ///   known.
  private func commit(_ batch: consuming Batch) throws {
    let (pooled, lastState) = (batch.pooled, batch.lastState)
    let hasRoom = pooled.generation.growDataFile(by: batch.transaction.batch.storedBytes)
    do {
      try batch.transaction.commit()
    } catch {
      let outcome = outcome(of: error, in: pooled, hasRoom: hasRoom, lastState: lastState) { found in
        switch found.batchSequence {
        case lastState.batchSequence + 1: true
        case lastState.batchSequence: false
        default: nil
        }
      }
      switch outcome {
      case .happened: return
      case .didNotHappen(let failure), .unknown(let failure): throw failure
      }
    }
    // LMDB does not write trailing pages that a transaction has freed, and a file that is shorter than its pages counts as damaged when
    // opened.
    pooled.generation.growDataFile(by: 0)
  }

  /// The results of a committed batch. A write is acknowledged only if the store's path still leads to the files that were written.
  private func acknowledged(_ results: [Result<Void, any Error>], in generation: Generation) -> [Result<Void, any Error>] {
    guard let moved = live.moveAfterCommit(to: generation) else { return results }
    // Writes after this batch fail, and nothing of them is committed.
    makeReadOnly(moved.error(committed: false))
    return results.map { result in result.flatMap { .failure(moved.error(committed: true)) } }
  }

  /// Decides as the table in Concurrency.md says. A full disk or an interruption aborts the commit for certain. If writing the meta page
  /// failed, a further commit shows the outcome. After any other error the state of the disk is unknown, and a second flush could succeed
  /// without having written.
  ///
  /// To be called on the thread of the commit, with `writer.lock` still held.
  /// - Parameters:
  ///   - hasRoom: Whether the data file could be grown ahead of the commit.
  ///   - lastState: The state of the commit before.
  ///   - isCommitted: As in ``CommitResolution/run(_:after:lastState:isCommitted:)``.
  nonisolated func outcome(
    of error: LMDBError, in pooled: LiveGeneration.PooledGeneration, hasRoom: Bool, lastState: StateRecord,
    isCommitted: (StateRecord) -> Bool?
  ) -> CommitResolution.Outcome {
    if pooled.generation.environment.isPanicked {
      return CommitResolution(live: live, options: options, poison: makeReadOnly).run(
        pooled, after: error, lastState: lastState, isCommitted: isCommitted)
    }
    if error.isNoSpace || error.isMapFull || error.isInterrupted {
      return .didNotHappen(StoreError(error, "the commit failed and nothing was changed"))
    }
    // If the disk has room for a part of a page only, LMDB reports EIO, and aborts before any flush.
    if error.isInputOutput, !hasRoom {
      return .didNotHappen(StoreError(.diskFull, "the commit failed and nothing was changed: the disk is full", cause: error))
    }
    return .unknown(poisoned(by: error))
  }

  /// Ends writing in this process after a flush that failed.
  nonisolated func poisoned(by error: LMDBError) -> StoreError {
    let failure = StoreError(
      .poisoned,
      "a flush failed, and whether the last write is on disk shows when the store is opened again; this process writes no more: find out why the disk fails",
      cause: error)
    makeReadOnly(failure)
    return failure
  }
}
