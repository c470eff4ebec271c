import TestSupport
import VectorSearch

func rowHeader(dimension: Int) -> RowFileHeader {
  RowFileHeader(storeID: Array(0..<16), generation: 3, dimension: dimension, metric: .cosine)
}

/// Components in −1 ... 1.
func randomVector(_ dimension: Int, _ generator: inout SeededGenerator) -> [Float] {
  (0..<dimension).map { _ in Float.random(in: -1...1, using: &generator) }
}

/// The rows one after the other, each padded with zeros to its stride.
func strides(_ rows: [[Float]], _ header: RowFileHeader) -> [Float] {
  rows.flatMap { $0 + [Float](repeating: 0, count: header.strideBytes / 4 - header.dimension) }
}

func copy(_ span: Span<Float>) -> [Float] { span.indices.map { span[$0] } }

extension RowFile {
  /// A file of the given rows.
  static func make(path: String, rows: [[Float]], header: RowFileHeader) throws -> RowFile {
    try create(path: path, header: header)
    let file = try RowFile(path: path, header: header, rowCount: 0, isReadOnly: false)
    try file.reserve(rowCount: rows.count)
    try file.write(strides: strides(rows, header), fromRow: 0)
    return file
  }
}
