import Testing
@testable import Formats

@Suite struct JSONReaderTests {
  @Test func readsAMemoryLineInPullStyle() throws {
    let line = #" {"type":"memory", "text":"a \"b\"\n\u00e9\ud83d\ude00","n":-12 , "x":[1,2.5,-3e1],"skip":{"a":[{},[]]},"none":null} "#
    var seen: [String] = []
    try JSONReader.read(Array(line.utf8)) { reader in
      try reader.beginObject()
      while let key = try reader.nextKey() {
        seen.append(key.string)
        switch key {
        case "type": #expect(try reader.readStringBytes().equals("memory"))
        case "text": #expect(try reader.readString() == "a \"b\"\né😀")
        case "n": #expect(try reader.readInt64() == -12)
        case "x": #expect(try reader.readFloatArray(expected: 3) == [1, 2.5, -30])
        case "none": #expect(try reader.readNullIfPresent())
        default: try reader.skipValue()
        }
      }
    }
    #expect(seen == ["type", "text", "n", "x", "skip", "none"])
  }

  @Test func readsEachKindOfValue() throws {
    let value = try jsonValue(#"{"a":[true,false,null],"b":{"c":"d"},"e":1,"f":1.0,"g":{},"h":[]}"#)
    #expect(
      value
        == .object([
          .init(key: "a", value: .array([.bool(true), .bool(false), .null])),
          .init(key: "b", value: .object([.init(key: "c", value: .string("d"))])),
          .init(key: "e", value: .number(.integer(1))),
          .init(key: "f", value: .number(.real(1))),
          .init(key: "g", value: .object([])),
          .init(key: "h", value: .array([])),
        ]))
    #expect(value["e"] == .number(.integer(1)))
    #expect(value["z"] == nil)
  }

  @Test(arguments: [
    ("", JSONError.Code.unexpectedEnd), (" ", .unexpectedEnd), ("[", .unexpectedEnd), ("{", .unexpectedEnd), ("[1", .unexpectedEnd),
    ("[1,", .unexpectedEnd), ("{\"a\"", .unexpectedEnd), ("{\"a\":", .unexpectedEnd), ("{\"a\":1", .unexpectedEnd),
    ("{\"a\":1,", .unexpectedEnd), ("\"", .unexpectedEnd), ("\"a", .unexpectedEnd), ("\"\\", .unexpectedEnd), ("\"\\u12", .unexpectedEnd),
    ("tru", .unexpectedEnd), ("-", .unexpectedEnd), ("1.", .unexpectedEnd), ("1e", .unexpectedEnd), ("1e+", .unexpectedEnd),
    ("[1,]", .unexpectedCharacter), ("[,1]", .unexpectedCharacter), ("[1 2]", .unexpectedCharacter), ("[1,,2]", .unexpectedCharacter),
    ("{\"a\":1,}", .unexpectedCharacter), ("{a:1}", .unexpectedCharacter), ("{\"a\" 1}", .unexpectedCharacter),
    ("{\"a\":}", .unexpectedCharacter), ("{\"a\",1}", .unexpectedCharacter), ("{1:1}", .unexpectedCharacter), ("[1}", .unexpectedCharacter),
    ("{\"a\":1]", .unexpectedCharacter), ("]", .unexpectedCharacter), ("'a'", .unexpectedCharacter), ("NaN", .unexpectedCharacter),
    ("Infinity", .unexpectedCharacter), ("-Infinity", .invalidNumber), ("+1", .unexpectedCharacter), (".5", .unexpectedCharacter),
    ("True", .unexpectedCharacter), ("trua", .unexpectedCharacter), ("nul!", .unexpectedCharacter), ("/*a*/1", .unexpectedCharacter),
    ("\u{FEFF}1", .unexpectedCharacter), ("\u{A0}1", .unexpectedCharacter), ("\u{0C}1", .unexpectedCharacter),
    ("01", .invalidNumber), ("-01", .invalidNumber), ("00", .invalidNumber), ("00.5", .invalidNumber), ("1.e5", .invalidNumber),
    ("1.a", .invalidNumber), ("1ea", .invalidNumber), ("--1", .invalidNumber), ("-a", .invalidNumber),
    ("0x10", .trailingContent), ("1_000", .trailingContent), ("1 1", .trailingContent), ("{}{}", .trailingContent),
    ("1.5.5", .trailingContent),
    ("null,", .trailingContent), ("truer", .trailingContent), ("\"a\"b", .trailingContent), ("1\0", .trailingContent),
    ("1e309", .numberOutOfRange), ("-1e309", .numberOutOfRange), ("1e99999999999999999999", .numberOutOfRange),
    ("\"\u{1}\"", .controlCharacter), ("\"\t\"", .controlCharacter), ("\"\n\"", .controlCharacter),
    ("\"12345678\u{1F}\"", .controlCharacter),
    ("\"\\x\"", .invalidEscape), ("\"\\'\"", .invalidEscape), ("\"\\u12g4\"", .invalidEscape), ("\"\\U1234\"", .invalidEscape),
    ("\"\\ud800\"", .loneSurrogate), ("\"\\udc00\"", .loneSurrogate), ("\"\\ud800\\ud800\"", .loneSurrogate),
    ("\"\\ud800x\"", .loneSurrogate), ("\"\\ud800\\n\"", .loneSurrogate), ("\"\\udc00\\ud800\"", .loneSurrogate),
    ("{\"a\":1,\"a\":2}", .duplicateKey), ("{\"a\":1,\"\\u0061\":2}", .duplicateKey), ("[{\"x\":{\"\":1,\"\":1}}]", .duplicateKey),
  ])
  func refusesWhatIsNotJSON(text: String, code: JSONError.Code) {
    #expect(refusal(text) == code)
    // Skipping is as strict as reading, except that it does not compare keys.
    if code != .duplicateKey {
      #expect(jsonError { try JSONReader.read(Array(text.utf8)) { try $0.skipValue() } }?.code == code)
    }
  }

