import Files
import TestSupport
import Testing

/// Disk blocks, holes and free space, on the file system of the temporary directory.
struct BackingTests {
  private let directory = TemporaryDirectory()

  @Test func takenBlocksChangeNoByte() throws {
    let file = try FileHandle(path: directory.path("file"), access: .createNew)
    try file.write([1, 2, 3], at: 0)
    try file.write([4], at: 40_000)
    guard try file.allocate(65_664) else { return }
    let status = try file.status()
    #expect(status.sizeBytes == 65_664 && status.allocatedBytes >= 65_664)
    let bytes = try file.read(count: 65_664, at: 0)
    #expect(bytes[..<3] == [1, 2, 3] && bytes[40_000] == 4 && bytes.reduce(0) { $0 + Int($1) } == 10)
  }

  @Test func blocksBeyondTheEndLeaveTheSize() throws {
    let file = try FileHandle(path: directory.path("file"), access: .createNew)
    guard try file.allocate(8192, keepingSize: true) else { return }
    #expect(try file.status().sizeBytes == 0 && file.status().allocatedBytes >= 8192)
  }

  @Test func theFirstHoleIsFound() throws {
    let file = try FileHandle(path: directory.path("file"), access: .createNew)
    #expect(try file.firstHole() == 0)
    try file.writeZeros(from: 0, to: 100_000)
    #expect(try file.firstHole() == 100_000)
    try file.truncate(to: 1 << 20)
    let hole = try file.firstHole()
    #expect((100_000..<(200 << 10)).contains(hole) || hole == 1 << 20, "\(hole)")
  }

  @Test func freeRoomIsThatOfTheFileSystem() throws {
    let file = try FileHandle(path: directory.path("file"), access: .createNew)
    let (byPath, byFile) = (try DiskSpace(of: Directory(path: directory.path)), try DiskSpace(of: file))
    #expect(byPath.totalBytes == byFile.totalBytes && byPath.totalBytes > 0)
    #expect((0...byPath.totalBytes).contains(byPath.availableBytes))
  }

  #if os(Linux)
    @Test(.enabled(if: SmallDisk.isPossible, "full disks are mounted by root only"))
    func aFileGrowsAheadOfNeedOnlyWhereThereIsPlentyOfRoom() throws {
      let disk = try SmallDisk(megabytes: 8)
      let file = try FileHandle(path: disk.path("file"), access: .createNew)
      try file.grow(from: 0, to: 4096, ahead: 1 << 20)
      #expect(try file.status().sizeBytes == 4096 + (1 << 20))
      // A quarter of 8 MiB stays free.
      try file.grow(from: 4096 + (1 << 20), to: 2 << 20, ahead: 5 << 20)
      #expect(try file.status().sizeBytes == 2 << 20)
      try disk.fill(leavingBlocks: 2)
      let error = #expect(throws: FileError.self) { try file.grow(from: 2 << 20, to: 3 << 20, ahead: 4096) }
      #expect(error?.isNoSpace == true)
      #expect(throws: FileError.self) { try file.allocate(4 << 20) }
      #expect(try FileSystems.isInMemory(file))
    }
  #endif
}
