import CSearchKernels
package import Files
import Synchronization

/// The codes of the rows of one generation: a few bits a component, with which a search excludes most rows without reading
/// their floats. Each row has a fine and a coarse one. Derived: a code is a function of the row and of the mean on which the generation's codes are
/// centered.
///
/// In chunks of 128 rows. Written and read as the row file: with `pwrite`, and through one map. A slot that was never written is zero, and
/// excludes nothing.
package final class CodeFile: Sendable {
  package static let chunkRows = 128

  package let header: CodeFileHeader
  /// The mean of the rows when the file was made. It decides how much the codes exclude, and never a result.
  package let mean: [Float]
  let handle: FileHandle
  let map: GrowingMap
  /// Rows whose chunks are known to lie inside the file.
  let readableRows = Atomic(0)

  static let level = search_best_level()

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

  static func chunks(_ rowCount: Int) -> Int { (rowCount + chunkRows - 1) / chunkRows }

  func offset(ofChunk chunk: Int) -> Int { header.firstChunkOffset + chunk * header.chunkBytes }

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
  ///   - bounds: Room for two chunks; gets the upper bound of each row, to be compared with a later threshold. The place of the first one is its place
  ///     in its chunk.
  /// - Returns: The rows that may, bit 0 the first; and those that probably do.
  /// - Complexity: O(count × dimension), about 3 ns a row of 384 components.
  package func filter(
    _ tier: CodeTier, firstRow: Int, count: Int, _ query: CodeQuery, threshold: Float, bounds: inout [Float]
  ) -> (possible: LiveMask, probable: LiveMask) {
    precondition(count > 0 && count <= Self.chunkRows && bounds.count >= 2 * Self.chunkRows, "the rows of one block are looked at")
    let (chunk, place) = firstRow.quotientAndRemainder(dividingBy: Self.chunkRows)
    let first = min(count, Self.chunkRows - place)
    // SAFETY: there is room for the bounds of two chunks.
    return unsafe bounds.withUnsafeMutableBufferPointer { bounds in
      let bounds = bounds.baseAddress!
      var found = unsafe filter(tier, chunk: chunk, place..<place + first, query, threshold: threshold, bounds: bounds)
      if place > 0 { found = (found.possible >> LiveMask(place), found.probable >> LiveMask(place)) }
      if first < count {
        let second = unsafe filter(
          tier, chunk: chunk + 1, 0..<count - first, query, threshold: threshold, bounds: bounds + Self.chunkRows)
        found = (found.possible | second.possible << LiveMask(first), found.probable | second.probable << LiveMask(first))
      }
      let asked = LiveMask.max >> LiveMask(Self.chunkRows - count)
      return (found.possible & asked, found.probable & asked)
    }
  }

  /// The same for rows of one chunk: bit i is row i of the chunk, and bits of other rows are of no account.
  private func filter(
    _ tier: CodeTier, chunk: Int, _ rows: Range<Int>, _ query: CodeQuery, threshold: Float, bounds: UnsafeMutablePointer<Float>
  ) -> (possible: LiveMask, probable: LiveMask) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= Self.chunkRows, "the rows are those of one chunk")
    let window = Int(search_code_window)
    let codeBytes = header.codeBytes(tier)
    let start = unsafe map.pointer(at: offset(ofChunk: chunk) + header.offset(tier), count: Self.chunkRows * (codeBytes + 4))
    var found = search_code_masks()
    // SAFETY: the codes of 128 rows have their metadata behind them, aligned to 4 bytes; there is room for a bound of each.
    unsafe withUnsafePointer(to: query.parameters) { parameters in
      unsafe query.values.withUnsafeBufferPointer { values in
        unsafe search_filter_codes(
          Self.level, tier.bits, start.assumingMemoryBound(to: UInt8.self),
          (start + Self.chunkRows * codeBytes).assumingMemoryBound(to: UInt32.self), rows.lowerBound / window * window,
          (rows.upperBound + window - 1) / window * window, codeBytes, header.chunkBytes, values.baseAddress!, parameters, threshold,
          tier.nearness, bounds,
          &found)
      }
    }
    return (
      LiveMask(found.possible.1) << 64 | LiveMask(found.possible.0), LiveMask(found.probable.1) << 64 | LiveMask(found.probable.0)
    )
  }

  /// Between which numbers the scores of consecutive rows lie, those of `cblas_sdot`.
  ///
  /// - Parameters:
  ///   - rows: All of them covered.
  ///   - lower: Gets the lower bounds, from `place` on, as `upper` gets the upper ones. They are not finite for a row whose code bounds
  ///     nothing.
  /// - Complexity: O(rows × dimension).
  func bound(_ rows: Range<Int>, _ query: CodeQuery, lower: inout [Float], upper: inout [Float], at place: Int) {
    precondition(place + rows.count <= min(lower.count, upper.count), "there is room for the bounds")
    var done = 0
    while done < rows.count {
      let (chunk, slot) = (rows.lowerBound + done).quotientAndRemainder(dividingBy: Self.chunkRows)
      let length = min(rows.count - done, Self.chunkRows - slot)
      let (codeBytes, tier) = (header.codeBytes(.fine), CodeTier.fine)
      let start = unsafe map.pointer(at: offset(ofChunk: chunk) + header.offset(tier), count: Self.chunkRows * (codeBytes + 4))
      unsafe lower.withUnsafeMutableBufferPointer { lower in
        unsafe upper.withUnsafeMutableBufferPointer { upper in
          unsafe withUnsafePointer(to: query.parameters) { parameters in
            // SAFETY: the codes of 128 rows have their metadata behind them, aligned to 4 bytes; there is room for the bounds.
            unsafe search_bound_codes(
              Self.level, tier.bits, (start + slot * codeBytes).assumingMemoryBound(to: UInt8.self),
              (start + Self.chunkRows * codeBytes + 4 * slot).assumingMemoryBound(to: UInt32.self), length, codeBytes,
              query.values, parameters, query.center, lower.baseAddress! + place + done, upper.baseAddress! + place + done)
          }
        }
      }
      done += length
    }
  }

  /// The bound of one row by its code, to be compared with ``CodeQuery/threshold(_:)``.
  ///
  /// - Parameter row: Covered.
  /// - Complexity: O(dimension), about 20 ns for 384 components.
  package func bound(_ tier: CodeTier, row: Int, _ query: CodeQuery) -> Float {
    let (chunk, place) = row.quotientAndRemainder(dividingBy: Self.chunkRows)
    let codeBytes = header.codeBytes(tier)
    let start = unsafe map.pointer(at: offset(ofChunk: chunk) + header.offset(tier), count: Self.chunkRows * (codeBytes + 4))
    // SAFETY: as above.
    return unsafe withUnsafePointer(to: query.parameters) { parameters in
      unsafe query.values.withUnsafeBufferPointer { values in
        unsafe search_bound_code(
          Self.level, tier.bits, (start + place * codeBytes).assumingMemoryBound(to: UInt8.self),
          (start + Self.chunkRows * codeBytes + 4 * place).assumingMemoryBound(to: UInt32.self), codeBytes, values.baseAddress!, parameters)
      }
    }
  }

  /// The scale s of a row's code and the bound R of its error.
  ///
  /// - Parameter row: Covered.
  func metadata(_ tier: CodeTier, row: Int) -> (scale: Float, error: Float) {
    let (chunk, place) = row.quotientAndRemainder(dividingBy: Self.chunkRows)
    let start = offset(ofChunk: chunk) + header.offset(tier) + Self.chunkRows * header.codeBytes(tier) + 4 * place
    // SAFETY: metadata has four bytes, aligned to four.
    let bits = unsafe map.pointer(at: start, count: 4).load(as: UInt32.self)
    return (Float(bitPattern: bits & 0xffff_0000), Float(bitPattern: bits << 16))
  }

  /// Asks the memory for the code of a row that will be looked at soon.
  func prefetch(_ tier: CodeTier, row: Int) {
    let (chunk, place) = row.quotientAndRemainder(dividingBy: Self.chunkRows)
    let codeBytes = header.codeBytes(tier)
    let start = unsafe map.pointer(at: offset(ofChunk: chunk) + header.offset(tier), count: Self.chunkRows * (codeBytes + 4))
    // SAFETY: only addresses.
    unsafe search_prefetch(start + place * codeBytes, codeBytes)
    unsafe search_prefetch(start + Self.chunkRows * codeBytes + 4 * place, 4)
  }

  /// The code and the metadata of a row in each tier, read by `pread`; nil if the file ends before.
  ///
  /// - Throws: `FileError`.
  package func read(row: Int) throws(FileError) -> [(code: [UInt8], metadata: UInt32)]? {
    let (chunk, place) = row.quotientAndRemainder(dividingBy: Self.chunkRows)
    var found: [(code: [UInt8], metadata: UInt32)] = []
    for tier in CodeTier.allCases {
      let (start, codeBytes) = (offset(ofChunk: chunk) + header.offset(tier), header.codeBytes(tier))
      let code = try handle.read(count: codeBytes, at: start + place * codeBytes)
      let metadata = try handle.read(count: 4, at: start + Self.chunkRows * codeBytes + 4 * place)
      guard code.count == codeBytes, metadata.count == 4 else { return nil }
      found.append((code, metadata.littleEndian(at: 0, as: UInt32.self)))
    }
    return found
  }
}
