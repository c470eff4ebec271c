package import Files
import CSearchKernels
import Checksums

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The embeddings of one generation: row-major float32, `dimension` components a row, one row every `strideBytes` bytes after a
/// header of 4096 bytes.
///
/// Rows are written with `pwrite` and read through one read-only map, which shows them at once. A published row never changes, so
/// reading needs no lock; writing is only for the holder of the store's writer lock.
package final class RowFile: Sendable {
  package let header: RowFileHeader
  private let handle: FileHandle
  private let map: GrowingMap

  /// Address space to reserve for the map: enough for the largest file, and small enough for a hundred stores in one process.
  package static let preferredMapBytes = 1 << 38
  /// The shortest map that is made ahead of need.
  package static let smallestMapBytes = 1 << 30
  /// No file grows beyond this.
  private static let largestBytes = preferredMapBytes
  /// The file grows by a quarter of itself, within these bounds.
  private static let growthBytes = (256 << 10)...(32 << 20)

  /// Makes a new, empty row file, flushed.
  ///
  /// - Throws: `FileError`.
  package static func create(path: some FilePlaceConvertible, header: RowFileHeader) throws {
    let handle = try FileHandle(path: path, access: .createNew)
    try handle.write(header.encoded(), at: 0)
    try handle.synchronize()
  }

  /// Opens a row file whose header must equal `header` and which must hold `rowCount` rows.
  ///
  /// - Parameter mapBytes: Address space to reserve; a quarter of it and so on if the system refuses, and never less than the rows need.
  /// - Throws: `FileError`, ``RowFileError``.
  package init(
    path: some FilePlaceConvertible, header: RowFileHeader, rowCount: Int, isReadOnly: Bool, mapBytes: Int = preferredMapBytes
  ) throws {
    let handle = try FileHandle(path: path, access: isReadOnly ? .read : .readWrite)
    try header.validate(try handle.read(count: RowFileHeader.byteCount, at: 0))
    let (size, needed) = (try handle.status().sizeBytes, RowFileHeader.byteCount + rowCount * header.strideBytes)
    // A map of a truncated file would be SIGBUS at the first touch.
    guard size >= needed else { throw RowFileError.truncated(expectedBytes: needed, foundBytes: size) }
    map = try GrowingMap(handle, preferredBytes: mapBytes, minimumBytes: max(needed, min(mapBytes, Self.smallestMapBytes)))
    self.handle = handle
    self.header = header
  }

  private func offset(of row: Int) -> Int { RowFileHeader.byteCount + row * header.strideBytes }

  package var sizeBytes: Int { get throws(FileError) { try handle.status().sizeBytes } }

  // MARK: Reading

  /// Makes the first `rowCount` rows readable through the map. To be called with the high-water mark of each snapshot before
  /// ``row(_:)``: another process may have grown the file beyond what this one has mapped.
  ///
  /// - Throws: `FileError` if the system gives no more address space.
  package func cover(rowCount: Int) throws(FileError) { try map.cover(offset(of: rowCount), of: handle) }

  /// The components of a row that a snapshot names. Lives as long as the row file.
  ///
  /// - Parameter row: Below a high-water mark that is covered: touching bytes beyond the file's end raises SIGBUS.
  @_lifetime(borrow self)
  package func row(_ row: Int) -> Span<Float> {
    let start = unsafe map.pointer(at: offset(of: row), count: header.dimension * 4).assumingMemoryBound(to: Float.self)
    // SAFETY: the map lives as long as `self`, rows are aligned to 64 bytes and any bit pattern is a Float.
    let span = unsafe Span(_unsafeStart: start, count: header.dimension)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// Asks the memory for a row that will be read soon.
  ///
  /// - Parameter row: As for ``row(_:)``.
  func prefetch(row: Int) {
    // SAFETY: only an address.
    unsafe search_prefetch(map.pointer(at: offset(of: row), count: header.dimension * 4), header.dimension * 4)
  }

  /// A copy of a row, read by `pread` and not through the map, so that a bad sector is an error and not a signal.
  ///
  /// - Throws: `FileError`; ``RowFileError`` `.truncated` if the file ends before the row does.
  package func read(row: Int) throws -> [Float] {
    let components = unsafe try [Float](unsafeUninitializedCapacity: header.dimension) { buffer, used in
      // SAFETY: any bit pattern is a Float; only whole components that were read are declared initialised.
      used = unsafe try handle.read(into: UnsafeMutableRawBufferPointer(buffer), at: offset(of: row)) / 4
    }
    guard components.count == header.dimension else {
      throw RowFileError.truncated(expectedBytes: offset(of: row + 1), foundBytes: try handle.status().sizeBytes)
    }
    return components
  }

  /// Reads consecutive rows, as ``read(row:)`` does, into a buffer that grows to what they need: whole strides, the first row first.
  ///
  /// - Returns: How many rows were read; fewer only if the file ends before.
  package func read(rows: Range<Int>, into strides: inout [Float]) throws(FileError) -> Int {
    let needed = rows.count * header.strideBytes / 4
    if strides.count < needed { strides = [Float](repeating: 0, count: needed) }
    let offset = offset(of: rows.lowerBound)
    // `withUnsafeMutableBytes` rethrows untyped errors, so the outcome travels as a value.
    let outcome = unsafe strides.withUnsafeMutableBytes { buffer -> Result<Int, FileError> in
      do throws(FileError) {
        // SAFETY: the buffer has at least `needed` × 4 bytes, and any bit pattern is a Float.
        return .success(unsafe try handle.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<(needed * 4)]), at: offset))
      } catch {
        return .failure(error)
      }
    }
    return try outcome.get() / header.strideBytes
  }

  /// XXH3-64 of the row's `dimension` × 4 bytes.
  package func checksum(ofRow row: Int) -> UInt64 { Self.checksum(of: self.row(row)) }

  package static func checksum(of components: Span<Float>) -> UInt64 { unsafe XXH3.hash64(components.bytes) }

  /// - Throws: ``RowFileError`` `.checksumMismatch` if the row is not the one that its record was written with.
  package func verify(row: Int, checksum expected: UInt64) throws(RowFileError) {
    if checksum(ofRow: row) != expected { throw .checksumMismatch(row: row) }
  }

  // MARK: Writing

  /// Makes room for `rowCount` rows by writing zeros well ahead, so that a full disk is an error here and never a signal later.
  package func reserve(rowCount: Int) throws(FileError) {
    let size = try handle.status().sizeBytes
    let needed = offset(of: rowCount)
    guard needed <= Self.largestBytes else { throw FileError(errno: EFBIG, call: "pwrite", path: handle.path) }
    try map.cover(needed, of: handle)
    guard size < needed else { return }
    let ahead = min(max(size / 4, Self.growthBytes.lowerBound), Self.growthBytes.upperBound)
    do throws(FileError) {
      try handle.grow(from: size, to: needed, ahead: ahead)
    } catch {
      // The file system may have a limit that it does not report: what is needed now may still fit.
      guard error.isNoSpace else { throw error }
      try handle.writeZeros(from: size, to: needed)
    }
  }

  /// Cuts off what ``reserve(rowCount:)`` took beyond `rowCount` rows. No other process may have the file open or use a later row.
  package func trim(toRowCount rowCount: Int) throws(FileError) {
    let needed = offset(of: rowCount)
    if try handle.status().sizeBytes > needed { try handle.truncate(to: needed) }
  }

  /// Writes consecutive rows from `row` on; `components` holds whole strides. The rows must be reserved and not yet published.
  package func write(strides components: [Float], fromRow row: Int) throws(FileError) {
    precondition(components.count * 4 % header.strideBytes == 0, "whole rows are written")
    var failure: FileError?
    unsafe components.withUnsafeBytes { bytes in
      do throws(FileError) {
        unsafe try handle.write(bytes, at: offset(of: row))
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }

  /// Makes every written row durable. After a failure the store must not write again: the kernel has dropped what it could not write.
  package func synchronize() throws(FileError) { try handle.synchronizeData() }
}
