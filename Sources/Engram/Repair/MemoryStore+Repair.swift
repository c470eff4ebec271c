public import Foundation

extension MemoryStore {
  /// Builds a new store from the data of a damaged one that is provably sound.
  ///
  /// Nothing is written in the damaged store, and LMDB never opens its files. A value is kept only if it matches its checksum, an embedding
  /// only if it matches the checksum in its memory's record. A memory whose embedding is damaged is kept without it; a damaged context is
  /// replaced by its newest earlier version. Indexes and counts are computed from the records, and the log of changes starts empty. Deleted
  /// data stays deleted: free pages are not read. The new store is verified and flushed before it gets its name, so it appears complete or
  /// not at all.
  ///
  /// The last commit is read, or the one before it if the last one's meta page is damaged. Records that the last commit has lost are taken
  /// from the commit before if the log proves that they are still the same.
  /// - Parameters:
  ///   - source: The damaged store. No process may have it open.
  ///   - destination: The directory of the new store; nothing may exist there.
  ///   - usingPrevious: Reads the commit before the last one in any case.
  ///   - progress: Called now and then: salvaging, copying, verifying. See ``OperationProgress``.
  /// - Returns: What the new store holds, and what was lost.
  /// - Throws: ``StoreError`` `.stillInUse`; `.storeExists` if something exists at `destination`; `.storeMissing`, `.notAStore`;
  ///   `.invalidArgument` if a URL is not a file URL, or `destination` lies inside `source`; `.corrupted` if no meta page can be read;
  ///   `.newerFormat`, `.networkFileSystem`, `.diskFull`, `.permissionDenied`; `CancellationError`. Nothing is left at `destination`.
  @discardableResult
  public static func repair(
    _ source: URL, into destination: URL, usingPrevious: Bool = false,
    progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> RepairReport {
    for url in [source, destination] where !url.isFileURL {
      throw StoreError(.invalidArgument, "a store is a local directory, and \(url) is not a file URL")
    }
    let (from, path) = (source.path, destination.path)
    return try await onCancellableThread { check in
      let repair = StoreRepair(source: from, path: path, usesPrevious: usingPrevious, progress: reporting(progress, check))
      do {
        return try repair.run()
      } catch {
        throw StoreError.surfacing(error, "the store \(from) cannot be repaired")
      }
    }
  }
}
