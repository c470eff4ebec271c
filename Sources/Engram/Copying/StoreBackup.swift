import Files
public import Foundation
import LMDB

/// What a backup holds.
public struct BackupReport: Sendable, Codable {
  /// The number of the commit that the backup shows.
  public let batchSequence: UInt64
  /// The time of that commit; nil if nothing was committed yet.
  public let lastCommit: Date?
  /// Memories in the backup, expired ones included.
  public let memories: Int
  /// Contexts in the backup.
  public let contexts: Int
  /// Bytes of disk that the backup takes.
  public let sizeBytes: Int
  /// The time that the backup took.
  public let duration: Duration
}

/// Copies the live generation into a new store, as its first generation.
struct StoreBackup {
  let live: LiveGeneration
  let path: String
  /// Called now and then; an error that it throws ends the backup, and nothing is left of it.
  let check: () throws -> Void
  let progress: (OperationProgress) -> Void

  func run() throws -> BackupReport {
    let started = ContinuousClock.now
    try StoreCreation.checkPlace(path)
    if try live.paths.root.contains(path) {
      throw StoreError(.invalidArgument, "the backup \(path) would lie inside the store")
    }
    return try StoreCreation.build(at: path) { place in
      let state = try copy(to: place)
      return BackupReport(
        batchSequence: state.batchSequence, lastCommit: state.batchSequence == 0 ? nil : Date(milliseconds: state.lastCommit),
        memories: state.memories, contexts: state.contexts, sizeBytes: StoreRebuild.allocatedBytes(place.generation(1)),
        duration: .now - started)
    }
  }

  private func copy(to place: StorePaths) throws -> StateRecord {
    // While this lock is held, no process supersedes the generation.
    let building = live.options.access == .immutable ? nil : try FileLock(ifExists: live.paths.rebuildLock)
    try building?.lock(.shared, atMost: StoreRebuild.patience, check: check)
    let source = try live.read { $0.generation }
    try StoreCreation.createGeneration(in: place.generation(1), source.store.inGeneration(1))
    let (target, _) = try StoreOpening.openGeneration(place, number: 1, options: StoreOptions())
    let state: StateRecord
    let checkedProgress = reporting(progress, check)
    do {
      var copy = GenerationCopy(from: source, to: target, progress: checkedProgress)
      try copy.copyAll()
      try copy.encodeRows(ifAtLeast: live.options.leastCodedRows, check: check)
      state = try copy.finish()
      try target.trim()
      try StoreVerifier.requireIntact(target, checkedProgress)
    } catch {
      _ = target.close()
      throw error
    }
    guard target.close() else { throw StoreError(.stillInUse, "the copy cannot be closed") }
    try StoreCreation.complete(place)
    return state
  }
}
