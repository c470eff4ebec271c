import VectorSearch

/// The codes of rows, as they are in the file.
struct CodeBytes: Sendable {
  private let file: CodeFile

  /// Nil in a generation without codes. A file that no commit names yet counts: codes may have been written to it.
  init?(_ reader: RecordReader) throws {
    guard let file = reader.generation.codes?.file() else { return nil }
    self.file = file
  }

  /// Those of a row, none if the file has none.
  func codes(of row: Int) -> [[UInt8]] {
    guard let found = try? file.read(row: row) else { return [] }
    return found.filter { $0.metadata != 0 }.map(\.code)
  }
}

/// The bytes of rows, as they are in the file.
struct RowBytes: Sendable {
  private let rows: RowFile
  /// The number of rows that lie inside the file: reading one beyond its end would end the process with a signal.
  private let count: Int

  /// Nil in a store without embeddings.
  init?(_ reader: RecordReader) throws {
    guard let rows = try reader.rows() else { return nil }
    self.rows = rows
    count = min(try reader.state().rowsHigh, max(0, try rows.sizeBytes - RowFileHeader.byteCount) / rows.header.strideBytes)
  }

  /// Lends a row, without the padding after it; nil if the file does not hold it.
  func withRow<Value>(_ row: Int, _ body: (RawSpan) -> Value) -> Value? {
    guard (0..<count).contains(row) else { return nil }
    return body(unsafe rows.row(row).bytes)
  }
}
