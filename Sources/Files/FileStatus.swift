import CStatfs

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Identifies a file, whatever its name is.
package struct FileID: Hashable, Sendable {
  package let device: UInt64
  package let inode: UInt64
}

/// What Engram asks of a file's status. It never asks for the times of a file, see ``init(of:in:flags:path:)``.
package struct FileStatus: Sendable {
  package let id: FileID
  package let sizeBytes: Int
  /// Bytes of disk blocks in use.
  package let allocatedBytes: Int
  package let ownerID: UInt32
  /// The permission bits, without the file type.
  package let permissions: UInt32
  package let isDirectory: Bool
  package let isRegularFile: Bool
  package let isSymbolicLink: Bool
  /// How many names it has.
  package let linkCount: UInt64

  /// - Parameter path: For the error.
  package init(descriptor: Int32, path: String) throws(FileError) {
    #if canImport(Glibc)
      let emptyPath: Int32 = 0x1000
      try self.init(of: "", in: descriptor, flags: emptyPath, path: path)
    #else
      var status = stat()
      try retrying("fstat", path) { unsafe fstat(descriptor, &status) }
      self.init(status)
    #endif
  }

  /// The status of a name, which must exist. Follows a link only if `followingLinks` is true.
  ///
  /// - Throws: ``FileError``.
  init(_ place: FilePlace, followingLinks: Bool) throws(FileError) {
    let flags = followingLinks ? 0 : AT_SYMLINK_NOFOLLOW
    #if canImport(Glibc)
      try self.init(of: place.name, in: place.anchor, flags: flags, path: place.path)
    #else
      var status = stat()
      try retrying("stat", place.path) { unsafe fstatat(place.anchor, place.name, &status, flags) }
      self.init(status)
    #endif
  }

  #if canImport(Glibc)
    /// `fstat` and `fstatat` would ask for the times as well. Since version 6.13, Linux gives a file whose times were asked for a new time at
    /// its next write, however soon that is. Each commit asks for the status of the data file that the next one writes, and on ext4 without
    /// a journal the flush of the next one then wrote the inode, too, and took a third longer.
    private init(of name: String, in directory: Int32, flags: Int32, path: @autoclosure () -> String) throws(FileError) {
      var status = statx()
      try retrying("statx", path()) { unsafe file_status(directory, name, flags, Self.asked, &status) }
      self.init(status)
    }

    private static let asked = UInt32(STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_UID | STATX_INO | STATX_SIZE | STATX_BLOCKS)

    private init(_ status: statx) {
      let (major, minor) = (UInt64(status.stx_dev_major), UInt64(status.stx_dev_minor))
      // As the C library composes a `dev_t`.
      let device = (major & ~0xfff) << 32 | (major & 0xfff) << 8 | (minor & ~0xff) << 12 | minor & 0xff
      self.init(
        id: FileID(device: device, inode: status.stx_ino), mode: UInt32(status.stx_mode), sizeBytes: Int(status.stx_size),
        blocks: Int(status.stx_blocks), ownerID: status.stx_uid, linkCount: UInt64(status.stx_nlink))
    }
  #else
    private init(_ status: stat) {
      self.init(
        id: FileID(device: UInt64(truncatingIfNeeded: status.st_dev), inode: UInt64(status.st_ino)), mode: UInt32(status.st_mode),
        sizeBytes: Int(status.st_size), blocks: Int(status.st_blocks), ownerID: status.st_uid, linkCount: UInt64(status.st_nlink))
    }
  #endif

  private init(id: FileID, mode: UInt32, sizeBytes: Int, blocks: Int, ownerID: UInt32, linkCount: UInt64) {
    self.id = id
    self.sizeBytes = sizeBytes
    allocatedBytes = blocks * 512
    self.ownerID = ownerID
    permissions = mode & 0o7777
    let type = mode & UInt32(S_IFMT)
    isDirectory = type == UInt32(S_IFDIR)
    isRegularFile = type == UInt32(S_IFREG)
    isSymbolicLink = type == UInt32(S_IFLNK)
    self.linkCount = linkCount
  }
}
