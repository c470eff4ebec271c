import Files
public import Foundation
import LMDB

/// What a backup holds.
public struct BackupReport: Sendable {
  /// The commit that the backup shows, and when it was made.
  public let batchSequence: UInt64
  public let lastCommit: Date?
  public let memories: Int
  public let contexts: Int
  /// Bytes of disk that the backup takes.
  public let sizeBytes: Int
  public let duration: Duration
}

extension MemoryStore {
  /// Copies the store as it is at one instant to another place, while everybody goes on reading and writing.
  ///
  /// The copy is a store like any other, without dead rows: opening it is restoring it. It is verified and flushed before it gets its
  /// name, so it is there whole or not at all; directories have mode 0700 and files 0600. It has the store's identity and secret.
  /// - Throws: ``StoreError`` `.storeExists` where something stands at `url`; `.storeMissing` where its directory does not exist;
  ///   `.corrupted` where the store is damaged; `.networkFileSystem`, `.diskFull`, `.permissionDenied`, `.closed`; `CancellationError`.
  @discardableResult
  public func backup(to url: URL) async throws -> BackupReport { try await backup(to: url) { _ in } }

  /// - Parameter progress: Called now and then, on a thread of the backup's own.
  @discardableResult
  package func backup(
    to url: URL, progress: @escaping @Sendable (Interchange.Progress) -> Void
  ) async throws -> BackupReport {
    guard url.isFileURL else { throw StoreError(.invalidArgument, "a backup lies in a directory: \(url) is not a file URL") }
    let path = url.path
    _ = try readOnce { try $0.state() }
    return try await core.background("the backup \(path) cannot be made") { core, check in
      let backup = StoreBackup(core: core, path: path, check: check, progress: progress)
      do {
        while true {
          do {
            return try backup.run()
          } catch is CopyOutdated {
            // A commit of more changes than the log holds came between, or one that failed half-way: once more, from the beginning.
            try check()
          }
        }
      } catch {
        throw StoreError.wrapping(error, "the backup \(path) cannot be made")
      }
    }
  }
}

/// Makes a copy of the live generation the first generation of another store.
struct StoreBackup {
  let core: StoreCore
  let path: String
  /// Called now and then; what it throws ends the backup, and nothing is left of it.
  let check: () throws -> Void
  let progress: (Interchange.Progress) -> Void

  func run() throws -> BackupReport {
    let started = ContinuousClock.now
    try StoreCreation.checkPlace(path)
    if try core.paths.root.contains(path) {
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
    // Nobody supersedes the generation while it is copied.
    let building = core.options.access == .immutable ? nil : try FileLock(ifExists: core.paths.rebuildLock)
    try building?.lock(.shared, atMost: StoreRebuild.patience, check: check)
    let source = try core.live.read { $0.generation }
    try StoreCreation.createGeneration(in: place.generation(1), source.store.inGeneration(1))
    let (target, _) = try StoreOpening.openGeneration(place, number: 1, options: StoreOptions())
    let state: StateRecord
    let checkedProgress = reporting(progress, check)
    do {
      var copy = GenerationCopy(from: source, to: target, progress: checkedProgress)
      try copy.copyAll()
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
