@testable import VectorSearch

/// The header of a row file, as it is and with a checksum that fits, so that the fields behind it are looked at.
enum RowHeaderTarget {
  static func run(_ input: [UInt8]) throws {
    try check(input)
    var sealed = input.prefix(RowFileHeader.byteCount) + [UInt8](repeating: 0, count: max(0, RowFileHeader.byteCount - input.count))
    let checksum = RowFileHeader.checksum(of: Array(sealed))
    for index in 0..<8 { sealed[RowFileHeader.checksumOffset + index] = UInt8(truncatingIfNeeded: checksum >> UInt64(index * 8)) }
    try check(Array(sealed))
  }

  private static func check(_ bytes: [UInt8]) throws {
    let expected = RowFileHeader(storeID: Array(1...16), generation: 3, dimension: 384, metric: .cosine)
    let isExpected = (try? expected.validate(bytes)) != nil
    try require(!isExpected || fields(bytes) == fields(expected.encoded()), "another header passes for the expected one")
    guard let header = RowFileHeader(bytes) else { return try require(!isExpected, "the expected header is no header") }
    try require(header.dimension >= 1, "a header of dimension \(header.dimension) is accepted")
    try require(fields(header.encoded()) == fields(bytes), "a header is written as other bytes")
    try must("a header does not fit itself") { try header.validate(bytes) }
  }

  /// What follows is reserved, but for the checksum.
  private static func fields(_ bytes: [UInt8]) -> [UInt8] { Array(bytes.prefix(52)) }
}
