public import Foundation

extension MemoryStore {
  /// Copies the store as it is at one instant to another place, while everybody goes on reading and writing.
  ///
  /// The copy is a store like any other, without dead rows: opening it is restoring it. It is verified and flushed before it gets its
  /// name, so it is there whole or not at all; directories have mode 0700 and files 0600. It has the store's identity and secret.
  /// - Parameters:
  ///   - url: The new store's directory; nothing may exist there.
  ///   - progress: Called now and then: copying, then verifying. See ``OperationProgress``.
  /// - Throws: ``StoreError`` `.storeExists` if something exists at `url`; `.storeMissing` if its directory does not exist;
  ///   `.corrupted` if the store is damaged; `.networkFileSystem`, `.diskFull`, `.permissionDenied`, `.closed`; `CancellationError`.
  @discardableResult
  public func backup(
    to url: URL, progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> BackupReport {
    guard url.isFileURL else { throw StoreError(.invalidArgument, "a backup lies in a directory: \(url) is not a file URL") }
    let path = url.path
    _ = try readOnce { try $0.state() }
    return try await core.background("the backup \(path) cannot be made") { core, check in
      let backup = StoreBackup(live: core.live, path: path, check: check, progress: progress)
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
