import Foundation
import Synchronization

extension MemoryStore {
  /// Forgets a user: hides all memories, contexts and history at once, in one commit, then rebuilds the store's files without them.
  ///
  /// After the commit no read of any process shows them, and a crash does not bring them back: the next process that opens the store goes
  /// on. Records, history, index entries, log entries and rows are gone from the files when the old generation is removed, which waits
  /// for snapshots taken before. Adding memories for the user afterwards makes a new user of the same name.
  ///
  /// - Parameters:
  ///   - timeout: How long to wait until the old files are removed, 0 to 3,650 days. After that the receipt names the processes that have
  ///     them open; the files are removed once these have closed them.
  ///   - verifiesErasure: Searches every file of the store for the user's bytes, before and afterwards; see ``ErasureReceipt/scan``.
  ///   - progress: Called now and then, see ``OperationProgress``.
  /// - Returns: What was erased. For a user without records the files are rebuilt all the same if deleted data may still be in them.
  /// - Throws: Before the commit, ``StoreError`` `.invalidUserID`, and the errors of ``write(users:token:_:)``: nothing was changed. After
  ///   the commit, the errors of ``compact(progress:)``, `.closed` and `CancellationError` included: the user is hidden, and the store goes
  ///   on with the rebuild by itself, at the next opening at the latest; calling this again does no harm. `.storeMoved` with `isCommitted`:
  ///   the user is hidden in the files that this process has open, and not in those that replaced them.
  @discardableResult
  public func forget(
    userID: String, timeout: Duration = .seconds(30), verifiesErasure: Bool = false,
    progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> ErasureReceipt {
    try await erase(.user(userID), timeout: timeout, verifiesErasure: verifiesErasure, progress: progress)
  }

  /// Deletes memories of the user and rebuilds the store's files without them: what ``forget(userID:timeout:verifiesErasure:progress:)``
  /// does for all of a user. Expired memories are deleted, too.
  ///
  /// - Parameter ids: May contain ids of memories that were deleted before. Memories of other users count as absent and stay.
  /// - Returns: What was erased; ``ErasureReceipt/memories`` counts only memories of the user that existed.
  @discardableResult
  public func erase(
    _ ids: [MemoryID], for userID: String, timeout: Duration = .seconds(30), verifiesErasure: Bool = false,
    progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> ErasureReceipt {
    try await erase(.memories(ids, userID: userID), timeout: timeout, verifiesErasure: verifiesErasure, progress: progress)
  }

  /// Erases a user or single memories: what ``forget(userID:timeout:verifiesErasure:progress:)`` and
  /// ``erase(_:for:timeout:verifiesErasure:progress:)`` do.
  @discardableResult
  public func erase(
    _ subject: ErasureReceipt.Subject, timeout: Duration = .seconds(30), verifiesErasure: Bool = false,
    progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> ErasureReceipt {
    try Limits.check(timeout, "the timeout of an erasure")
    switch subject {
    case .user(let userID), .memories(_, let userID?): try Limits.checkUserID(userID)
    case .memories(_, nil): break
    }
    let writer = try writer()
    let before =
      verifiesErasure
      ? try await core.background(
        "the files cannot be searched", { core, check in try core.traces(of: ErasureSubject(subject), check, progress) })
      : nil
    let hidden = try await writer.write(runsAlone: true) { transaction in
      var receipt = ErasureReceipt(subject)
      switch subject {
      case .user(let userID):
        try transaction.hide(user: userID, leavesTraces: before.map { !$0.scan.isClean } ?? false, in: &receipt)
      case .memories(let ids, let userID): try transaction.hide(memories: ids, of: userID, in: &receipt)
      }
      return receipt
    }
    return try await core.background("the erasure cannot be finished", committed: true) { core, check in
      var receipt = hidden
      // A rebuild that was under way may have copied them before they were hidden.
      while try hidden.isRebuilt && core.live.read({ try $0.state().pendingErasure }) >= hidden.hiddenBy {
        let outcome = try core.rebuild(ifWanted: { $0.pendingErasure >= hidden.hiddenBy }, check: check, progress)
        // This erasure is done. Another erasure may have asked for one more rebuild meanwhile, and waits for that itself.
        if let outcome, outcome.firstSequence >= hidden.hiddenBy { break }
      }
      try core.scrubEmbeddingWork(check)
      receipt.generation = core.generation.number
      receipt.rebuiltAt = hidden.isRebuilt ? Date() : hidden.hiddenAt
      (receipt.remainingGenerations, receipt.holders) = try core.awaitRemoval(until: .now + timeout, check)
      if let before {
        receipt.scanBefore = before.scan
        receipt.scan = try core.scan(for: before.patterns, check, progress)
      }
      return receipt
    }
  }
}

extension StoreCore {
  /// The patterns of the data that is to be erased, and where they occur in the files now.
  fileprivate func traces(
    of subject: ErasureSubject, _ check: @escaping @Sendable () throws -> Void,
    _ progress: @escaping @Sendable (OperationProgress) -> Void
  ) throws -> (patterns: ErasurePatterns, scan: ErasureScan) {
    let checkedProgress = reporting(progress, check)
    let snapshot = try MemorySnapshot(live)
    let patterns = try snapshot.read { reader in
      var patterns = try ErasurePatterns(subject, reader, check: check)
      try patterns.excludeSurvivors(reader, progress: checkedProgress)
      return patterns
    }
    return (patterns, try patterns.scan(paths.root, progress: checkedProgress))
  }

  /// Searches the files for the patterns, without those that occur in data that was written since.
  fileprivate func scan(
    for patterns: ErasurePatterns, _ check: @escaping @Sendable () throws -> Void,
    _ progress: @escaping @Sendable (OperationProgress) -> Void
  ) throws -> ErasureScan {
    let checkedProgress = reporting(progress, check)
    let snapshot = try MemorySnapshot(live)
    let left = try snapshot.read { reader in
      var left = patterns
      try left.excludeSurvivors(reader, progress: checkedProgress)
      return left
    }
    return try left.scan(paths.root, progress: checkedProgress)
  }

  /// Waits until the files of every earlier generation are gone.
  ///
  /// - Returns: The generations that are left at the deadline, and who has them open.
  fileprivate func awaitRemoval(
    until deadline: ContinuousClock.Instant, _ check: () throws -> Void
  ) throws -> (generations: [UInt64], holders: [Int32]) {
    while true {
      let left = try live.sweep()
      if left.isEmpty { return ([], []) }
      let holders = Set(left.flatMap { self.holders(of: $0) }).sorted()
      if ContinuousClock.now >= deadline { return (left, holders) }
      try check()
      // Polled, because nothing signals that another process has closed the old files.
      Thread.sleep(forTimeInterval: 0.02)
    }
  }
}
