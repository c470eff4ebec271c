import Files
import TestSupport
import Testing

@Suite struct AtomicFileTests {
  let directory = TemporaryDirectory()
  var path: String { directory.path("file") }

  private func contents() throws -> [UInt8] {
    let file = try FileHandle(path: path, access: .read)
    return try file.read(count: 1 << 20, at: 0)
  }

  @Test func aCommittedFileHoldsEveryByteInOrder() throws {
    var generator = SeededGenerator(seed: 2)
    var expected: [UInt8] = []
    var file = try AtomicFile(destination: path)
    for _ in 0..<100 {
      let part = generator.bytes(count: Int.random(in: 0..<2_000, using: &generator))
      try file.append(part)
      expected += part
      #expect(try Directories.status(path) == nil)
    }
    try file.commit()
    #expect(try contents() == expected)
    #expect(try Directories.entries(directory.path) == ["file"])
    #expect(try Directories.status(path)?.permissions == 0o600)
  }

  @Test func anUncommittedFileLeavesNothing() throws {
    do {
      var file = try AtomicFile(destination: path)
      try file.append([1, 2, 3])
      #expect(try Directories.entries(directory.path).count == 1)
    }
    #expect(try Directories.entries(directory.path) == [])
  }

  @Test func anUncommittedFileLeavesTheOldOneAlone() throws {
    var first = try AtomicFile(destination: path)
    try first.append([1, 2, 3])
    try first.commit()
    do {
      var second = try AtomicFile(destination: path)
      try second.append([9])
      #expect(try contents() == [1, 2, 3])
    }
    #expect(try contents() == [1, 2, 3])
    var third = try AtomicFile(destination: path)
    try third.append([4])
    try third.commit()
    #expect(try contents() == [4])
    #expect(try Directories.entries(directory.path) == ["file"])
  }

  @Test func anEmptyFileCanBeCommitted() throws {
    var file = try AtomicFile(destination: path)
    try file.commit()
    #expect(try contents() == [])
  }

  @Test func aFailedCommitLeavesNoTemporaryFile() throws {
    // A directory that is not empty cannot be replaced by a file.
    try Directories.create(path)
    try Directories.create(directory.path("file/inner"))
    do {
      var file = try AtomicFile(destination: path)
      try file.append([1])
      var failure: FileError?
      do throws(FileError) { try file.commit() } catch { failure = error }
      #expect(failure?.call == "rename")
    }
    #expect(try Directories.entries(directory.path) == ["file"])
    #expect(try Directories.entries(path) == ["inner"])
  }

  @Test func aMissingDirectoryIsAnErrorAtTheStart() {
    let error = #expect(throws: FileError.self) { _ = try AtomicFile(destination: directory.path("none/file")) }
    #expect(error?.isMissing == true)
  }
}
