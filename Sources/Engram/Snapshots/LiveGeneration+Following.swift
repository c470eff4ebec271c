import Files
import LMDB
import Logging
import Synchronization

/// Switches readers to the generation that has replaced the open one.
///
/// Following takes `open.lock` and opens files, so it runs on a thread of its own. All readers wait for the same attempt, at most
/// ``StoreOptions/followingPatience``. They do not read the old generation meanwhile, because another process may have reported a commit in
/// the new one. A writer follows before it commits, so this process never writes to a generation that its readers do not know.
extension LiveGeneration {
  /// One attempt, for all readers that wait for it.
  final class Following: Sendable {
    /// The generation that this attempt replaces.
    let old: PooledGeneration
    /// The end of the wait of readers. It is the same for all: after it, readers fail at once and block no more threads.
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

  /// Waits until this process has switched from `pooled` to its successor.
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
