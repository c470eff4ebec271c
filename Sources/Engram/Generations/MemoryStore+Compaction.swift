import Files
import Foundation
import Logging
import Synchronization
import VectorSearch

/// What a compaction did.
public struct CompactionReport: Sendable {
  /// Number of the generation that is the live one now.
  public let generation: UInt64
  public let memories: Int
  public let contexts: Int
  /// Rows in the file before and after, used or not.
  public let rowsBefore: Int
  public let rowsAfter: Int
  /// Bytes of disk that the old and the new generation's files take.
  public let bytesBefore: Int
  public let bytesAfter: Int
  /// How long writers had to wait for the last round.
  public let writerPause: Duration
  public let duration: Duration
  /// Processes that still have the old generation open: its files go when they have followed and given back their snapshots. Empty when
  /// the files are gone.
  public let holders: [Int32]
}

extension MemoryStore {
  /// Rebuilds the store's files without what was deleted, replaced or given back, while everybody goes on reading and writing.
  ///
  /// The store does this by itself when more than 30 % and 64 MiB of its rows are dead; one without embeddings never does. Needs room for a
  /// second copy meanwhile, and leaves some to other programs: 5 % of the file system if the store begins it, 1 MiB if it is asked for. The log of
  /// changes is kept, with the ids in it.
  /// - Throws: ``StoreError`` `.diskFull`, `.corrupted`, `.inputOutput`, `.permissionDenied`, `.readOnly`, `.closed`; `CancellationError`: the
  ///   store is as it was. `.poisoned` and `.inDoubt`: whether it moved on shows when it is opened again.
  /// - Complexity: O(size of the store), about 30,000 memories a second.
  @discardableResult
  public func compact() async throws -> CompactionReport { try await compact { _ in } }

  /// - Parameter progress: Called now and then, on a thread of the compaction's own.
  @discardableResult
  package func compact(progress: @escaping @Sendable (Interchange.Progress) -> Void) async throws -> CompactionReport {
    _ = try writer()
    return try await core.background("the store cannot be compacted") { core, check in
      let started = ContinuousClock.now
      let done = try core.rebuild(check: check, progress)
      guard let outcome = done else { preconditionFailure("a compaction is always wanted") }
      return CompactionReport(
        generation: outcome.new, memories: outcome.state.memories, contexts: outcome.state.contexts, rowsBefore: outcome.rowsBefore,
        rowsAfter: outcome.rowsAfter, bytesBefore: outcome.bytesBefore, bytesAfter: outcome.bytesAfter,
        writerPause: outcome.writerPause, duration: .now - started, holders: core.holders(of: outcome.old))
    }
  }
}

extension MemoryStore {
  /// What a store that stays open does by itself, and one that is used from the command line only never gets to.
  package enum Upkeep: Sendable {
    /// An erasure was broken off: what it hid is still in the files.
    case erasure
    /// So many rows are dead that a compaction is worth it.
    case compaction
  }

  /// What is due; nil: nothing.
  package var dueUpkeep: Upkeep? {
    get throws {
      let state = try readOnce { try $0.state() }
      return state.erasing > 0 ? .erasure : core.needsRebuild(state) ? .compaction : nil
    }
  }

  /// Does what is due. Waits at most `limit` for another process that is rebuilding the store.
  ///
  /// - Throws: As ``compact()``; `.stillInUse` past the limit.
  package func finishUpkeep(waitingAtMost limit: Duration, progress: @escaping @Sendable (Interchange.Progress) -> Void) async throws {
    _ = try writer()
    try await core.background("the store's files cannot be rebuilt") { core, check in
      let deadline = ContinuousClock.now + limit
      let hasBegun = Atomic(false)
      // Somebody asked for an erasure.
      let isAutomatic = try core.live.read { try $0.state().erasing } == 0
      try core.rebuild(
        ifWanted: core.needsRebuild, isAutomatic: isAutomatic,
        check: {
          try check()
          // This process's own maintenance may have begun, and ends sooner or later.
          guard !hasBegun.load(ordering: .relaxed), !core.isDoingOtherWork, ContinuousClock.now > deadline else { return }
          throw StoreError(.stillInUse, "another process has been rebuilding the store for longer than \(limit)")
        },
        { step in
          hasBegun.store(true, ordering: .relaxed)
          progress(step)
        })
    }
  }
}

extension StoreCore {
  /// Runs long work on a thread of its own; closing the store waits for it.
  ///
  /// - Parameters:
  ///   - failure: What a failure of a lower layer means to the caller.
  ///   - committed: Whether the caller has committed something before.
  ///   - body: Gets a check to call now and then: it throws where the task was cancelled or the store is being closed.
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
  ///   - check: Called now and then, also while another process builds; what it throws ends the rebuild.
  /// - Returns: Nil where it was not wanted any more when its turn came.
  @discardableResult
  func rebuild(
    ifWanted isWanted: @escaping (StateRecord) -> Bool = { _ in true }, isAutomatic: Bool = false, check: @escaping () throws -> Void,
    _ progress: @escaping (Interchange.Progress) -> Void = { _ in }
  ) throws -> StoreRebuild.Outcome? {
    try live.sweep()
    let paths = try paths
    let space = RebuildSpace(directory: paths.root, isAutomatic: isAutomatic)
    let rebuild = StoreRebuild(core: self, paths: paths, isWanted: isWanted, space: space, check: check, progress: progress)
    guard let outcome = try rebuild.run() else { return nil }
    options.logger.debug(
      "moved to another generation",
      metadata: [
        "generation": "\(outcome.new)", "bytesBefore": "\(outcome.bytesBefore)", "bytesAfter": "\(outcome.bytesAfter)",
        "writerPause": "\(outcome.writerPause)",
      ])
    try live.sweep()
    return outcome
  }

  /// The processes that have a generation open. Empty where its files are gone.
  func holders(of generation: UInt64) -> [Int32] {
    (try? paths.data(generation)).map { LockHolders.processes(locking: $0) } ?? []
  }

  /// Whether an erasure was broken off, or so many rows are dead that a rebuild is worth it.
  func needsRebuild(_ state: StateRecord) -> Bool {
    if state.erasing > 0 { return true }
    guard let stride = generation.rows?.header.strideBytes else { return false }
    // Not what is merely taken ahead of need: the next run of a user is as large as half of what the user has.
    return state.rowsDead * 10 > state.rowsHigh * 3 && state.rowsDead * stride > 64 << 20
  }
}
