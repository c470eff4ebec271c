import Files
import LMDB
import Logging
import Synchronization

/// Going on with the generation that has replaced the open one.
///
/// It takes `open.lock` and opens files, so readers leave it to a thread and wait for that, together and not longer than
/// ``StoreOptions/followingPatience``. They do not read the old generation meanwhile: another process may have reported a commit in the new
/// one. A writer follows before it commits, so what this process has written is never in a generation that its readers do not know.
extension LiveGeneration {
  /// One attempt, for all readers that wait for it.
  final class Following: Sendable {
    /// Left by this attempt.
    let old: PooledGeneration
    /// Until when readers wait. The same for all: past it they fail at once, and so leave the threads to others.
    let deadline: ContinuousClock.Instant
    private let isOver = Latch()
    private let failure = Mutex<(any Error)?>(nil)

    init(from old: PooledGeneration, deadline: ContinuousClock.Instant) {
      self.old = old
      self.deadline = deadline
    }

    func end(_ outcome: Result<Void, any Error>) {
      if case .failure(let error) = outcome { failure.withLock { $0 = error } }
      isOver.open()
    }

    /// - Returns: False if the attempt still goes on.
    func wait() throws -> Bool {
      guard isOver.wait(until: deadline) else { return false }
      if let error = failure.withLock({ $0 }) { throw error }
      return true
    }
  }

  /// Waits until this process has gone on from `pooled`.
  ///
  /// - Throws: ``StoreError`` `.storeBusy`, naming the process that holds `open.lock`; `.outOfResources`; those of ``follow(from:to:)``.
  func awaitFollowing(from pooled: PooledGeneration, to number: UInt64) throws {
    let (following, isNew) = state.withLock { state -> (Following?, Bool) in
      guard state.live === pooled else { return (nil, false) }
      if let running = state.attempt, running.old === pooled { return (running, false) }
      let attempt = Following(from: pooled, deadline: .now + options.followingPatience)
      state.attempt = attempt
      return (attempt, true)
    }
    guard let following else { return }
    if isNew {
      do throws(StoreError) {
        try startThread { self.attempt(following, to: number) }
      } catch {
        end(following, .failure(error))
      }
    }
    if try following.wait() { return }
    let holders = (try? paths.openLock).map { LockHolders.processes(locking: $0) } ?? []
    let holder = holders.first.map { "process \($0) holds open.lock" } ?? "the disk is slow, or this process waits for a lock of its own"
    throw StoreError(
      .storeBusy,
      "the store moved on to generation \(number), which could not be opened within \(options.followingPatience): \(holder); try again",
      holder: holders.first)
  }

  private func attempt(_ following: Following, to number: UInt64) {
    end(following, Result { try follow(from: following.old, to: number) })
  }

  private func end(_ following: Following, _ outcome: Result<Void, any Error>) {
    state.withLock { if $0.attempt === following { $0.attempt = nil } }
    following.end(outcome)
  }
}
