import Files
import TestSupport
import TestTraps
import Testing

@Suite struct MemoryMapTests {
  let directory = TemporaryDirectory()

  private func bytes(_ map: borrowing MemoryMap, at offset: Int, count: Int) -> [UInt8] {
    // SAFETY: the tests ask only for bytes that they have written.
    unsafe Array(UnsafeRawBufferPointer(start: map.pointer(at: offset, count: count), count: count))
  }

  @Test func growthIsSeenWithoutMappingAgain() throws {
    let file = try FileHandle(path: directory.path("file"), access: .createNew)
    try file.write([1, 2, 3], at: 0)
    let map = try MemoryMap(file, preferredBytes: 1 << 32, minimumBytes: 1 << 20)
    #expect(map.reservedBytes == 1 << 32)
    #expect(bytes(map, at: 0, count: 3) == [1, 2, 3])
    var generator = SeededGenerator(seed: 3)
    let start = unsafe map.pointer(at: 0, count: 0)
    for step in 1...40 {
      let (offset, part) = (step * 50_000, generator.bytes(count: 5_000))
      try file.write(part, at: offset)
      #expect(bytes(map, at: offset, count: part.count) == part)
    }
    #expect(unsafe map.pointer(at: 0, count: 0) == start)
    #expect(bytes(map, at: 0, count: 3) == [1, 2, 3])
    try file.write([9], at: 1)
    #expect(bytes(map, at: 0, count: 3) == [1, 9, 3])
  }

  @Test func theMinimumIsReservedEvenWhereLessIsPreferred() throws {
    let file = try FileHandle(path: directory.path("file"), access: .createNew)
    let map = try MemoryMap(file, preferredBytes: 4096, minimumBytes: 1 << 20)
    #expect(map.reservedBytes == 1 << 20)
  }

  @Test func whatTheSystemNeverGrantsIsAnError() throws {
    let file = try FileHandle(path: directory.path("file"), access: .createNew)
    let error = #expect(throws: FileError.self) { _ = try MemoryMap(file, preferredBytes: 1 << 60, minimumBytes: 1 << 60) }
    #expect(error?.call == "mmap")
  }

  @Test func aRefusedSizeIsQuarteredUntilItFits() throws {
    let file = try FileHandle(path: directory.path("file"), access: .createNew)
    let map = try MemoryMap(file, preferredBytes: 1 << 60, minimumBytes: 1 << 20)
    // 2⁶⁰ is beyond every address space; each retry asks for a quarter.
    #expect(map.reservedBytes < 1 << 60 && map.reservedBytes >= 1 << 20)
    #expect((60 - map.reservedBytes.trailingZeroBitCount) % 2 == 0 && map.reservedBytes.nonzeroBitCount == 1)
  }

  @Test(.disabled(if: TestProcess.hasShadowMemory, "the sanitizer needs the address space"))
  func aLimitOnAddressSpaceMakesTheMapSmaller() throws {
    let file = try FileHandle(path: directory.path("file"), access: .createNew)
    try file.write([42], at: 0)
    let command = "ulimit -v \(8 << 20) && exec \"$0\" \"$@\""
    let child = try TestProcess.executable("TestChild")
    let outcome = try Subprocess.run("/bin/bash", ["-c", command, child, "map-file", file.path, "\(1 << 40)", "\(1 << 30)"])
    // 1 TiB, 256 GiB, 64 GiB and 16 GiB do not fit into 8 GiB; 4 GiB do.
    #expect(outcome.standardOutput == "\(4 << 30) 42\n")
    let refused = try Subprocess.run("/bin/bash", ["-c", command, child, "map-file", file.path, "\(1 << 40)", "\(1 << 34)"])
    #expect(refused.standardOutput.hasPrefix("failed: mmap"))
  }

  @Test func aRangeBeyondTheMapTraps() async {
    let path = directory.path("file")
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [path = path as String] in
      let file = try FileHandle(path: path, access: .create)
      let map = try MemoryMap(file, preferredBytes: 1 << 20, minimumBytes: 1 << 20)
      _ = unsafe map.pointer(at: (1 << 20) - 7, count: 8)
    }
    expectTrap(result, "the range lies outside the map")
  }
}
