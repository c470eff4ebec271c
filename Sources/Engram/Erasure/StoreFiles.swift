import Files

/// The entries of a store's directory tree, in the order of their names: files that may be opened and searched, and all others.
struct StoreFiles: Sendable {
  let directory: Directory
  /// Regular files.
  private(set) var readable: [(name: String, sizeBytes: Int)] = []
  private(set) var others: [ErasureScan.Unscanned] = []

  init(_ directory: Directory) throws(FileError) {
    self.directory = directory
    let entries = try Self.entries(directory, "")
    // Closing a lock table would release all locks that this process has on it, because LMDB's are POSIX locks: readers would lose their
    // slots. A hard link with another name is the same file.
    let lockTables = Set(entries.filter { Directories.name(of: $0.name) == Generation.lockTableName }.map(\.status.id))
    for (name, status) in entries {
      if lockTables.contains(status.id) {
        leaveOut(name, status, "LMDB's lock table holds process ids and transaction numbers only; opening it would undo its locks")
      } else if status.isRegularFile {
        readable.append((name, status.sizeBytes))
      } else {
        leaveOut(name, status, "it is neither a file nor a directory; links are not followed")
      }
    }
  }

  private mutating func leaveOut(_ name: String, _ status: FileStatus, _ reason: String) {
    others.append(ErasureScan.Unscanned(name: name, sizeBytes: status.sizeBytes, reason: reason))
  }

  /// All entries below a directory that are not directories themselves, in the order of their names.
  private static func entries(_ root: Directory, _ prefix: String) throws(FileError) -> [(name: String, status: FileStatus)] {
    var entries: [(name: String, status: FileStatus)] = []
    for entry in try Directories.entries(root.place(prefix.isEmpty ? "." : prefix)) {
      let name = prefix + entry
      // An entry that was removed meanwhile holds nothing any more.
      guard let status = try Directories.status(root.place(name)) else { continue }
      if status.isDirectory {
        do throws(FileError) {
          entries += try Self.entries(root, name + "/")
        } catch {
          if !error.isMissing { throw error }
        }
      } else {
        entries.append((name, status))
      }
    }
    return entries
  }
}
