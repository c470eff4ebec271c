#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Directories and names: everything about files that needs no open descriptor of the caller's.
package enum Directories {
  /// Makes a directory of mode 0700, whatever the umask.
  package static func create(_ path: String) throws(FileError) {
    try retrying("mkdir", path) { unsafe mkdir(path, 0o700) }
    try retrying("chmod", path) { unsafe chmod(path, 0o700) }
  }

  /// The status of what stands at `path`, links followed only where `followingLinks` says so; nil where nothing does.
  package static func status(_ path: String, followingLinks: Bool = false) throws(FileError) -> FileStatus? {
    var status = stat()
    do throws(FileError) {
      try retrying("stat", path) { unsafe followingLinks ? stat(path, &status) : lstat(path, &status) }
      return FileStatus(status)
    } catch {
      if error.isMissing { return nil }
      throw error
    }
  }

  /// The names in a directory, without `.` and `..`, sorted.
  package static func entries(_ path: String) throws(FileError) -> [String] {
    guard let stream = unsafe opendir(path) else { throw FileError(errno: errno, call: "opendir", path: path) }
    defer { unsafe _ = closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      // SAFETY: d_name is NUL-terminated and lives until the next readdir of this stream; it is copied here.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Renames and makes the new name durable.
  package static func rename(_ source: String, to destination: String) throws(FileError) {
    try retrying("rename", "\(source) to \(destination)") {
      #if canImport(Glibc)
        unsafe Glibc.rename(source, destination)
      #else
        unsafe Darwin.rename(source, destination)
      #endif
    }
    try synchronize(parent(of: destination))
  }

  /// Flushes a directory, so that the names in it survive a power failure.
  package static func synchronize(_ path: String) throws(FileError) {
    let descriptor = try retrying("open", path) { unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    defer { close(descriptor) }
    if fsync(descriptor) != 0 { throw FileError(errno: errno, call: "fsync", path: path) }
  }

  package static func removeFile(_ path: String) throws(FileError) {
    try retrying("unlink", path) { unsafe unlink(path) }
  }

  /// Removes a directory of plain files and directories; never follows a link, and refuses one.
  package static func removeTree(_ path: String) throws(FileError) {
    // opendir would follow a link and empty what it points to.
    guard let root = try status(path) else { throw FileError(errno: ENOENT, call: "rmdir", path: path) }
    guard root.isDirectory else { throw FileError(errno: ENOTDIR, call: "rmdir", path: path) }
    for name in try entries(path) {
      let child = "\(path)/\(name)"
      if let status = try status(child), status.isDirectory {
        try removeTree(child)
      } else {
        try removeFile(child)
      }
    }
    try retrying("rmdir", path) { unsafe rmdir(path) }
  }

  /// Removes a tree as ``removeTree(_:)`` does while others may be at the same: afterwards it is gone, whoever did it.
  package static func removeTreeWithOthers(_ path: String) throws(FileError) {
    while try status(path) != nil {
      do throws(FileError) {
        try removeTree(path)
      } catch {
        // Each time another has removed something; a sweeper may add one lock file, and then removes the rest itself. This ends.
        if error.errno != ENOENT && error.errno != ENOTEMPTY { throw error }
      }
    }
  }

  /// The directory that holds `path`.
  package static func parent(of path: String) -> String {
    var trimmed = Substring(path)
    while trimmed.count > 1, trimmed.last == "/" { trimmed.removeLast() }
    guard let slash = trimmed.lastIndex(of: "/") else { return "." }
    return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
  }

  /// The last component of `path`.
  package static func name(of path: String) -> String {
    var trimmed = Substring(path)
    while trimmed.count > 1, trimmed.last == "/" { trimmed.removeLast() }
    guard let slash = trimmed.lastIndex(of: "/") else { return String(trimmed) }
    return String(trimmed[trimmed.index(after: slash)...])
  }
}

extension Directories {
  /// The path with every link resolved; nil where it does not exist.
  package static func resolved(_ path: String) -> String? {
    guard let pointer = unsafe realpath(path, nil) else { return nil }
    // SAFETY: realpath returned a NUL-terminated string of malloc's, which is freed once.
    defer { unsafe free(pointer) }
    return unsafe String(cString: pointer)
  }
}
