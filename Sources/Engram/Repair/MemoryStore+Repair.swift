public import Foundation

extension MemoryStore {
  /// Builds a new store out of what is provably sound in a damaged one.
  ///
  /// Nothing is written in the damaged store, and LMDB never sees its files. A value counts only if it matches its checksum, an
  /// embedding if it matches the one in its memory's record. A memory whose embedding is damaged is kept without it; a context that
  /// is damaged gives way to the newest earlier version. Indexes and counts are computed from the records, and the log of changes starts empty. What
  /// was deleted stays deleted: pages that are free are not read. The new store is verified and flushed before it gets its name, so it is
  /// there whole or not at all.
  ///
  /// The last commit is read, or the one before it if the last one's meta page is damaged or its pages give less.
  /// - Parameters:
  ///   - source: The damaged store. No process may have it open.
  ///   - destination: Where the new store goes: nothing may exist there.
  ///   - usingPrevious: Reads the commit before the last one in any case.
  ///   - progress: Called now and then: salvaging, copying, verifying. See ``OperationProgress``.
  /// - Throws: ``StoreError`` `.stillInUse`; `.storeExists` if something exists at `destination`; `.storeMissing`, `.notAStore`;
  ///   `.corrupted` where not even the meta pages can be read; `.newerFormat`, `.networkFileSystem`, `.diskFull`, `.permissionDenied`;
  ///   `CancellationError`. Nothing is left behind.
  @discardableResult
  public static func repair(
    _ source: URL, into destination: URL, usingPrevious: Bool = false,
    progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> RepairReport {
    for url in [source, destination] where !url.isFileURL {
      throw StoreError(.invalidArgument, "a store lies in a directory: \(url) is not a file URL")
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
