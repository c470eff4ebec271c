import Files
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct FileHandleTests {
  let directory = TemporaryDirectory()

  @Test func randomReadsAndWritesAgreeWithAnArray() throws {
    let file = try FileHandle(path: directory.path("file"), access: .createNew)
    var generator = SeededGenerator(seed: 1)
    var reference: [UInt8] = []
    for _ in 0..<3_000 {
      let offset = Int.random(in: 0..<40_000, using: &generator)
      switch Int.random(in: 0..<10, using: &generator) {
      case 0..<4:
        let bytes = generator.bytes(count: Int.random(in: 0..<200, using: &generator))
        try file.write(bytes, at: offset)
        if !bytes.isEmpty {
          reference += [UInt8](repeating: 0, count: max(0, offset + bytes.count - reference.count))
          reference.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        }
      case 4:
        let end = offset + Int.random(in: -100..<3_000, using: &generator)
        try file.writeZeros(from: offset, to: end)
        if end > offset {
          reference += [UInt8](repeating: 0, count: max(0, end - reference.count))
          reference.replaceSubrange(offset..<end, with: [UInt8](repeating: 0, count: end - offset))
        }
      case 5 where generator.chance(percent: 5):
        try file.truncate(to: offset)
        reference = Array(reference.prefix(offset)) + [UInt8](repeating: 0, count: max(0, offset - reference.count))
      default:
        let count = Int.random(in: 0..<300, using: &generator)
        let expected = Array(reference.dropFirst(offset).prefix(count))
        #expect(try file.read(count: count, at: offset) == expected)
      }
    }
    #expect(try file.status().sizeBytes == reference.count)
    #expect(try file.read(count: reference.count, at: 0) == reference)
  }

  @Test func aReadEndsAtTheEndOfTheFile() throws {
    let file = try FileHandle(path: directory.path("file"), access: .createNew)
    try file.write([1, 2, 3, 4, 5], at: 0)
    #expect(try file.read(count: 10, at: 3) == [4, 5])
    #expect(try file.read(count: 10, at: 5) == [])
    #expect(try file.read(count: 10, at: 500) == [])
    #expect(try file.read(count: 0, at: 0) == [])
  }

  @Test func zerosReplaceWhatStoodThereAcrossSeveralTransfers() throws {
    let file = try FileHandle(path: directory.path("file"), access: .createNew)
    let size = (5 << 19) + 17
    try file.write([UInt8](repeating: 0xAA, count: size), at: 0)
    try file.writeZeros(from: 100, to: size - 100)
    let bytes = try file.read(count: size, at: 0)
    #expect(bytes.count == size)
    #expect(bytes[..<100].allSatisfy { $0 == 0xAA } && bytes[(size - 100)...].allSatisfy { $0 == 0xAA })
    #expect(bytes[100..<(size - 100)].allSatisfy { $0 == 0 })
  }

  @Test func writtenZerosTakeUpBlocksOfTheDisk() throws {
    let file = try FileHandle(path: directory.path("file"), access: .createNew)
    try file.writeZeros(from: 0, to: 1 << 20)
    try file.synchronizeData()
    try file.synchronize()
    let status = try file.status()
    #expect(status.sizeBytes == 1 << 20)
    #expect(status.allocatedBytes >= 1 << 20)
  }

  @Test func aNegativeOffsetIsAnErrorOfTheSystem() throws {
    let file = try FileHandle(path: directory.path("file"), access: .createNew)
    let error = #expect(throws: FileError.self) { try file.write([1], at: -1) }
    #expect(error == FileError(errno: EINVAL, call: "pwrite", path: directory.path("file")))
    #expect(throws: FileError(errno: EINVAL, call: "pread", path: directory.path("file"))) { try file.read(count: 1, at: -1) }
  }

  @Test func accessDecidesWhatMustExistAndWhatMustNot() throws {
    let path = directory.path("file")
    for access in [FileHandle.Access.read, .readWrite] {
      let error = #expect(throws: FileError.self) { _ = try FileHandle(path: path, access: access) }
      #expect(error?.isMissing == true)
    }
    do {
      let file = try FileHandle(path: path, access: .create)
      try file.write([7], at: 0)
    }
    let error = #expect(throws: FileError.self) { _ = try FileHandle(path: path, access: .createNew) }
    #expect(error?.isExisting == true)
    // `create` keeps the contents of an existing file.
    let file = try FileHandle(path: path, access: .create)
    #expect(try file.read(count: 2, at: 0) == [7])
    let reader = try FileHandle(path: path, access: .read)
    #expect(throws: FileError(errno: EBADF, call: "pwrite", path: path)) { try reader.write([1], at: 0) }
  }

  @Test(arguments: [FileHandle.Access.read, .readWrite, .create, .createNew])
  func aSymbolicLinkIsNeverFollowed(access: FileHandle.Access) throws {
    let (target, link) = (directory.path("target"), directory.path("link"))
    _ = try FileHandle(path: target, access: .createNew)
    #expect(unsafe symlink(target, link) == 0)
    let error = #expect(throws: FileError.self) { _ = try FileHandle(path: link, access: access) }
    #expect(error?.isSymbolicLink == true || (access == .createNew && error?.isExisting == true))
  }

  @Test func aDanglingLinkIsNotFilled() throws {
    #expect(unsafe symlink(directory.path("target"), directory.path("link")) == 0)
    let error = #expect(throws: FileError.self) { _ = try FileHandle(path: directory.path("link"), access: .create) }
    #expect(error?.isSymbolicLink == true)
    #expect(try Directories.status(directory.path("target")) == nil)
  }

  @Test func descriptorsAreNotInheritedAndAreClosedWithTheHandle() throws {
    var descriptor: Int32 = -1
    do {
      let file = try FileHandle(path: directory.path("file"), access: .createNew)
      descriptor = file.descriptor
      #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
      #expect(inode(ofOpen: descriptor) == (try file.status().id.inode))
    }
    // Another test may have been given the number since: then it refers to another file.
    let status = try #require(try Directories.status(directory.path("file")))
    #expect(inode(ofOpen: descriptor) != status.id.inode)
  }

  private func inode(ofOpen descriptor: Int32) -> UInt64? {
    var status = stat()
    return unsafe fstat(descriptor, &status) == 0 ? UInt64(status.st_ino) : nil
  }

  @Test func statusTellsAFileByWhatItIs() throws {
    let file = try FileHandle(path: directory.path("file"), access: .createNew)
    try file.write([1, 2, 3], at: 0)
    #expect(unsafe link(directory.path("file"), directory.path("other name")) == 0)
    let (own, other) = (try file.status(), try #require(try Directories.status(directory.path("other name"))))
    #expect(own.id == other.id)
    #expect(own.sizeBytes == 3 && !own.isDirectory && own.ownerID == MachineIdentity.userID && own.permissions == 0o600)
    _ = try FileHandle(path: directory.path("second"), access: .createNew)
    #expect(try Directories.status(directory.path("second"))?.id != own.id)
  }

  @Test func errorsSayTheCallThePathAndTheReason() throws {
    let error = try #require(throws: FileError.self) { _ = try FileHandle(path: directory.path("none"), access: .read) }
    #expect(error.description == "open \(directory.path("none")): No such file or directory")
    #expect(FileError(errno: ENOSPC, call: "", path: "").isNoSpace && FileError(errno: EDQUOT, call: "", path: "").isNoSpace)
    #expect(FileError(errno: EACCES, call: "", path: "").isPermission && FileError(errno: EROFS, call: "", path: "").isReadOnlyFileSystem)
    #expect(!FileError(errno: EIO, call: "", path: "").isNoSpace && !FileError(errno: EIO, call: "", path: "").isMissing)
  }

  /// Runs in a child whose files may have at most 4096 bytes.
  @Test func aFullDiskIsAnErrorOfTheWrite() throws {
    let outcome = try Subprocess.run(TestProcess.executable("TestChild"), ["fill-file", directory.path("file"), "4096"])
    #expect(outcome.standardOutput == "full\n", "\(outcome)")
    #expect(try Directories.status(directory.path("file"))?.sizeBytes == 4096)
  }

  /// The bug: opening a pipe for reading waited for a writer without a limit, and devices were accepted like files.
  @Test(.timeLimit(.minutes(5)), arguments: [FileHandle.Access.read, .readWrite, .create])
  func onlyRegularFilesAreOpened(access: FileHandle.Access) throws {
    let pipe = directory.path("pipe")
    #expect(unsafe mkfifo(pipe, 0o600) == 0)
    for path in [pipe, "/dev/null"] {
      #expect(throws: FileError(errno: EINVAL, call: "open", path: path)) { _ = try FileHandle(path: path, access: access) }
    }
    // The system itself refuses to open a directory for writing.
    #expect(throws: FileError(errno: EISDIR, call: "open", path: directory.path)) {
      _ = try FileHandle(path: directory.path, access: access)
    }
  }
}
