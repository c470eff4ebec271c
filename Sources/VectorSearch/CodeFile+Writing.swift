import CSearchKernels
package import Files
import Synchronization

extension CodeFile {
  /// The file grows by a quarter of itself, within these bounds.
  private static let growthBytes = (64 << 10)...(8 << 20)

  /// Codes of consecutive rows.
  package struct Encoded: Sendable {
    /// Those of one tier.
    fileprivate struct Tier {
      var codes: [UInt8] = []
      var metadata: [UInt32] = []
    }

    fileprivate var tiers = [Tier](repeating: Tier(), count: CodeTier.allCases.count)

    package init() {}

    package var count: Int { tiers[0].metadata.count }

    package mutating func removeAll() {
      for index in tiers.indices {
        tiers[index].codes.removeAll(keepingCapacity: true)
        tiers[index].metadata.removeAll(keepingCapacity: true)
      }
    }

    /// Whether the codes and the metadata of a row are the found ones, as ``CodeFile/read(row:)`` returns them.
    package func hasSameCodes(as found: [(code: [UInt8], metadata: UInt32)], at index: Int) -> Bool {
      found.count == tiers.count
        && zip(found, tiers).allSatisfy { found, tier in
          let bytes = found.code.count
          return found.metadata == tier.metadata[index] && found.code.elementsEqual(tier.codes[index * bytes..<(index + 1) * bytes])
        }
    }
  }

  /// Appends the codes of a row.
  ///
  /// - Complexity: O(dimension).
  package func encode(_ row: Span<Float>, into encoded: inout Encoded) { encode(row, count: 1, stride: 0, into: &encoded) }

  /// Appends the codes of rows.
  ///
  /// - Parameters:
  ///   - rows: Row i begins at component i · `stride`.
  ///   - stride: At least the dimension.
  /// - Complexity: O(count × dimension), about 3 µs a row of 384 components.
  package func encode(_ rows: Span<Float>, count: Int, stride: Int, into encoded: inout Encoded) {
    let dimension = header.rows.dimension
    guard count > 0 else { return }
    precondition((count == 1 || stride >= dimension) && rows.count >= (count - 1) * stride + dimension, "a row has the store's dimension")
    for (index, tier) in CodeTier.allCases.enumerated() { encode(tier, rows, count, stride, into: &encoded.tiers[index]) }
  }

  private func encode(_ tier: CodeTier, _ rows: Span<Float>, _ count: Int, _ stride: Int, into encoded: inout Encoded.Tier) {
    let (codesStart, metadataStart) = (encoded.codes.count, encoded.metadata.count)
    encoded.codes.append(contentsOf: repeatElement(0, count: count * header.codeBytes(tier)))
    encoded.metadata.append(contentsOf: repeatElement(0, count: count))
    // SAFETY: every row and the mean have `dimension` components, and there is room for `count` codes and metadata.
    unsafe encoded.codes.withUnsafeMutableBufferPointer { codes in
      unsafe encoded.metadata.withUnsafeMutableBufferPointer { metadata in
        unsafe rows.withUnsafeBufferPointer { rows in
          unsafe search_encode_rows(
            Self.level, rows.baseAddress!, count, stride, mean, header.rows.dimension, tier.bits, codes.baseAddress! + codesStart,
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
      for (tier, values) in zip(CodeTier.allCases, encoded.tiers) {
        let (start, codeBytes) = (offset(ofChunk: chunk) + header.offset(tier), header.codeBytes(tier))
        try handle.write(Array(values.codes[done * codeBytes..<(done + length) * codeBytes]), at: start + place * codeBytes)
        var metadata: [UInt8] = []
        for value in values.metadata[done..<done + length] { metadata.appendLittleEndian(value) }
        try handle.write(metadata, at: start + Self.chunkRows * codeBytes + 4 * place)
      }
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