  @Test func refusesInvalidUTF8() {
    let bad: [[UInt8]] = [
      [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x20], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF], [0xE2, 0x82],
      [0xE2, 0x28, 0xA1],
      [0xE2, 0x82, 0x28], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x9F, 0x98],
      [0xF0, 0x9F, 0x98, 0x28], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xFE],
    ]
    for bytes in bad {
      for padding in [0, 3, 7, 8, 20] {
        let prefix = [UInt8](repeating: 0x61, count: padding)
        let text = [0x22] + prefix + bytes + prefix + [0x22]
        #expect(
          jsonError { _ = try JSONReader.read(text) { try $0.readString() } }
            == JSONError(
              .invalidUTF8, offset: 1 + padding, "invalid UTF-8"))
        #expect(refusal([0x7B] + text + Array(":1}".utf8)) == .invalidUTF8)
      }
    }
  }

  @Test func acceptsEveryScalarAsItselfAndEscaped() throws {
    for value in [UInt32](0...0x2100) + [0xD7FF, 0xE000, 0xFFFD, 0xFFFF, 0x10000, 0x1F600, 0x10FFFF] {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let text = String(Character(scalar))
      let escaped = text.utf16.map { "\\u" + String(0x10000 + UInt32($0), radix: 16).dropFirst() }.joined()
      #expect(try jsonValue("\"\(escaped)\"") == .string(text))
      if value >= 0x20, value != 0x22, value != 0x5C { #expect(try jsonValue("\"\(text)\"") == .string(text)) }
    }
  }

  @Test func errorsNameTheByte() {
    #expect(jsonError { _ = try jsonValue("[1,\n  tru]") }?.offset == 9)
    #expect(jsonError { _ = try jsonValue("{\"é\":1,\"b\":2,\"é\":3}") }?.offset == 15)
    #expect(jsonError { _ = try jsonValue("[1]]") }?.description == "something follows the value (column 4)")
    let mismatch = jsonError { try JSONReader.read(Array("  {}".utf8)) { _ = try $0.readString() } }
    #expect(mismatch == JSONError(.typeMismatch, offset: 2, "expected a string, found an object"))
  }

  @Test func nestingIsBoundedAtTheLimit() {
    let atLimit = String(repeating: "[", count: 128) + String(repeating: "]", count: 128)
    #expect(refusal(atLimit) == nil)
    #expect(refusal("[" + atLimit + "]") == .depthExceeded)
    #expect(refusal(String(repeating: "[", count: 1_000_000)) == .depthExceeded)
    #expect(refusal(String(repeating: "{\"a\":", count: 1_000_000)) == .depthExceeded)
    // Closed containers do not count towards the depth.
    #expect(refusal("[" + String(repeating: "[[]],", count: 1000) + "1]") == nil)
  }

  @Test func keysCompareByteForByte() throws {
    // U+00E9 and e + U+0301 are equal as Swift strings, and two keys in JSON.
    let value = try jsonValue("{\"\u{E9}\":1,\"e\u{301}\":2}")
    #expect(value["\u{E9}"] == .number(.integer(1)))
    #expect(value["e\u{301}"] == .number(.integer(2)))
    try JSONReader.read(Array("{\"t\\u0065xt\":1}".utf8)) { reader in
      try reader.beginObject()
      let key = try #require(try reader.nextKey())
      #expect(key.equals("text"))
      #expect(!key.equals("tex"))
      #expect(!key.equals("texts"))
      try reader.skipValue()
      #expect(try reader.nextKey() == nil)
    }
  }

  @Test func duplicatesAreFoundAmongManyKeys() {
    let keys = (0..<500).map { "\"key\($0)\":\($0)" }.joined(separator: ",")
    #expect(refusal("{\(keys)}") == nil)
    for repeated in [0, 15, 16, 17, 499] { #expect(refusal("{\(keys),\"key\(repeated)\":0}") == .duplicateKey) }
  }

  @Test func callersSeeDuplicateKeysThemselves() throws {
    var keys: [String] = []
    try JSONReader.read(Array(#"{"a":1,"a":2}"#.utf8)) { reader in
      try reader.beginObject()
      while let key = try reader.nextKey() {
        keys.append(key.string)
        try reader.skipValue()
      }
    }
    #expect(keys == ["a", "a"])
  }

  @Test func integersKeepTheirRange() throws {
    func number(_ text: String) throws -> JSONNumber { try JSONReader.read(Array(text.utf8)) { try $0.readNumber() } }
    #expect(try number("9223372036854775807") == .integer(.max))
    #expect(try number("9223372036854775808") == .unsigned(1 << 63))
    #expect(try number("18446744073709551615") == .unsigned(.max))
    #expect(try number("18446744073709551616") == .real(18446744073709551616))
    #expect(try number("-9223372036854775808") == .integer(.min))
    #expect(try number("-9223372036854775809") == .negative(1 << 63))
    #expect(try number("-18446744073709551615") == .negative(.max - 1))
    #expect(try number("-18446744073709551616") == .negative(.max))
    #expect(try number("-18446744073709551617") == .real(-18446744073709551616))
    #expect(try number("-0") == .integer(0))
    #expect(try number("3.0") == .real(3))
    #expect(try number("3e0") == .real(3))
    #expect(try number("1E2") == .real(100))

    func int64(_ text: String) throws -> Int64 { try JSONReader.read(Array(text.utf8)) { try $0.readInt64() } }
    #expect(try int64("-9223372036854775808") == .min)
    #expect(jsonError { _ = try int64("9223372036854775808") }?.code == .numberOutOfRange)
    #expect(jsonError { _ = try int64("1.0") }?.code == .typeMismatch)
    #expect(jsonError { _ = try int64("\"1\"") }?.code == .typeMismatch)
  }

  @Test func floatArraysCheckTheirCountAndTheirElements() throws {
    func floats(_ text: String, _ expected: Int) throws -> [Float] {
      try JSONReader.read(Array(text.utf8)) { try $0.readFloatArray(expected: expected) }
    }
    #expect(try floats("[]", 0) == [])
    #expect(try floats(" [ 1 , -2.5 ] ", 2) == [1, -2.5])
    #expect(jsonError { _ = try floats("[1,2]", 3) } == JSONError(.wrongCount, offset: 0, "expected 3 numbers, found 2"))
    #expect(jsonError { _ = try floats("[1,2,3,4]", 3) }?.code == .wrongCount)
    #expect(jsonError { _ = try floats("[1]", .max) }?.code == .wrongCount)
    #expect(jsonError { _ = try floats("[1,null]", 2) }?.code == .typeMismatch)
    #expect(jsonError { _ = try floats("[1e39]", 1) }?.code == .numberOutOfRange)
    #expect(jsonError { _ = try floats("\"AAAA\"", 1) }?.code == .typeMismatch)
    var reused: [Float] = [9, 9, 9]
    try JSONReader.read(Array("[1,2]".utf8)) { try $0.readFloatArray(into: &reused) }
    #expect(reused == [1, 2])
  }

  @Test func base64ErrorsPointIntoTheLine() throws {
    func floats(_ text: String) throws -> [Float] { try JSONReader.read(Array(text.utf8)) { try $0.readBase64Floats() } }
    #expect(try floats(#""AACAPwAAAMA=""#) == [1, -2])
    #expect(try floats(#""AAC\u0041PwAAAMA=""#) == [1, -2])
    #expect(jsonError { _ = try floats(#"  "AACAP*AAAMA=""#) }?.offset == 8)
    #expect(jsonError { _ = try floats(#""AAAA""#) }?.code == .invalidBase64)
    #expect(try JSONReader.read(Array(#""aGk=""#.utf8)) { try $0.readBase64() } == Array("hi".utf8))
  }
}
