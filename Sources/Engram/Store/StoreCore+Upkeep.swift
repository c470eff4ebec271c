import Files
import Foundation
import Logging
import VectorSearch

extension StoreCore {
  /// Runs long work on a thread of its own; closing the store waits for it.
  ///
  /// - Parameters:
  ///   - failure: What a failure of a lower layer means to the caller.
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

  /// Builds the next generation, and removes the old one if nobody has it open. Blocks.
  ///
  /// - Parameters:
  ///   - isAutomatic: Nobody asked for it: see ``RebuildSpace``.
  ///   - vectors: Those of another embedder; nil: the next generation has the same vectors.
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
      // The store has another embedder now, which must not be taken for a failure. The next sweep tries again.
      options.logger.warning("the former generation cannot be removed yet", metadata: ["error": "\(error)"])
    }
    return outcome
  }

  /// Removes the generation that was left by a rebuild, unless somebody has it open.
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

  /// Whether an index is missing, which a rebuild makes.
  func lacksIndex(_ state: StateRecord) -> Bool { state.tables != .known }

  /// Whether an erasure was broken off, or so many rows are dead that a rebuild is worth it.
  func needsRebuild(_ state: StateRecord) -> Bool {
    if state.pendingErasure > 0 { return true }
    guard let stride = generation.rows?.header.strideBytes else { return false }
    // Not what is merely taken ahead of need: the next run of a user is as large as half of what the user has.
    return state.rowsDead * 10 > state.rowsHigh * 3 && state.rowsDead * stride > 64 << 20
  }
}
