import Files

/// What is in a store's directory tree, by name: what may be opened and searched, and what not.
struct StoreFiles: Sendable {
  let directory: Directory
  /// Regular files.
  private(set) var readable: [(name: String, sizeBytes: Int)] = []
  private(set) var others: [ErasureScan.Unscanned] = []

  init(_ directory: Directory) throws(FileError) {
    self.directory = directory
    let entries = try Self.entries(directory, "")
    // Opening and closing one would take away all locks that this process has on it (LMDB's are of POSIX): readers would lose their slots.
    // It is the same file under every name.
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

  /// Everything below a directory that is none itself, in the order of the names.
  private static func entries(_ root: Directory, _ prefix: String) throws(FileError) -> [(name: String, status: FileStatus)] {
    var entries: [(name: String, status: FileStatus)] = []
    for entry in try Directories.entries(root.place(prefix.isEmpty ? "." : prefix)) {
      let name = prefix + entry
      // What is gone meanwhile holds nothing any more.
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
