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
  package func compact(progress: @escaping @Sendable (OperationProgress) -> Void) async throws -> CompactionReport {
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
      return state.pendingErasure > 0 ? .erasure : core.needsRebuild(state) ? .compaction : nil
    }
  }

  /// Does what is due. Waits at most `timeout` for another process that is rebuilding the store.
  ///
  /// - Throws: As ``compact()``; `.stillInUse` past that.
  package func finishUpkeep(timeout: Duration, progress: @escaping @Sendable (OperationProgress) -> Void) async throws {
    _ = try writer()
    try await core.background("the store's files cannot be rebuilt") { core, check in
      let deadline = ContinuousClock.now + timeout
      let hasBegun = Atomic(false)
      // Somebody asked for an erasure.
      let isAutomatic = try core.live.read { try $0.state().pendingErasure } == 0
      try core.rebuild(
        ifWanted: core.needsRebuild, isAutomatic: isAutomatic,
        check: {
          try check()
          // This process's own maintenance may have begun, and ends sooner or later.
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
