import Checksums

/// The first 4096 bytes of a row file. FileFormat.md has the byte table.
package struct RowFileHeader: Sendable, Equatable {
  package static let byteCount = 4096
  package static let formatVersion: UInt32 = 1
  static let magic: [UInt8] = Array("ENGRAMRW".utf8)
  static let endianTag: UInt32 = 0x0102_0304
  /// Where the checksum is, which covers the bytes before it.
  static let checksumOffset = 64

  /// The store's UUID, 16 bytes.
  package let storeID: [UInt8]
  package let generation: UInt64
  package let dimension: Int
  package let metric: RowMetric

  package init(storeID: [UInt8], generation: UInt64, dimension: Int, metric: RowMetric) {
    precondition(storeID.count == 16, "a store's UUID has 16 bytes")
    self.storeID = storeID
    self.generation = generation
    self.dimension = dimension
    self.metric = metric
  }

  /// Bytes from one row to the next: the row's own, rounded up to a multiple of 64.
  package var strideBytes: Int { (dimension * 4 + 63) / 64 * 64 }

  /// The header as it is in the file.
  package func encoded() -> [UInt8] {
    var bytes = Self.magic
    bytes.appendLittleEndian(Self.formatVersion)
    bytes.appendLittleEndian(Self.endianTag)
    bytes.append(contentsOf: storeID)
    bytes.appendLittleEndian(generation)
    bytes.appendLittleEndian(UInt32(dimension))
    bytes.appendLittleEndian(UInt32(strideBytes))
    bytes.appendLittleEndian(metric.rawValue)
    bytes.append(contentsOf: [UInt8](repeating: 0, count: Self.checksumOffset - bytes.count))
    bytes.appendLittleEndian(Self.checksum(of: bytes))
    bytes.append(contentsOf: [UInt8](repeating: 0, count: Self.byteCount - bytes.count))
    return bytes
  }

  static func checksum(of bytes: [UInt8]) -> UInt64 {
    XXH3.hash64(unsafe bytes.span.bytes.extracting(0..<checksumOffset))
  }

  /// Reads a header whose store is not known; nil if it is damaged or of another format.
  package init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.byteCount, Array(bytes[0..<8]) == Self.magic,
      bytes.littleEndian(at: 12, as: UInt32.self) == Self.endianTag, bytes.littleEndian(at: 8, as: UInt32.self) == Self.formatVersion,
      bytes.littleEndian(at: Self.checksumOffset, as: UInt64.self) == Self.checksum(of: bytes),
      let metric = RowMetric(rawValue: bytes.littleEndian(at: 48, as: UInt32.self))
    else { return nil }
    self.init(
      storeID: Array(bytes[16..<32]), generation: bytes.littleEndian(at: 32, as: UInt64.self),
      dimension: Int(bytes.littleEndian(at: 40, as: UInt32.self)), metric: metric)
    guard dimension > 0, bytes.littleEndian(at: 44, as: UInt32.self) == strideBytes else { return nil }
  }

  /// Compares `bytes` with this header, field by field.
  ///
  /// - Throws: ``RowFileError`` `.truncated`, or `.headerMismatch` with the name of the first field that differs.
  package func validate(_ bytes: [UInt8]) throws(RowFileError) {
    guard bytes.count == Self.byteCount else { throw .truncated(expectedBytes: Self.byteCount, foundBytes: bytes.count) }
    func compare(_ field: String, _ expected: some Equatable, _ found: some Equatable) throws(RowFileError) {
      let (expected, found) = ("\(expected)", "\(found)")
      if expected != found { throw .headerMismatch(field: field, expected: expected, found: found) }
    }
    try compare("magic", String(decoding: Self.magic, as: UTF8.self), String(decoding: bytes[0..<8], as: UTF8.self))
    try compare("endian tag", Self.endianTag, bytes.littleEndian(at: 12, as: UInt32.self))
    try compare("format version", Self.formatVersion, bytes.littleEndian(at: 8, as: UInt32.self))
    try compare("header checksum", Self.checksum(of: bytes), bytes.littleEndian(at: Self.checksumOffset, as: UInt64.self))
    try compare("store UUID", storeID, Array(bytes[16..<32]))
    try compare("generation", generation, bytes.littleEndian(at: 32, as: UInt64.self))
    try compare("dimension", dimension, bytes.littleEndian(at: 40, as: UInt32.self))
    try compare("stride", strideBytes, bytes.littleEndian(at: 44, as: UInt32.self))
    try compare("metric", metric.rawValue, bytes.littleEndian(at: 48, as: UInt32.self))
  }
}

extension [UInt8] {
  mutating func appendLittleEndian<Integer: FixedWidthInteger>(_ value: Integer) {
    for shift in stride(from: 0, to: Integer.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: value >> shift)) }
  }

  func littleEndian<Integer: FixedWidthInteger>(at offset: Int, as type: Integer.Type) -> Integer {
    var value: Integer = 0
    for index in 0..<(Integer.bitWidth / 8) { value |= Integer(self[offset + index]) << (index * 8) }
    return value
  }
}
