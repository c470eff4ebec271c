import Files
import TestSupport
import TestTraps
import Testing
import VectorSearch

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct RowFileTests {
  let directory = TemporaryDirectory()
  var path: String { directory.path("rows") }

  private func bytes(from start: Int, count: Int) throws -> [UInt8] {
    let file = try FileHandle(path: path, access: .read)
    return try file.read(count: count, at: start)
  }

  @Test(arguments: [1, 3, 15, 16, 17, 100, 384])
  func writtenRowsComeBackAtOnceAndAfterReopening(dimension: Int) throws {
    var generator = SeededGenerator(seed: UInt64(dimension))
    let header = rowHeader(dimension: dimension)
    let rows = (0..<300).map { _ in randomVector(dimension, &generator) }
    try RowFile.create(path: path, header: header)
    do {
      let file = try RowFile(path: path, header: header, rowCount: 0, isReadOnly: false)
      let reader = try RowFile(path: path, header: header, rowCount: 0, isReadOnly: true)
      var row = 0
      while row < rows.count {
        let part = rows[row..<min(row + Int.random(in: 1...40, using: &generator), rows.count)]
        try file.reserve(rowCount: row + part.count)
        try file.write(strides: strides(Array(part), header), fromRow: row)
        row += part.count
        #expect(copy(file.row(row - 1)) == rows[row - 1])
        #expect(copy(reader.row(row - 1)) == rows[row - 1])
      }
      try file.synchronize()
    }
    let file = try RowFile(path: path, header: header, rowCount: rows.count, isReadOnly: true)
    for (index, expected) in rows.enumerated() {
      #expect(copy(file.row(index)) == expected)
      let checksum = RowFile.checksum(of: expected.span)
      #expect(file.checksum(ofRow: index) == checksum)
      try file.verify(row: index, checksum: checksum)
    }
  }

  // The bug: a reader with limited address space mapped little of the file. When another process had grown it beyond that, reading a row
  // trapped (SIGILL). The cause: the map was made once. The fix: a longer map is made when a snapshot refers to rows beyond it.
  @Test func rowsBeyondTheMapAreMappedWhenTheyAreNamed() throws {
    var generator = SeededGenerator(seed: 7)
    let header = rowHeader(dimension: 16)
    let rows = (0..<3000).map { _ in randomVector(16, &generator) }
    try RowFile.create(path: path, header: header)
    let writer = try RowFile(path: path, header: header, rowCount: 0, isReadOnly: false, mapBytes: 8192)
    let reader = try RowFile(path: path, header: header, rowCount: 0, isReadOnly: true, mapBytes: 8192)
    try writer.reserve(rowCount: 10)
    try writer.write(strides: strides(Array(rows[..<10]), header), fromRow: 0)
    let early = reader.row(9)
    try writer.reserve(rowCount: rows.count)
    try writer.write(strides: strides(Array(rows[10...]), header), fromRow: 10)
    try reader.cover(rowCount: rows.count)
    for (index, row) in rows.enumerated() { #expect(copy(reader.row(index)) == row && copy(writer.row(index)) == row) }
    // Rows lent before are still readable.
    #expect(copy(early) == rows[9])
    #expect(throws: FileError.self) { try reader.cover(rowCount: 1 << 50) }
    #expect(copy(reader.row(2999)) == rows[2999])
  }

  @Test(arguments: [1, 15, 16, 17, 100])
  func rowsLieAtTheirStrideAndThePaddingStaysZero(dimension: Int) throws {
    var generator = SeededGenerator(seed: 60)
    let header = rowHeader(dimension: dimension)
    let rows = (0..<50).map { _ in randomVector(dimension, &generator) }
    try RowFile.create(path: path, header: header)
    let file = try RowFile(path: path, header: header, rowCount: 0, isReadOnly: false)
    try file.reserve(rowCount: 51)
    for index in rows.indices.shuffled(using: &generator) { try file.write(strides: strides([rows[index]], header), fromRow: index) }
    for (index, row) in rows.enumerated() {
      let stored = try bytes(from: 4096 + index * header.strideBytes, count: header.strideBytes)
      let expected = row.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
      #expect(Array(stored[..<(dimension * 4)]) == expected)
      #expect(stored[(dimension * 4)...].allSatisfy { $0 == 0 })
    }
    // The row behind the last is reserved and untouched, and so is the header.
    #expect(try bytes(from: 4096 + 50 * header.strideBytes, count: header.strideBytes).allSatisfy { $0 == 0 })
    #expect(try bytes(from: 0, count: 4096) == header.encoded())
  }

  @Test func roomIsReservedWellAheadAndNeverTakenBack() throws {
    let header = rowHeader(dimension: 16)
    try RowFile.create(path: path, header: header)
    let file = try RowFile(path: path, header: header, rowCount: 0, isReadOnly: false)
    #expect(try file.sizeBytes == 4096)
    try file.reserve(rowCount: 0)
    #expect(try file.sizeBytes == 4096)
    try file.reserve(rowCount: 1)
    let size = try file.sizeBytes
    #expect(size == 4096 + 64 + (256 << 10))
    try file.write(strides: [Float](repeating: 1, count: 16), fromRow: 0)
    try file.reserve(rowCount: 1)
    try file.reserve(rowCount: (size - 4096) / 64)
    #expect(try file.sizeBytes == size)
    let rowCount = 4 << 14
    try file.reserve(rowCount: rowCount)
    #expect(try file.sizeBytes >= 4096 + rowCount * 64)
    #expect(copy(file.row(0)) == [Float](repeating: 1, count: 16))
    #expect(copy(file.row(rowCount - 1)) == [Float](repeating: 0, count: 16))
    // The zeros are written. A hole could not be filled later on a full disk.
    let status = try #require(try Directories.status(path))
    #expect(status.allocatedBytes >= status.sizeBytes)
  }

  @Test func moreRowsThanAFileMayHoldAreRefusedBeforeAnythingIsWritten() throws {
    let header = rowHeader(dimension: 16)
    try RowFile.create(path: path, header: header)
    let file = try RowFile(path: path, header: header, rowCount: 0, isReadOnly: false)
    let error = #expect(throws: FileError.self) { try file.reserve(rowCount: (1 << 40) / 64) }
    #expect(error?.isNoSpace == true)
    #expect(try file.sizeBytes == 4096)
  }

  @Test func aFileThatEndsBeforeItsRowsIsRefused() throws {
    let header = rowHeader(dimension: 100)
    try RowFile.create(path: path, header: header)
    #expect(throws: RowFileError.truncated(expectedBytes: 4096 + 448, foundBytes: 4096)) {
      _ = try RowFile(path: path, header: header, rowCount: 1, isReadOnly: true)
    }
    let file = try FileHandle(path: path, access: .readWrite)
    let size = 4096 + 7 * 448
    try file.truncate(to: size)
    _ = try RowFile(path: path, header: header, rowCount: 7, isReadOnly: true)
    try file.truncate(to: size - 1)
    #expect(throws: RowFileError.truncated(expectedBytes: size, foundBytes: size - 1)) {
      _ = try RowFile(path: path, header: header, rowCount: 7, isReadOnly: true)
    }
    try file.truncate(to: 100)
    #expect(throws: RowFileError.truncated(expectedBytes: 4096, foundBytes: 100)) {
      _ = try RowFile(path: path, header: header, rowCount: 0, isReadOnly: true)
    }
  }

  @Test func anotherStoresFileIsRefused() throws {
    let header = rowHeader(dimension: 16)
    try RowFile.create(path: path, header: header)
    let other = RowFileHeader(storeID: header.storeID, generation: header.generation + 1, dimension: 16, metric: header.metric)
    #expect(throws: RowFileError.headerMismatch(field: "generation", expected: "\(header.generation + 1)", found: "\(header.generation)")) {
      _ = try RowFile(path: path, header: other, rowCount: 0, isReadOnly: true)
    }
  }

  @Test func aFileIsMadeOnceForTheOwnerAlone() throws {
    let header = rowHeader(dimension: 16)
    try RowFile.create(path: path, header: header)
    #expect(try Directories.status(path)?.permissions == 0o600)
    let error = #expect(throws: FileError.self) { try RowFile.create(path: path, header: header) }
    #expect(error?.isExisting == true)
    let missing = #expect(throws: FileError.self) {
      _ = try RowFile(path: directory.path("none"), header: header, rowCount: 0, isReadOnly: true)
    }
    #expect(missing?.isMissing == true)
  }

  @Test func anyFlippedBitOfARowIsFound() throws {
    var generator = SeededGenerator(seed: 61)
    let header = rowHeader(dimension: 5)
    try RowFile.create(path: path, header: header)
    let rows = try RowFile(path: path, header: header, rowCount: 0, isReadOnly: false)
    try rows.reserve(rowCount: 3)
    let vectors = (0..<3).map { _ in randomVector(5, &generator) }
    try rows.write(strides: strides(vectors, header), fromRow: 0)
    let checksum = rows.checksum(ofRow: 1)
    let file = try FileHandle(path: path, access: .readWrite)
    for bit in 0..<5 * 32 {
      let offset = 4096 + 64 + bit / 8
      let byte = try file.read(count: 1, at: offset)[0]
      try file.write([byte ^ (1 << (bit % 8))], at: offset)
      #expect(throws: RowFileError.checksumMismatch(row: 1)) { try rows.verify(row: 1, checksum: checksum) }
      try file.write([byte], at: offset)
    }
    try rows.verify(row: 1, checksum: checksum)
    #expect(throws: RowFileError.checksumMismatch(row: 2)) { try rows.verify(row: 2, checksum: checksum) }
  }

  @Test func aReadOnlyFileIsNotWrittenTo() throws {
    let header = rowHeader(dimension: 16)
    try RowFile.create(path: path, header: header)
    let file = try RowFile(path: path, header: header, rowCount: 0, isReadOnly: true)
    let error = #expect(throws: FileError.self) { try file.reserve(rowCount: 1) }
    #expect(error?.errno == EBADF)
    #expect(throws: FileError.self) { try file.write(strides: [Float](repeating: 0, count: 16), fromRow: 0) }
    #expect(try file.sizeBytes == 4096)
  }

  @Test func aPartOfARowIsNeverWritten() async {
    let path = path
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [path = path as String] in
      let header = rowHeader(dimension: 17)
      try RowFile.create(path: path, header: header)
      let file = try RowFile(path: path, header: header, rowCount: 0, isReadOnly: false)
      try file.reserve(rowCount: 1)
      try file.write(strides: [Float](repeating: 0, count: 17), fromRow: 0)
    }
    expectTrap(result, "whole rows are written")
  }
}
