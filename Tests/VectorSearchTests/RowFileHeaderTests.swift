import Checksums
import TestSupport
import TestTraps
import Testing
import VectorSearch

@Suite struct RowFileHeaderTests {
  static let header = RowFileHeader(storeID: Array(0x10..<0x20), generation: 0x0102_0304_0506_0708, dimension: 17, metric: .cosine)

  /// Replaces the checksum of changed bytes by the right one.
  private func sealed(_ bytes: [UInt8]) -> [UInt8] {
    let checksum = unsafe bytes.withUnsafeBytes { unsafe XXH3.hash64(UnsafeRawBufferPointer(rebasing: $0[..<64])) }
    var bytes = bytes
    for index in 0..<8 { bytes[64 + index] = UInt8(truncatingIfNeeded: checksum >> (8 * index)) }
    return bytes
  }

  private func mismatch(_ bytes: [UInt8]) -> String? {
    do throws(RowFileError) {
      try Self.header.validate(bytes)
      return nil
    } catch {
      guard case .headerMismatch(let field, let expected, let found) = error, expected != found else { return "\(error)" }
      return field
    }
  }

  @Test func everyFieldStandsWhereTheFileFormatSays() throws {
    let bytes = Self.header.encoded()
    #expect(bytes.count == 4096)
    #expect(Array(bytes[0..<8]) == Array("ENGRAMRW".utf8))
    #expect(Array(bytes[8..<16]) == [1, 0, 0, 0, 4, 3, 2, 1])
    #expect(Array(bytes[16..<32]) == Array(0x10..<0x20))
    #expect(Array(bytes[32..<40]) == [8, 7, 6, 5, 4, 3, 2, 1])
    #expect(Array(bytes[40..<52]) == [17, 0, 0, 0, 128, 0, 0, 0, 1, 0, 0, 0])
    #expect(bytes[52..<64].allSatisfy { $0 == 0 } && bytes[72...].allSatisfy { $0 == 0 })
    #expect(sealed(bytes) == bytes)
    try Self.header.validate(bytes)
  }

  @Test(arguments: [(1, 64), (15, 64), (16, 64), (17, 128), (32, 128), (33, 192), (384, 1536), (1000, 4032)])
  func theStrideIsTheRowRoundedUpToSixtyFourBytes(dimension: Int, strideBytes: Int) {
    let header = RowFileHeader(storeID: Array(0..<16), generation: 1, dimension: dimension, metric: .dot)
    #expect(header.strideBytes == strideBytes)
  }

  @Test func everyChangedBitIsRefusedUnderTheNameOfItsField() {
    let bytes = Self.header.encoded()
    for bit in 0..<72 * 8 {
      var changed = bytes
      changed[bit / 8] ^= 1 << (bit % 8)
      let expected =
        switch bit / 8 {
        case 0..<8: "magic"
        case 8..<12: "format version"
        case 12..<16: "endian tag"
        default: "header checksum"
        }
      #expect(mismatch(changed) == expected)
    }
  }

  @Test func everyFieldOfAnIntactHeaderOfAnotherFileIsNamed() {
    let bytes = Self.header.encoded()
    for bit in (16 * 8)..<(52 * 8) {
      var changed = bytes
      changed[bit / 8] ^= 1 << (bit % 8)
      let expected =
        switch bit / 8 {
        case 16..<32: "store UUID"
        case 32..<40: "generation"
        case 40..<44: "dimension"
        case 44..<48: "stride"
        default: "metric"
        }
      #expect(mismatch(sealed(changed)) == expected)
    }
  }

  /// Bug: a header of dimension 0 was accepted, and every division by the bytes of a row trapped. Fix: it is refused.
  @Test func aHeaderOfNoDimensionIsNone() {
    var bytes = Self.header.encoded()
    for index in 40..<48 { bytes[index] = 0 }
    #expect(RowFileHeader(sealed(bytes)) == nil)
    #expect(RowFileHeader(Self.header.encoded()) == Self.header)
  }

  @Test func theMismatchTellsBothValues() {
    let other = RowFileHeader(storeID: Self.header.storeID, generation: Self.header.generation, dimension: 18, metric: .cosine)
    #expect(throws: RowFileError.headerMismatch(field: "dimension", expected: "17", found: "18")) {
      try Self.header.validate(other.encoded())
    }
  }

  @Test(arguments: [0, 1, 71, 4095, 4097]) func anotherLengthIsTruncation(count: Int) {
    let bytes = Array((Self.header.encoded() + [0]).prefix(count))
    #expect(throws: RowFileError.truncated(expectedBytes: 4096, foundBytes: count)) { try Self.header.validate(bytes) }
  }

  @Test func aStoreIDOfAnotherLengthTraps() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = RowFileHeader(storeID: [1, 2, 3], generation: 1, dimension: 1, metric: .dot)
    }
    expectTrap(result, "a store's UUID has 16 bytes")
  }
}
