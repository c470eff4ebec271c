import Testing

@testable import Engram

struct FeatureHashTests {
  /// Computed by an implementation in another language; stored vectors depend on them.
  @Test func hashesNeverChange() {
    #expect(FeatureHash(kind: UInt8(ascii: "a")).value == 0x5f29_c2aa_dd9b_8527)
    var hash = FeatureHash(kind: UInt8(ascii: "w"))
    for scalar in "zoë".unicodeScalars { hash.combine(scalar: scalar.value) }
    #expect(hash.value == 0xe2f0_bdbe_df91_ba7e)
  }

  @Test func scalarsAreHashedAsTheirUTF8() throws {
    for value: UInt32 in [0, 0x41, 0x7f, 0x80, 0xe9, 0x7ff, 0x800, 0x20ac, 0xffff, 0x1_0000, 0x1_f525, 0x10_ffff] {
      let scalar = try #require(Unicode.Scalar(value))
      var whole = FeatureHash(kind: 0)
      whole.combine(scalar: value)
      var bytes = FeatureHash(kind: 0)
      for byte in String(scalar).utf8 { bytes.combine(byte: byte) }
      #expect(whole.value == bytes.value, "U+\(String(value, radix: 16))")
    }
  }
}
