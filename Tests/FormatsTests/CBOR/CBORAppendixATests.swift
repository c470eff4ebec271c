import Testing

@testable import Formats

/// RFC 8949 Appendix A. If the RFC's notation shows lengths and widths, which a tree does not keep, the notation here is ours.
struct CBORAppendixATests {
  struct Example: Sendable {
    let hex: String
    let value: CBORValue
    let notation: String
    /// Whether writing the value gives these bytes.
    let isDeterministic: Bool
  }

  static let examples: [Example] = [
    Example(hex: "00", value: .unsigned(0), notation: "0", isDeterministic: true),
    Example(hex: "01", value: .unsigned(1), notation: "1", isDeterministic: true),
    Example(hex: "0a", value: .unsigned(10), notation: "10", isDeterministic: true),
    Example(hex: "17", value: .unsigned(23), notation: "23", isDeterministic: true),
    Example(hex: "1818", value: .unsigned(24), notation: "24", isDeterministic: true),
    Example(hex: "1819", value: .unsigned(25), notation: "25", isDeterministic: true),
    Example(hex: "1864", value: .unsigned(100), notation: "100", isDeterministic: true),
    Example(hex: "1903e8", value: .unsigned(1000), notation: "1000", isDeterministic: true),
    Example(hex: "1a000f4240", value: .unsigned(1000000), notation: "1000000", isDeterministic: true),
    Example(hex: "1b000000e8d4a51000", value: .unsigned(1000000000000), notation: "1000000000000", isDeterministic: true),
    Example(hex: "1bffffffffffffffff", value: .unsigned(18446744073709551615), notation: "18446744073709551615", isDeterministic: true),
    Example(
      hex: "c249010000000000000000",
      value: .tag(2, .bytes([1, 0, 0, 0, 0, 0, 0, 0, 0])),
      notation: "18446744073709551616",
      isDeterministic: true),
    Example(hex: "3bffffffffffffffff", value: .negative(18446744073709551615), notation: "-18446744073709551616", isDeterministic: true),
    Example(
      hex: "c349010000000000000000",
      value: .tag(3, .bytes([1, 0, 0, 0, 0, 0, 0, 0, 0])),
      notation: "-18446744073709551617",
      isDeterministic: true),
    Example(hex: "20", value: .negative(0), notation: "-1", isDeterministic: true),
    Example(hex: "29", value: .negative(9), notation: "-10", isDeterministic: true),
    Example(hex: "3863", value: .negative(99), notation: "-100", isDeterministic: true),
    Example(hex: "3903e7", value: .negative(999), notation: "-1000", isDeterministic: true),
    Example(hex: "f90000", value: .float(0.0), notation: "0.0", isDeterministic: true),
    Example(hex: "f98000", value: .float(-0.0), notation: "-0.0", isDeterministic: true),
    Example(hex: "f93c00", value: .float(1.0), notation: "1.0", isDeterministic: true),
    Example(hex: "fb3ff199999999999a", value: .float(1.1), notation: "1.1", isDeterministic: true),
    Example(hex: "f93e00", value: .float(1.5), notation: "1.5", isDeterministic: true),
    Example(hex: "f97bff", value: .float(65504.0), notation: "65504.0", isDeterministic: true),
    Example(hex: "fa47c35000", value: .float(100000.0), notation: "100000.0", isDeterministic: true),
    Example(hex: "fa7f7fffff", value: .float(3.4028234663852886e+38), notation: "3.4028234663852886e+38", isDeterministic: true),
    Example(hex: "fb7e37e43c8800759c", value: .float(1.0e+300), notation: "1.0e+300", isDeterministic: true),
    Example(hex: "f90001", value: .float(5.960464477539063e-8), notation: "5.960464477539063e-8", isDeterministic: true),
    Example(hex: "f90400", value: .float(0.00006103515625), notation: "6.103515625e-5", isDeterministic: true),
    Example(hex: "f9c400", value: .float(-4.0), notation: "-4.0", isDeterministic: true),
    Example(hex: "fbc010666666666666", value: .float(-4.1), notation: "-4.1", isDeterministic: true),
    Example(hex: "f97c00", value: .float(.infinity), notation: "Infinity", isDeterministic: true),
    Example(hex: "fa7f800000", value: .float(.infinity), notation: "Infinity", isDeterministic: false),
    Example(hex: "fb7ff0000000000000", value: .float(.infinity), notation: "Infinity", isDeterministic: false),
    Example(hex: "f97e00", value: .float(.nan), notation: "NaN", isDeterministic: true),
    Example(hex: "fa7fc00000", value: .float(.nan), notation: "NaN", isDeterministic: false),
    Example(hex: "fb7ff8000000000000", value: .float(.nan), notation: "NaN", isDeterministic: false),
    Example(hex: "f9fc00", value: .float(-.infinity), notation: "-Infinity", isDeterministic: true),
    Example(hex: "faff800000", value: .float(-.infinity), notation: "-Infinity", isDeterministic: false),
    Example(hex: "fbfff0000000000000", value: .float(-.infinity), notation: "-Infinity", isDeterministic: false),
    Example(hex: "f4", value: .bool(false), notation: "false", isDeterministic: true),
    Example(hex: "f5", value: .bool(true), notation: "true", isDeterministic: true),
    Example(hex: "f6", value: .null, notation: "null", isDeterministic: true),
    Example(hex: "f7", value: .undefined, notation: "undefined", isDeterministic: true),
    Example(hex: "f0", value: .simple(16), notation: "simple(16)", isDeterministic: true),
    Example(hex: "f8ff", value: .simple(255), notation: "simple(255)", isDeterministic: true),
    Example(
      hex: "c074323031332d30332d32315432303a30343a30305a",
      value: .tag(0, .text("2013-03-21T20:04:00Z")),
      notation: #"0("2013-03-21T20:04:00Z")"#,
      isDeterministic: true),
    Example(hex: "c11a514b67b0", value: .tag(1, .unsigned(1_363_896_240)), notation: "1(1363896240)", isDeterministic: true),
    Example(hex: "c1fb41d452d9ec200000", value: .tag(1, .float(1363896240.5)), notation: "1(1363896240.5)", isDeterministic: true),
    Example(hex: "d74401020304", value: .tag(23, .bytes([1, 2, 3, 4])), notation: "23(h'01020304')", isDeterministic: true),
    Example(
      hex: "d818456449455446",
      value: .tag(24, .bytes([0x64, 0x49, 0x45, 0x54, 0x46])),
      notation: "24(h'6449455446')",
      isDeterministic: true),
    Example(
      hex: "d82076687474703a2f2f7777772e6578616d706c652e636f6d",
      value: .tag(32, .text("http://www.example.com")),
      notation: #"32("http://www.example.com")"#,
      isDeterministic: true),
    Example(hex: "40", value: .bytes([]), notation: "h''", isDeterministic: true),
    Example(hex: "4401020304", value: .bytes([1, 2, 3, 4]), notation: "h'01020304'", isDeterministic: true),
    Example(hex: "60", value: .text(""), notation: #""""#, isDeterministic: true),
    Example(hex: "6161", value: .text("a"), notation: #""a""#, isDeterministic: true),
    Example(hex: "6449455446", value: .text("IETF"), notation: #""IETF""#, isDeterministic: true),
    Example(hex: "62225c", value: .text("\"\\"), notation: #""\"\\""#, isDeterministic: true),
    Example(hex: "62c3bc", value: .text("ü"), notation: #""ü""#, isDeterministic: true),
    Example(hex: "63e6b0b4", value: .text("水"), notation: #""水""#, isDeterministic: true),
    Example(hex: "64f0908591", value: .text("𐅑"), notation: #""𐅑""#, isDeterministic: true),
    Example(hex: "80", value: .array([]), notation: "[]", isDeterministic: true),
    Example(hex: "83010203", value: .array([.unsigned(1), .unsigned(2), .unsigned(3)]), notation: "[1, 2, 3]", isDeterministic: true),
    Example(
      hex: "8301820203820405",
      value: .array([.unsigned(1), .array([.unsigned(2), .unsigned(3)]), .array([.unsigned(4), .unsigned(5)])]),
      notation: "[1, [2, 3], [4, 5]]",
      isDeterministic: true),
    Example(
      hex: "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
      value: .array((1...25).map { .unsigned($0) }),
      notation: "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25]",
      isDeterministic: true),
    Example(hex: "a0", value: .map([]), notation: "{}", isDeterministic: true),
    Example(
      hex: "a201020304",
      value: .map([
        .init(key: .unsigned(1), value: .unsigned(2)),
        .init(key: .unsigned(3), value: .unsigned(4)),
      ]),
      notation: "{1: 2, 3: 4}",
      isDeterministic: true),
    Example(
      hex: "a26161016162820203",
      value: .map([
        .init(key: .text("a"), value: .unsigned(1)),
        .init(key: .text("b"), value: .array([.unsigned(2), .unsigned(3)])),
      ]),
      notation: #"{"a": 1, "b": [2, 3]}"#,
      isDeterministic: true),
    Example(
      hex: "826161a161626163",
      value: .array([.text("a"), .map([.init(key: .text("b"), value: .text("c"))])]),
      notation: #"["a", {"b": "c"}]"#,
      isDeterministic: true),
    Example(
      hex: "a56161614161626142616361436164614461656145",
      value: .map([
        .init(key: .text("a"), value: .text("A")),
        .init(key: .text("b"), value: .text("B")),
        .init(key: .text("c"), value: .text("C")),
        .init(key: .text("d"), value: .text("D")),
        .init(key: .text("e"), value: .text("E")),
      ]),
      notation: #"{"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"}"#,
      isDeterministic: true),
    Example(hex: "5f42010243030405ff", value: .bytes([1, 2, 3, 4, 5]), notation: "h'0102030405'", isDeterministic: false),
    Example(hex: "7f657374726561646d696e67ff", value: .text("streaming"), notation: #""streaming""#, isDeterministic: false),
    Example(hex: "9fff", value: .array([]), notation: "[]", isDeterministic: false),
    Example(
      hex: "9f018202039f0405ffff",
      value: .array([.unsigned(1), .array([.unsigned(2), .unsigned(3)]), .array([.unsigned(4), .unsigned(5)])]),
      notation: "[1, [2, 3], [4, 5]]",
      isDeterministic: false),
    Example(
      hex: "9f01820203820405ff",
      value: .array([.unsigned(1), .array([.unsigned(2), .unsigned(3)]), .array([.unsigned(4), .unsigned(5)])]),
      notation: "[1, [2, 3], [4, 5]]",
      isDeterministic: false),
    Example(
      hex: "83018202039f0405ff",
      value: .array([.unsigned(1), .array([.unsigned(2), .unsigned(3)]), .array([.unsigned(4), .unsigned(5)])]),
      notation: "[1, [2, 3], [4, 5]]",
      isDeterministic: false),
    Example(
      hex: "83019f0203ff820405",
      value: .array([.unsigned(1), .array([.unsigned(2), .unsigned(3)]), .array([.unsigned(4), .unsigned(5)])]),
      notation: "[1, [2, 3], [4, 5]]",
      isDeterministic: false),
    Example(
      hex: "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff",
      value: .array((1...25).map { .unsigned($0) }),
      notation: "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25]",
      isDeterministic: false),
    Example(
      hex: "bf61610161629f0203ffff",
      value: .map([
        .init(key: .text("a"), value: .unsigned(1)),
        .init(key: .text("b"), value: .array([.unsigned(2), .unsigned(3)])),
      ]),
      notation: #"{"a": 1, "b": [2, 3]}"#,
      isDeterministic: false),
    Example(
      hex: "826161bf61626163ff",
      value: .array([.text("a"), .map([.init(key: .text("b"), value: .text("c"))])]),
      notation: #"["a", {"b": "c"}]"#,
      isDeterministic: false),
    Example(
      hex: "bf6346756ef563416d7421ff",
      value: .map([
        .init(key: .text("Fun"), value: .bool(true)),
        .init(key: .text("Amt"), value: .negative(1)),
      ]),
      notation: #"{"Fun": true, "Amt": -2}"#,
      isDeterministic: false),
  ]

  @Test(arguments: examples)
  func exampleDecodes(_ example: Example) throws {
    let value = try CBORReader.value(of: cborBytes(hex: example.hex))
    if case .float(let expected) = example.value, expected.isNaN {
      guard case .float(let found) = value else {
        Issue.record("\(value) is not a float")
        return
      }
      #expect(found.isNaN)
    } else {
      #expect(value == example.value)
    }
    if case .float(let expected) = example.value, case .float(let found) = value {
      #expect(found.sign == expected.sign, "zero keeps its sign")
    }
  }

  @Test(arguments: examples.filter(\.isDeterministic))
  func exampleEncodes(_ example: Example) throws {
    #expect(cborHex(try cborEncoding(of: example.value)) == example.hex)
  }

  @Test(arguments: examples)
  func exampleHasNotation(_ example: Example) throws {
    #expect(try CBORDiagnostic.text(of: cborBytes(hex: example.hex)) == example.notation)
  }

  @Test(arguments: examples)
  func exampleIsSkippedAsAWhole(_ example: Example) throws {
    try CBORReader.withReader(over: cborBytes(hex: example.hex) + [0x00]) { reader throws(CBORError) in
      try reader.skip()
      #expect(reader.remaining == 1)
    }
  }

  @Test func everyExampleIsHere() {
    // The table of RFC 7049 had 82 rows; RFC 8949 dropped simple(24), which is not well-formed.
    #expect(Self.examples.count == 81)
  }
}
