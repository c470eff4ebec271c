import Checksums
import Files
import VectorSearch

/// The row file of a damaged generation, read row by row: a place that cannot be read is an error here, and would be a signal in a mapped
/// file.
final class DamagedRows {
  private let file: Files.FileHandle?
  private let path: FilePlace
  private let header: RowFileHeader
  private let missing: String

  /// - Parameter header: The expected header. It decides where the rows are, even if the header in the file differs.
  init(path: FilePlace, header: RowFileHeader, _ notes: RepairNotes) {
    self.path = path
    self.header = header
    var missing = "is missing"
    do throws(FileError) {
      file = try Files.FileHandle(path: path, access: .read)
    } catch {
      missing = "cannot be opened: \(error.reason)"
      file = nil
    }
    self.missing = missing
    checkHeader(notes)
  }

  private func checkHeader(_ notes: RepairNotes) {
    guard file != nil else { return notes.note("\(Generation.rowFileName) \(missing)") }
    do {
      try header.validate(try file?.read(count: RowFileHeader.byteCount, at: 0) ?? [])
    } catch {
      notes.note("\(Generation.rowFileName): \(StoreVerifier.message(of: error))")
    }
  }

  /// - Throws: ``StoreError`` `.corrupted`; its message says what is wrong with the row, as the end of a sentence.
  func components(_ reference: MemoryRecord.RowReference) throws(StoreError) -> [Float] {
    guard file != nil else { throw StoreError(.corrupted, "\(Generation.rowFileName) \(missing)") }
    let count = header.dimension * MemoryLayout<Float>.size
    let (offset, overflows) = reference.row.multipliedReportingOverflow(by: header.strideBytes)
    guard reference.row >= 0, !overflows, offset < Int.max - RowFileHeader.byteCount - count else {
      throw StoreError(.corrupted, "there is no row \(reference.row)")
    }
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try file?.read(count: count, at: RowFileHeader.byteCount + offset) ?? []
    } catch {
      throw StoreError(.corrupted, "row \(reference.row) cannot be read: \(error.reason)")
    }
    guard bytes.count == count else { throw StoreError(.corrupted, "\(Generation.rowFileName) ends before row \(reference.row)") }
    guard XXH3.hash64(unsafe bytes.span.bytes) == reference.checksum else {
      throw StoreError(.corrupted, "row \(reference.row) does not match its checksum")
    }
    return unsafe bytes.withUnsafeBytes { buffer in
      // SAFETY: the buffer has `dimension` floats; any bit pattern is one.
      (0..<header.dimension).map { unsafe buffer.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
    }
  }
}
