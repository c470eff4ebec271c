#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// An open directory. Names in it are reached through its descriptor, wherever its path leads later.
///
/// Closes the descriptor with the last reference. Threads: any.
package final class Directory: Sendable {
  package let descriptor: Int32
  /// The absolute path that it was opened by, links unresolved. For messages, and for ``isInPlace``, which compares it with ``id``.
  package let path: String
  /// Identifies the directory, whatever its name is.
  package let id: FileID

  /// Opens the directory that a path leads to; links are followed.
  package convenience init(path: String) throws(FileError) {
    let absolute = Directories.absolute(path)
    try self.init(FilePlace(absolute), displayed: absolute, flags: 0)
  }

  /// Opens the directory of this name; a symbolic link is `ELOOP` or `ENOTDIR`.
  package convenience init(_ place: FilePlace) throws(FileError) {
    try self.init(place, displayed: Directories.absolute(place.path), flags: O_NOFOLLOW)
  }

  private init(_ place: FilePlace, displayed: String, flags: Int32) throws(FileError) {
    let flags = flags | O_RDONLY | O_DIRECTORY | O_CLOEXEC
    let opened = try retrying("open", displayed) { unsafe openat(place.anchor, place.name, flags) }
    do throws(FileError) {
      id = try FileStatus(descriptor: opened, path: displayed).id
    } catch {
      close(opened)
      throw error
    }
    descriptor = opened
    path = displayed
  }

  deinit { close(descriptor) }

  package func place(_ name: String) -> FilePlace { FilePlace(in: self, name) }

  package func status() throws(FileError) -> FileStatus { try FileStatus(descriptor: descriptor, path: path) }

  /// Whether the path that the directory was opened by leads to it, and not to another one or to nothing.
  package var isInPlace: Bool {
    get throws(FileError) { try Directories.status(path, followingLinks: true)?.id == id }
  }

  /// The names in the directory, without `.` and `..`, sorted.
  ///
  /// - Throws: ``FileError``, also if the listing fails in the middle: a list that is returned is complete.
  package func entries() throws(FileError) -> [String] { try Directories.entries(place(".")) }

  /// Flushes the directory, so that the names in it survive a power failure.
  package func synchronize() throws(FileError) { try Directories.synchronize(place(".")) }

  /// Whether `path` leads into this directory, at any depth. If it does not exist, its nearest existing parent counts.
  package func contains(_ path: String) throws(FileError) -> Bool {
    var above = Directories.absolute(path)
    while Directories.resolved(above) == nil, above != "/" { above = Directories.parent(of: above) }
    above = Directories.resolved(above) ?? "/"
    while true {
      if try Directories.status(above)?.id == id { return true }
      if above == "/" { return false }
      above = Directories.parent(of: above)
    }
  }
}

/// The name of a file or directory: a path, or a name in an open directory.
package struct FilePlace: Sendable {
  /// Nil if ``name`` is a path.
  package let directory: Directory?
  /// Relative to ``directory`` if there is one; may have several components.
  package let name: String

  package init(_ path: String) {
    directory = nil
    name = path
  }

  package init(in directory: Directory, _ name: String) {
    self.directory = directory
    self.name = name
  }

  /// The path for messages, as it was when the directory was opened.
  package var path: String { directory.map { name == "." ? $0.path : "\($0.path)/\(name)" } ?? name }

  /// A name below this one.
  package func appending(_ component: String) -> FilePlace {
    let name = name == "." ? component : "\(name)/\(component)"
    return directory.map { FilePlace(in: $0, name) } ?? FilePlace(name)
  }

  /// The directory that holds the name.
  package var parent: FilePlace {
    guard let directory else { return FilePlace(Directories.parent(of: name)) }
    return FilePlace(in: directory, name.contains("/") ? Directories.parent(of: name) : ".")
  }

  /// The descriptor that `openat` and similar calls take for the directory. Valid while the place is alive.
  var anchor: Int32 { directory?.descriptor ?? AT_FDCWD }

  /// A path for a library that takes no descriptor. It goes through `/proc`, and so leads into the open directory even if that was renamed;
  /// without `/proc` it is the plain path.
  ///
  /// - Throws: ``FileError`` `ESTALE` if there is only the plain path, and it leads somewhere else by now.
  package var systemPath: String {
    get throws(FileError) {
      guard let directory else { return name }
      let link = "/proc/self/fd/\(directory.descriptor)"
      // A process that has changed its user may have no access to it.
      if let found = try? Directories.status(link, followingLinks: true), found.id == directory.id { return "\(link)/\(name)" }
      guard try directory.isInPlace else { throw FileError(errno: ESTALE, call: "open", path: path) }
      return path
    }
  }
}

extension FilePlace: CustomStringConvertible {
  package var description: String { path }
}

/// A value that names a file: a path, or a name in an open directory.
package protocol FilePlaceConvertible: Sendable {
  var place: FilePlace { get }
}

extension FilePlace: FilePlaceConvertible {
  package var place: FilePlace { self }
}

extension String: FilePlaceConvertible {
  package var place: FilePlace { FilePlace(self) }
}
