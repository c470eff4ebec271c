import Files
import Foundation
import Logging
import VectorSearch

extension StoreCore {
  /// Runs long work on a thread of its own; closing the store waits for it.
  ///
  /// - Parameters:
  ///   - failure: The beginning of the message if a lower layer fails, such as `the store cannot be verified`.
  ///   - committed: Whether the caller has committed something before.
  ///   - body: Gets a check to call now and then: it throws if the task was cancelled or the store is being closed.
  @discardableResult
  func background<Value: Sendable>(
    _ failure: @escaping @Sendable @autoclosure () -> String, committed: Bool = false,
    _ body: @escaping @Sendable (StoreCore, _ check: @escaping @Sendable () throws -> Void) throws -> Value
  ) async throws -> Value {
    try await onCancellableThread { check in
      do {
        return try self.countingWork {
          try body(self) {
            try check()
            try self.checkOpen()
          }
        }
      } catch {
        throw self.live.surfacing(error, committed: committed, failure())
      }
    }
  }

  /// Builds the next generation, and removes the old one if no process has it open. Blocks.
  ///
  /// - Parameters:
  ///   - isAutomatic: Whether the store begins it without a call: see ``RebuildSpace``.
  ///   - vectors: The vectors of another embedder; nil: the next generation has the same vectors.
  ///   - check: Called now and then, also while another process builds; what it throws ends the rebuild.
  /// - Returns: Nil if it was not wanted any more when its turn came.
  @discardableResult
  func rebuild(
    ifWanted isWanted: @escaping (StateRecord) -> Bool = { _ in true }, isAutomatic: Bool = false, vectors: ReembeddedVectors? = nil,
    check: @escaping () throws -> Void, _ progress: @escaping (OperationProgress) -> Void = { _ in }
  ) throws -> StoreRebuild.Outcome? {
    try live.sweep()
    let paths = try paths
    let space = RebuildSpace(directory: paths.root, isAutomatic: isAutomatic)
    let commits = commits
    let rebuild = StoreRebuild(
      live: live, coordinator: coordinator, paths: paths, isWanted: isWanted, space: space, vectors: vectors, check: check,
      progress: progress,
      onSwitch: { commits.announce() })
    guard let outcome = try rebuild.run() else { return nil }
    options.logger.debug(
      "moved to another generation",
      metadata: [
        "generation": "\(outcome.new)", "bytesBefore": "\(outcome.bytesBefore)", "bytesAfter": "\(outcome.bytesAfter)",
        "writerPause": "\(outcome.writerPause)",
      ])
    do {
      try sweepLeft()
    } catch  where vectors != nil && (error as? StoreError)?.code != .storeMoved {
      // The store has moved to the other embedder, so the call must not fail. The next sweep tries again.
      options.logger.warning("the former generation cannot be removed yet", metadata: ["error": "\(error)"])
    }
    return outcome
  }

  /// Removes the former generation after a rebuild, unless a process has it open.
  private func sweepLeft() throws {
    try live.sweep()
    // A read that began before the switch keeps the old files for moments; a snapshot, for as long as it is held.
    let deadline = ContinuousClock.now + .seconds(1)
    while live.isLeftGenerationReadInPassing, ContinuousClock.now < deadline {
      Thread.sleep(forTimeInterval: 0.002)
      try live.sweep()
    }
  }

  /// The processes that have a generation open. Empty if its files are gone.
  func holders(of generation: UInt64) -> [Int32] {
    (try? paths.data(generation)).map { LockHolders.processes(locking: $0) } ?? []
  }

  /// Whether an index or the codes are missing that a rebuild would make.
  func lacksIndex(_ state: StateRecord) -> Bool {
    state.tables != .known || state.hasLostCodes || state.codesThrough > 0 && generation.codes?.isLost != false
  }

  /// Whether an erasure was interrupted, or so many rows are dead that a rebuild is worth its cost.
  func needsRebuild(_ state: StateRecord) -> Bool {
    if state.pendingErasure > 0 { return true }
    guard let stride = generation.rows?.header.strideBytes else { return false }
    // Rows that are reserved ahead of need do not count as dead: each new run of a user is half as large as all that the user has.
    return state.rowsDead * 10 > state.rowsHigh * 3 && state.rowsDead * stride > 64 << 20
  }
}
