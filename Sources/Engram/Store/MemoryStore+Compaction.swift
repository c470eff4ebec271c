import Files
import Foundation
import Logging
import Synchronization
import VectorSearch

/// What a compaction did.
public struct CompactionReport: Sendable, Codable {
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
  /// Processes that still have the old generation open. Its files are removed when these processes have moved to the new generation and
  /// released their snapshots. Empty if the files are removed already.
  public let holders: [Int32]
}

extension MemoryStore {
  /// Rebuilds the store's files without deleted, replaced and unused data, while reads and writes go on.
  ///
  /// The store does this by itself when more than 30 % and 64 MiB of its rows are dead, and once if an earlier version of Engram made it
  /// without an index that this version keeps. It needs room for a second copy meanwhile, and leaves free space to other programs: 5 % of
  /// the file system if the store begins it, 1 MiB if this method is called. The log of changes is kept, with the ids in it.
  ///
  /// - Parameter progress: Called now and then, see ``OperationProgress``.
  /// - Throws: ``StoreError`` `.diskFull`, `.corrupted`, `.inputOutput`, `.permissionDenied`, `.readOnly`, `.closed`; `CancellationError`:
  ///   the store is as it was. After `.poisoned` and `.inDoubt`, only the next opening shows whether the store moved to the new generation.
  /// - Complexity: O(size of the store), about 30,000 memories a second.
  @discardableResult
  public func compact(
    progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> CompactionReport {
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
  /// Work that a store does by itself in the background while it stays open. A process that opens a store only for one short operation at a
  /// time never gets to it: it should check ``dueUpkeep`` and call ``finishUpkeep(timeout:progress:)`` before it closes the store.
  public enum Upkeep: Sendable {
    /// An erasure was interrupted: the data that it hid is still in the files.
    case erasure
    /// Enough rows are dead for a compaction: see ``compact(progress:)``.
    case compaction
    /// An index is missing, because an earlier version of Engram made the store or wrote to it, or the file of codes is lost or damaged: reads work without it, but more slowly.
    case index
  }

  /// The upkeep that is due; nil if none is.
  ///
  /// - Throws: ``StoreError`` `.corrupted`, `.tooManyReaders`, `.closed`.
  /// - Complexity: O(1).
  public var dueUpkeep: Upkeep? {
    get throws {
      let state = try readOnce { try $0.state() }
      if state.pendingErasure > 0 { return .erasure }
      return core.needsRebuild(state) ? .compaction : core.lacksIndex(state) ? .index : nil
    }
  }

  /// Does the upkeep that is due, see ``dueUpkeep``. Waits at most `timeout` for another process that is rebuilding the store.
  ///
  /// - Parameters:
  ///   - timeout: 0 to 3,650 days.
  ///   - progress: Called now and then, see ``OperationProgress``.
  /// - Throws: As ``compact(progress:)``; `.stillInUse` after the timeout. The upkeep may still be due.
  public func finishUpkeep(
    timeout: Duration = .seconds(30), progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws {
    try Limits.check(timeout, "the timeout of the upkeep")
    _ = try writer()
    try await core.background("the store's files cannot be rebuilt") { core, check in
      let deadline = ContinuousClock.now + timeout
      let hasBegun = Atomic(false)
      // A pending erasure was asked for by a caller, so this rebuild is not automatic.
      let isAutomatic = try core.live.read { try $0.state().pendingErasure } == 0
      try core.rebuild(
        ifWanted: { core.needsRebuild($0) || core.lacksIndex($0) }, isAutomatic: isAutomatic,
        check: {
          try check()
          // The timeout does not count for a rebuild of this process, which ends by itself.
          guard !hasBegun.load(ordering: .relaxed), !core.isDoingOtherWork, ContinuousClock.now > deadline else { return }
          throw StoreError(.stillInUse, "another process has been rebuilding the store for longer than \(timeout)")
        },
        { step in
          hasBegun.store(true, ordering: .relaxed)
          progress(step)
        })
    }
  }
}
