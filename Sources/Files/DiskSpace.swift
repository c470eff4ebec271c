#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How large a file system is, and how much of it is free.
package struct DiskSpace: Sendable, Equatable {
  package let totalBytes: Int
  /// The bytes that processes without special rights may still take.
  package let availableBytes: Int

  package init(totalBytes: Int, availableBytes: Int) {
    self.totalBytes = totalBytes
    self.availableBytes = availableBytes
  }

  private init(_ status: statvfs) {
    let block = UInt64(status.f_frsize)
    self.init(
      totalBytes: Int(clamping: UInt64(status.f_blocks).multipliedReportingOverflow(by: block).partialValue),
      availableBytes: Int(clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: block).partialValue))
  }

  /// The file system that holds an open directory.
  package init(of directory: Directory) throws(FileError) {
    var status = statvfs()
    try retrying("fstatvfs", directory.path) { unsafe fstatvfs(directory.descriptor, &status) }
    self.init(status)
  }

  /// The file system that holds an open file.
  package init(of file: borrowing FileHandle) throws(FileError) {
    var status = statvfs()
    let descriptor = file.descriptor
    try retrying("fstatvfs", file.path) { unsafe fstatvfs(descriptor, &status) }
    self.init(status)
  }

  /// The bytes to leave free in work that can wait: 5 % of the file system, between 16 MiB and 1 GiB, but at most a quarter of it.
  package var reserveBytes: Int { min(max(16 << 20, totalBytes / 20), 1 << 30, totalBytes / 4) }

  /// The bytes to leave to other programs even in work that a caller asked for: a 64th of the file system, at most 1 MiB.
  package var leastReserveBytes: Int { min(1 << 20, totalBytes / 64) }
}

extension FileHandle {
  /// Writes zeros from the file's end, which is at `size`, to `needed`, and `ahead` bytes more if that leaves ``DiskSpace/reserveBytes``
  /// free: the last room of a disk is not taken ahead of need.
  ///
  /// - Parameter partBytes: As for ``writeZeros(from:to:partBytes:)``.
  /// - Throws: ``FileError``; a part may have been written.
  package func grow(from size: Int, to needed: Int, ahead: Int, partBytes: Int = 1 << 20) throws(FileError) {
    let space = try DiskSpace(of: self)
    let hasPlenty = space.availableBytes - (needed - size) - ahead >= space.reserveBytes
    try writeZeros(from: size, to: hasPlenty ? needed + ahead : needed, partBytes: partBytes)
  }
}
