import VectorSearch

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
