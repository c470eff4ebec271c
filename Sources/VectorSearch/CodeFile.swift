import CSearchKernels
package import Files
import Synchronization

/// The codes of the rows of one generation: a few bits a component, with which a search excludes most rows without reading
/// their floats. Derived: a code is a function of the row and of the mean on which the generation's codes are centered.
///
/// In chunks of 128 rows. Written and read as the row file: with `pwrite`, and through one map. A slot that was never written is zero, and
/// excludes nothing.
package final class CodeFile: Sendable {
  package static let chunkRows = 128

  package let header: CodeFileHeader
  /// The mean of the rows when the file was made. It decides how much the codes exclude, and never a result.
  package let mean: [Float]
  private let handle: FileHandle
  private let map: GrowingMap
  /// Rows whose chunks are known to lie inside the file.
  private let readableRows = Atomic(0)

  private static let level = search_best_level()

  /// The file grows by a quarter of itself, within these bounds.
  private static let growthBytes = (64 << 10)...(8 << 20)

  /// Makes a new file without codes, flushed: it appears whole or not at all.
  ///
  /// - Throws: `FileError`.
  package static func create(path: some FilePlaceConvertible, header: CodeFileHeader, mean: [Float]) throws(FileError) {
    var file = try AtomicFile(destination: path)
    try file.append(header.encoded(mean: mean))
    try file.commit()
  }

  /// Opens a file that must have this header.
  ///
  /// - Throws: `FileError`, ``RowFileError``.
  package init(path: some FilePlaceConvertible, header: CodeFileHeader, isReadOnly: Bool) throws {
    let handle = try FileHandle(path: path, access: isReadOnly ? .read : .readWrite)
    mean = try header.mean(try handle.read(count: header.firstChunkOffset, at: 0))
    map = try GrowingMap(
      handle, preferredBytes: RowFile.preferredMapBytes >> 2,
      minimumBytes: max(try handle.status().sizeBytes, RowFile.smallestMapBytes >> 2))
    self.handle = handle
    self.header = header
  }

  /// - Throws: `FileError`.
  package var status: FileStatus { get throws(FileError) { try handle.status() } }

  private static func chunks(_ rowCount: Int) -> Int { (rowCount + chunkRows - 1) / chunkRows }

  private func offset(ofChunk chunk: Int) -> Int { header.firstChunkOffset + chunk * header.chunkBytes }

  /// Bytes of the file once it holds the codes of so many rows.
  package static func sizeBytes(_ header: CodeFileHeader, rowCount: Int) -> Int {
    header.firstChunkOffset + chunks(rowCount) * header.chunkBytes
  }

  // MARK: Reading

  /// Makes the codes of the first `rowCount` rows readable through the map.
  ///
  /// - Returns: The number of rows whose chunks lie inside the file, at most `rowCount`. After a power failure it may be shorter than it was.
  /// - Throws: `FileError` if the system gives no more address space.
  package func cover(rowCount: Int) throws(FileError) -> Int {
    if rowCount <= readableRows.load(ordering: .relaxed) { return rowCount }
    let held = max(0, try handle.status().sizeBytes - header.firstChunkOffset) / header.chunkBytes * Self.chunkRows
    let count = min(rowCount, held)
    try map.cover(offset(ofChunk: Self.chunks(count)), of: handle)
    readableRows.max(count, ordering: .relaxed)
    return count
  }

  /// Which of consecutive rows may score so much.
  ///
  /// - Parameters:
  ///   - count: At most 128; all of them covered.
  ///   - threshold: ``CodeQuery/threshold(_:)`` of the least score that counts.
  ///   - bounds: Room for 128; gets the upper bound of each row, to be compared with a later threshold.
  /// - Returns: The rows that may, bit 0 the first; and those that probably do.
  /// - Complexity: O(count × dimension), about 5 ns a row of 384 components.
  package func filter(
    firstRow: Int, count: Int, _ query: CodeQuery, threshold: Float, bounds: inout [Float]
  ) -> (possible: LiveMask, probable: LiveMask) {
    precondition(count <= Self.chunkRows && bounds.count >= Self.chunkRows, "the rows of one block are looked at")
    var (possible, probable): (LiveMask, LiveMask) = (0, 0)
    var done = 0
    while done < count {
      let (chunk, place) = (firstRow + done).quotientAndRemainder(dividingBy: Self.chunkRows)
      let length = min(count - done, Self.chunkRows - place)
      let start = unsafe map.pointer(at: offset(ofChunk: chunk), count: header.chunkBytes)
      var found = search_code_masks()
      // SAFETY: the chunk has the codes of 128 rows and their metadata behind them, aligned to 4 bytes; there is room for a bound of each.
      unsafe bounds.withUnsafeMutableBufferPointer { bounds in
        unsafe withUnsafePointer(to: query.parameters) { parameters in
          unsafe search_filter_codes(
            Self.level, Int32(header.bits), (start + place * header.codeBytes).assumingMemoryBound(to: UInt8.self),
            (start + Self.chunkRows * header.codeBytes + 4 * place).assumingMemoryBound(to: UInt32.self), length, header.codeBytes,
            query.values, parameters, threshold, Self.nearness, bounds.baseAddress! + done, &found)
        }
      }
      possible |= (LiveMask(found.possible.1) << 64 | LiveMask(found.possible.0)) << LiveMask(done)
      probable |= (LiveMask(found.probable.1) << 64 | LiveMask(found.probable.0)) << LiveMask(done)
      done += length
    }
    return (possible, probable)
  }

  /// A row is probable if its estimate and this share of the distance to its bound reach the threshold.
  private static let nearness: Float = 0.07

  /// The code and the metadata of a row, read by `pread`; nil if the file ends before.
  ///
  /// - Throws: `FileError`.
  package func read(row: Int) throws(FileError) -> (code: [UInt8], metadata: UInt32)? {
    let (chunk, place) = row.quotientAndRemainder(dividingBy: Self.chunkRows)
    let start = offset(ofChunk: chunk)
    let code = try handle.read(count: header.codeBytes, at: start + place * header.codeBytes)
    let metadata = try handle.read(count: 4, at: start + Self.chunkRows * header.codeBytes + 4 * place)
    guard code.count == header.codeBytes, metadata.count == 4 else { return nil }
    return (code, metadata.littleEndian(at: 0, as: UInt32.self))
  }

  // MARK: Writing

  /// Codes of consecutive rows.
  package struct Encoded {
    package fileprivate(set) var codes: [UInt8] = []
    package fileprivate(set) var metadata: [UInt32] = []

    package init() {}

    package var count: Int { metadata.count }

    package mutating func removeAll() {
      codes.removeAll(keepingCapacity: true)
      metadata.removeAll(keepingCapacity: true)
    }
  }

  /// Appends the code of a row.
  ///
  /// - Complexity: O(dimension).
  package func encode(_ row: Span<Float>, into encoded: inout Encoded) { encode(row, count: 1, stride: 0, into: &encoded) }

  /// Appends the codes of rows.
  ///
  /// - Parameters:
  ///   - rows: Row i begins at component i · `stride`.
  ///   - stride: At least the dimension.
  /// - Complexity: O(count × dimension), about 1.5 µs a row of 384 components.
  package func encode(_ rows: Span<Float>, count: Int, stride: Int, into encoded: inout Encoded) {
    let dimension = header.rows.dimension
    guard count > 0 else { return }
    precondition((count == 1 || stride >= dimension) && rows.count >= (count - 1) * stride + dimension, "a row has the store's dimension")
    let (codesStart, metadataStart) = (encoded.codes.count, encoded.metadata.count)
    encoded.codes.append(contentsOf: repeatElement(0, count: count * header.codeBytes))
    encoded.metadata.append(contentsOf: repeatElement(0, count: count))
    // SAFETY: every row and the mean have `dimension` components, and there is room for `count` codes and metadata.
    unsafe encoded.codes.withUnsafeMutableBufferPointer { codes in
      unsafe encoded.metadata.withUnsafeMutableBufferPointer { metadata in
        unsafe rows.withUnsafeBufferPointer { rows in
          unsafe search_encode_rows(
            Self.level, rows.baseAddress!, count, stride, mean, dimension, Int32(header.bits), codes.baseAddress! + codesStart,
            metadata.baseAddress! + metadataStart)
        }
      }
    }
  }

  /// Writes the codes of consecutive rows. Not durable before ``synchronize()``.
  ///
  /// Several threads and processes may write, each the codes of other rows.
  ///
  /// - Throws: `FileError`.
  package func write(_ encoded: Encoded, fromRow row: Int) throws(FileError) {
    try reserve(rowCount: row + encoded.count)
    var done = 0
    while done < encoded.count {
      let (chunk, place) = (row + done).quotientAndRemainder(dividingBy: Self.chunkRows)
      let length = min(encoded.count - done, Self.chunkRows - place)
      let start = offset(ofChunk: chunk)
      try handle.write(
        Array(encoded.codes[done * header.codeBytes..<(done + length) * header.codeBytes]), at: start + place * header.codeBytes)
      var metadata: [UInt8] = []
      for value in encoded.metadata[done..<done + length] { metadata.appendLittleEndian(value) }
      try handle.write(metadata, at: start + Self.chunkRows * header.codeBytes + 4 * place)
      done += length
    }
  }

  /// Makes the file long enough for the codes of so many rows, and the codes readable through the map.
  ///
  /// - Throws: `FileError` if there is no room: a later access through the map must not raise a signal.
  package func reserve(rowCount: Int) throws(FileError) {
    if rowCount <= readableRows.load(ordering: .relaxed) { return }
    let needed = Self.sizeBytes(header, rowCount: rowCount)
    let size = try handle.status().sizeBytes
    if size < needed {
      let ahead = min(max(size / 4, Self.growthBytes.lowerBound), Self.growthBytes.upperBound)
      // The last room of a disk is not taken ahead of need.
      let space = try DiskSpace(of: handle)
      let hasPlenty = space.availableBytes - (needed - size) - ahead >= space.reserveBytes
      do throws(FileError) {
        try grow(to: hasPlenty ? needed + ahead : needed)
      } catch {
        // The file system may have a limit that it does not report: what is needed now may still fit.
        guard error.isNoSpace, hasPlenty else { throw error }
        try grow(to: needed)
      }
    }
    _ = try cover(rowCount: rowCount)
  }

  /// Bytes that another thread or process has written meanwhile stay.
  private func grow(to needed: Int) throws(FileError) {
    if try handle.allocate(needed) { return }
    // Of those who grow the file, each sees the end that the one before has left.
    let lock = try FileLock(existing: handle.place)
    try lock.lock(.exclusive)
    let size = try handle.status().sizeBytes
    if size < needed { try handle.writeZeros(from: size, to: needed) }
    try lock.unlock()
  }

  /// Cuts off what ``reserve(rowCount:)`` took beyond `rowCount` rows. No other process may have the file open or use a later row.
  ///
  /// - Throws: `FileError`.
  package func trim(toRowCount rowCount: Int) throws(FileError) {
    let needed = Self.sizeBytes(header, rowCount: rowCount)
    if try handle.status().sizeBytes > needed { try handle.truncate(to: needed) }
    readableRows.store(min(readableRows.load(ordering: .relaxed), rowCount), ordering: .relaxed)
  }

  /// Makes every written code durable.
  ///
  /// - Throws: `FileError`. The kernel may have dropped codes: the file must not be used any more.
  package func synchronize() throws(FileError) { try handle.synchronizeData() }
}
