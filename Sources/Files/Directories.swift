#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Operations on directories and names, for which the caller needs no open file.
package enum Directories {
  /// Makes a directory of mode 0700, whatever the umask.
  package static func create(_ place: some FilePlaceConvertible) throws(FileError) {
    let place = place.place
    try retrying("mkdir", place.path) { unsafe mkdirat(place.anchor, place.name, 0o700) }
    #if canImport(Glibc)
      // If the umask is 0777, the directory has no permissions, and only O_PATH can open it.
      let descriptor = try retrying("open", place.path) {
        unsafe openat(place.anchor, place.name, openPath | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      }
      defer { close(descriptor) }
      // Through the descriptor, because the name may lead to another directory by now, and only if the mode is not right already.
      if try FileStatus(descriptor: descriptor, path: place.path).permissions == 0o700 { return }
      try retrying("chmod", place.path) { unsafe chmod("/proc/self/fd/\(descriptor)", 0o700) }
    #else
      try retrying("chmod", place.path) { unsafe fchmodat(place.anchor, place.name, 0o700, 0) }
    #endif
  }

  /// Linux's `O_PATH` on x86 and ARM, which the toolchain's Glibc module leaves out.
  private static let openPath: Int32 = 0o10_000_000

  /// The status of the file or directory with this name; nil if there is none. Follows a link only if `followingLinks` is true.
  package static func status(_ place: some FilePlaceConvertible, followingLinks: Bool = false) throws(FileError) -> FileStatus? {
    do throws(FileError) {
      return try FileStatus(place.place, followingLinks: followingLinks)
    } catch {
      if error.isMissing { return nil }
      throw error
    }
  }

  /// Whether this process may write in a file or directory: it has the right to, and the file system is not mounted read-only.
  package static func mayWrite(_ place: some FilePlaceConvertible) throws(FileError) -> Bool {
    let place = place.place
    do throws(FileError) {
      try retrying("faccessat", place.path) { unsafe faccessat(place.anchor, place.name, W_OK, AT_EACCESS) }
      return true
    } catch {
      if error.isReadOnlyFileSystem || error.isPermission { return false }
      throw error
    }
  }

  /// The names in a directory, without `.` and `..`, sorted. A link to a directory is followed.
  ///
  /// - Throws: ``FileError``, also if the listing fails in the middle: a list that is returned is complete.
  package static func entries(_ place: some FilePlaceConvertible) throws(FileError) -> [String] {
    let place = place.place
    // A descriptor of its own: the position in a directory belongs to the open descriptor.
    let descriptor = try retrying("open", place.path) {
      unsafe openat(place.anchor, place.name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }
    return try entries(of: descriptor, place)
  }

  /// - Parameter descriptor: Of the directory; closed here.
  private static func entries(of descriptor: Int32, _ place: FilePlace) throws(FileError) -> [String] {
    guard let stream = unsafe fdopendir(descriptor) else {
      let code = errno
      close(descriptor)
      throw FileError(errno: code, call: "opendir", path: place.path)
    }
    defer { unsafe _ = closedir(stream) }
    var names: [String] = []
    while true {
      // `readdir` returns nil both at the end and after an error: only `errno` tells which.
      errno = 0
      guard let entry = unsafe readdir(stream) else {
        if errno == 0 { return names.sorted() }
        throw FileError(errno: errno, call: "readdir", path: place.path)
      }
      // SAFETY: d_name is NUL-terminated and lives until the next readdir of this stream; it is copied here.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
  }

  /// Renames and makes the new name durable.
  package static func rename(_ source: some FilePlaceConvertible, to destination: some FilePlaceConvertible) throws(FileError) {
    let (source, destination) = (source.place, destination.place)
    try retrying("rename", "\(source) to \(destination)") {
      unsafe renameat(source.anchor, source.name, destination.anchor, destination.name)
    }
    try synchronize(destination.parent)
  }

  /// Flushes a directory, so that the names in it survive a power failure.
  package static func synchronize(_ place: some FilePlaceConvertible) throws(FileError) {
    let place = place.place
    let descriptor = try retrying("open", place.path) {
      unsafe openat(place.anchor, place.name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }
    defer { close(descriptor) }
    if fsync(descriptor) != 0 { throw FileError(errno: errno, call: "fsync", path: place.path) }
  }

  package static func removeFile(_ place: some FilePlaceConvertible) throws(FileError) {
    let place = place.place
    try retrying("unlink", place.path) { unsafe unlinkat(place.anchor, place.name, 0) }
  }

  /// Removes a directory of plain files and directories; never follows a link, and refuses one.
  ///
  /// Descends by descriptors, so that a directory that is exchanged meanwhile cannot lead it out of the tree.
  package static func removeTree(_ place: some FilePlaceConvertible) throws(FileError) {
    let place = place.place
    do throws(FileError) {
      try removeContents(of: try Directory(place))
    } catch {
      // The same error for everything that is not a directory, whatever the system reports for a link.
      throw error.isSymbolicLink ? FileError(errno: ENOTDIR, call: "rmdir", path: place.path) : error
    }
    try retrying("rmdir", place.path) { unsafe unlinkat(place.anchor, place.name, AT_REMOVEDIR) }
  }

  /// Removes everything in an open directory.
  package static func removeContents(of directory: Directory) throws(FileError) {
    for name in try directory.entries() {
      let child = directory.place(name)
      if try status(child)?.isDirectory == true {
        try removeTree(child)
      } else {
        try removeFile(child)
      }
    }
  }

  /// Removes an open directory and everything in it, while other processes may do the same. It is gone afterwards.
  ///
  /// - Parameter place: The directory's name. If another directory has this name by now, that one is kept.
  package static func removeTreeWithOthers(_ directory: Directory, named place: FilePlace) throws(FileError) {
    while try status(place)?.id == directory.id {
      do throws(FileError) {
        try removeContents(of: directory)
        try retrying("rmdir", place.path) { unsafe unlinkat(place.anchor, place.name, AT_REMOVEDIR) }
      } catch {
        // Another process has removed or added something. No process adds for ever, so this ends.
        if error.errno != ENOENT && error.errno != ENOTEMPTY { throw error }
      }
    }
  }

  /// Does the same for the directory with this name; does nothing if there is none.
  package static func removeTreeWithOthers(_ place: some FilePlaceConvertible) throws(FileError) {
    let directory: Directory
    do throws(FileError) {
      directory = try Directory(place.place)
    } catch {
      if error.errno == ENOENT { return }
      throw error
    }
    try removeTreeWithOthers(directory, named: place.place)
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
  /// The path with every link resolved; nil if it does not exist.
  package static func resolved(_ path: String) -> String? {
    guard let pointer = unsafe realpath(path, nil) else { return nil }
    // SAFETY: realpath returned a NUL-terminated string of malloc's, which is freed once.
    defer { unsafe free(pointer) }
    return unsafe String(cString: pointer)
  }

  /// The absolute path; links and `..` in it stay as they are.
  package static func absolute(_ path: String) -> String {
    if path.hasPrefix("/") { return path }
    guard let pointer = unsafe getcwd(nil, 0) else { return path }
    // SAFETY: getcwd returned a NUL-terminated string of malloc's, which is freed once.
    defer { unsafe free(pointer) }
    return unsafe "\(String(cString: pointer))/\(path)"
  }
}
