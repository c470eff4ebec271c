/// What the clocks at the last commit show, and what a commit has to do about expired memories.
extension StateRecord {
  /// What a commit has to do about expired memories.
  enum ExpiryStep: Equatable {
    case nothing
    /// Set the mark that expired memories were found.
    case mark
    /// Remove those that expired at `before` or earlier.
    case remove(before: Int64)
  }

  /// How far the wall clock has moved against the clock of the boot since the last commit, in milliseconds; nil if that is at most an hour,
  /// or if the machine has been restarted since.
  func clockJump(at now: StoreInstant) -> Int64? {
    guard let lastBoot, let elapsed = now.boot.elapsed(since: lastBoot) else { return nil }
    let jump = Int128(now.wall) - Int128(lastCommit) - Int128(elapsed)
    return abs(jump) > Int128(StoreClock.tolerance) ? Int64(clamping: jump) : nil
  }

  /// What a commit has to do about expired memories. A memory is removed only after two commits of one boot, an hour apart by the clock of
  /// the boot, have found it expired: a wall clock that is wrong for a moment hides memories only until it is right again.
  ///
  /// - Parameter first: The earliest time in `expiry`; nil if nothing expires.
  func expiryStep(first: Int64?, at now: StoreInstant) -> ExpiryStep {
    guard let first, first <= now.wall else { return .nothing }
    guard let mark = expiryMark, let age = now.boot.elapsed(since: mark.boot) else { return .mark }
    guard age >= StoreClock.tolerance else { return .nothing }
    let before = min(mark.wall, now.wall)
    // Memories that expired after the mark wait for another hour.
    return first <= before ? .remove(before: before) : .mark
  }
}
