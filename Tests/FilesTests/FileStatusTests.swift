import TestSupport
import Testing

@testable import Files

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct FileStatusTests {
  private let directory = TemporaryDirectory()

  private func expect(_ found: FileStatus?, equals status: stat, _ name: String) throws {
    let found = try #require(found)
    #expect(found.id == FileID(device: UInt64(truncatingIfNeeded: status.st_dev), inode: UInt64(status.st_ino)), "\(name)")
    #expect(found.sizeBytes == Int(status.st_size), "\(name)")
    #expect(found.allocatedBytes == Int(status.st_blocks) * 512, "\(name)")
    #expect(found.ownerID == status.st_uid, "\(name)")
    #expect(found.permissions == UInt32(status.st_mode) & 0o7777, "\(name)")
    #expect(found.isDirectory == (status.st_mode & S_IFMT == S_IFDIR), "\(name)")
    #expect(found.isRegularFile == (status.st_mode & S_IFMT == S_IFREG), "\(name)")
    #expect(found.isSymbolicLink == (status.st_mode & S_IFMT == S_IFLNK), "\(name)")
    #expect(found.linkCount == UInt64(status.st_nlink), "\(name)")
  }

  /// `/dev/null` is on another device than the files of the test.
  @Test(.timeLimit(.minutes(5))) func aStatusIsThatOfTheSystem() throws {
    let file = directory.path("file")
    let handle = try FileHandle(path: file, access: .createNew)
    try handle.write([UInt8](repeating: 1, count: 5000), at: 0)
    try #require(unsafe link(file, directory.path("second name")) == 0)
    try #require(unsafe symlink(file, directory.path("link")) == 0)
    var status = stat()
    for path in [file, directory.path("."), directory.path("link"), "/dev/null", "/"] {
      try #require(unsafe lstat(path, &status) == 0)
      try expect(Directories.status(path), equals: status, path)
    }
    try #require(unsafe stat(directory.path("link"), &status) == 0)
    try expect(Directories.status(directory.path("link"), followingLinks: true), equals: status, "the target of a link")
    try #require(unsafe fstat(handle.descriptor, &status) == 0)
    try expect(handle.status(), equals: status, "an open file")
    #expect(try Directories.status(directory.path("missing")) == nil)
  }
}
