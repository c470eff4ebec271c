import Files
import Foundation
import LMDB
import Synchronization

/// Opening the live generation again, after a commit failed while its meta page was written: LMDB then refuses every transaction, reading ones
/// too, until the environment is closed, and no file may be opened twice in a process.
///
/// The steps are those of ``CommitResolution``, in this order, on a thread that holds `writer.lock` throughout.
extension LiveGeneration {
  /// While the live generation cannot be read.
  struct Outage: Sendable {
    /// The last commit that is known, for the status.
    let lastState: StateRecord
    /// Until when reads wait. The same for all, so that reads within a read do not add up.
    let deadline: ContinuousClock.Instant
    /// Nil while it is being opened again: reads wait. Otherwise what they throw.
    var failure: StoreError?
  }

  /// Makes new reads and snapshots wait.
  func beginReopening(_ pooled: PooledGeneration, lastState: StateRecord) {
    let deadline = ContinuousClock.now + options.reopeningPatience
    state.withLock { $0.outage = Outage(lastState: lastState, deadline: deadline) }
    pooled.loss.open()
    pooled.generation.markClosing()
    pooled.pool.close()
  }

  /// Takes held snapshots away, waits for the reads in progress, and opens the generation a second time. The caller commits on it before
  /// anybody else sees it.
  ///
  /// - Throws: ``StoreError`` `.stillInUse` if a read did not end in time, and those of an opening.
  func openAgain(_ pooled: PooledGeneration, until deadline: ContinuousClock.Instant) throws -> Generation {
    // Before `open.lock`: others need that one meanwhile.
    try end(pooled, until: deadline) { pooled.generation.environment.liveTransactionCount == 0 }
    return try following.withLock { _ in
      let opening = try openLock()
      try opening.lock(.exclusive)
      // The old object keeps its share in the data file, so nobody can sweep the directory in between.
      try end(pooled, until: deadline) { pooled.generation.close(givingUpFiles: false) }
      // The same generation, even if its state names a successor: this process may have that one open already.
      return try StoreOpening.openGeneration(paths, number: pooled.generation.number, options: options).0
    }
  }

  private func end(_ pooled: PooledGeneration, until deadline: ContinuousClock.Instant, _ isDone: () -> Bool) throws {
    while true {
      pooled.pool.endHeld()
      if isDone() { return }
      guard ContinuousClock.now < deadline else {
        let count = pooled.generation.environment.liveTransactionCount
        throw StoreError(.stillInUse, "\(count) reads that began before the commit did not end in time")
      }
      // The thread is the writer's own or a rebuild's, and the end of a read is not signaled.
      Thread.sleep(forTimeInterval: 0.001)
    }
  }

  /// Lets the readers go on with the generation that was opened again.
  func endReopening(_ pooled: PooledGeneration, with generation: Generation) {
    following.withLock { _ in
      state.withLock { state in
        state.live = PooledGeneration(generation)
        state.outage = nil
      }
    }
    pooled.replacement.open()
  }

  /// The generation cannot be read by this process any more: every read throws `failure`.
  func endReopening(_ pooled: PooledGeneration, failing failure: StoreError) {
    state.withLock { $0.outage?.failure = failure }
    pooled.replacement.open()
  }
}
