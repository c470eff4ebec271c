public import Foundation

extension MemoryStore {
  /// Copies the store as it is at one instant to another place, while reads and writes go on.
  ///
  /// The copy is a store like any other, without dead rows: to restore it, open it. It is verified and flushed before it gets its name, so
  /// a partial copy never exists at `url`. Directories have mode 0700 and files 0600. It has the store's identity and secret.
  ///
  /// - Parameters:
  ///   - url: The new store's directory; nothing may exist there.
  ///   - progress: Called now and then: copying, then verifying. See ``OperationProgress``.
  /// - Throws: ``StoreError`` `.storeExists` if something exists at `url`; `.storeMissing` if its directory does not exist;
  ///   `.corrupted` if the store is damaged; `.networkFileSystem`, `.diskFull`, `.permissionDenied`, `.closed`; `CancellationError`.
  @discardableResult
  public func backup(
    to url: URL, progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> BackupReport {
    guard url.isFileURL else {
      throw StoreError(.invalidArgument, "the place of a backup is a local directory, and \(url) is not a file URL")
    }
    let path = url.path
    _ = try readOnce { try $0.state() }
    return try await core.background("the backup \(path) cannot be made") { core, check in
      let backup = StoreBackup(live: core.live, path: path, check: check, progress: progress)
      do {
        while true {
          do {
            return try backup.run()
          } catch is CopyOutdated {
            // A commit changed more than the log holds, or failed half-way: the copy begins again.
            try check()
          }
        }
      } catch {
        throw StoreError.wrapping(error, "the backup \(path) cannot be made")
      }
    }
  }
}
