import Files
import Foundation
import LMDB
import Synchronization

/// Opens the live generation again after a commit failed while its meta page was written. LMDB then refuses every transaction, reads
/// included, until the environment is closed; and no file may be opened twice in a process, so it must be closed first.
///
/// The steps are those of ``CommitResolution``, in this order, on a thread that holds `writer.lock` throughout.
extension LiveGeneration {
  /// Describes the time during which the live generation cannot be read.
  struct Outage: Sendable {
    /// The last commit that is known, for the status.
    let lastState: StateRecord
    /// The end of the wait of reads. It is the same for all, so that the waits of nested reads do not add up.
    let deadline: ContinuousClock.Instant
    /// Nil while the generation is being opened again: reads wait. Otherwise the error that reads throw.
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

  /// Ends held snapshots, waits for the reads in progress, closes the generation and opens it again. The caller commits on it before any
  /// other thread sees it.
  ///
  /// - Throws: ``StoreError`` `.stillInUse` if a read did not end in time, and those of an opening.
  func openAgain(_ pooled: PooledGeneration, until deadline: ContinuousClock.Instant) throws -> Generation {
    // Waits before it takes `open.lock`, which other processes need meanwhile.
    try end(pooled, until: deadline) { pooled.generation.environment.liveTransactionCount == 0 }
    return try following.withLock { _ in
      let opening = try openLock()
      try opening.lock(.exclusive)
      // The old object keeps its shared lock on the data file, so no process can remove the directory in between.
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
      // This thread may sleep: it is that of the writer or of a rebuild. The end of a read is not signaled.
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

  /// Gives the generation up: from now on every read of this process throws `failure`.
  func endReopening(_ pooled: PooledGeneration, failing failure: StoreError) {
    state.withLock { $0.outage?.failure = failure }
    pooled.replacement.open()
  }
}
