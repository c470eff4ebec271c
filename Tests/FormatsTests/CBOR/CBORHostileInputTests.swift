import Testing

@testable import Formats

struct CBORHostileInputTests {
  @Test func reservedHeadsAreRefused() {
    for major in UInt8(0)..<8 {
      for info in UInt8(28)...30 {
        #expect(cborReadError(hex: cborHex([major << 5 | info])) == .malformedHead)
      }
    }
    for head in ["1f", "3f", "df"] { #expect(cborReadError(hex: head) == .malformedHead) }
    #expect(cborReadError(hex: "ff") == .malformedHead)
    for value in 0..<32 { #expect(cborReadError(hex: "f8" + cborHex([UInt8(value)])) == .malformedHead) }
  }

  @Test func misplacedBreaksAreRefused() {
    // In a definite array, as a value, as a tag's content, and instead of the value of a key.
    for input in ["81ff", "a100ff", "c1ff", "bf00ff", "8200ff", "a1ff00"] {
      #expect(cborReadError(hex: input) == .malformedHead, "\(input)")
    }
  }

  @Test func chunksMustBeDefiniteStringsOfTheSameType() {
    for input in ["5f6161ff", "7f4161ff", "5f5f4161ffff", "7f00ff", "5fc04161ff", "7f7f6161ffff"] {
      #expect(cborReadError(hex: input) == .malformedHead, "\(input)")
    }
    #expect(cborReadError(hex: "7f61c361bcff") == .invalidUTF8, "a character may not be split over chunks")
  }

  @Test func invalidUTF8IsRefused() {
    // The last two have as many bytes as the same texts repaired with U+FFFD.
    for input in ["61ff", "62c080", "63eda080", "64f4908080", "61c3", "a161ff00", "63f09f98", "6461f09f98"] {
      #expect(cborReadError(hex: input) == .invalidUTF8, "\(input)")
    }
    #expect(throws: DecodingError.self) { try CBORDecoder().decode([String: Int].self, from: cborBytes(hex: "a161ff00")) }
    #expect(throws: DecodingError.self) { try CBORDecoder().decode(String.self, from: cborBytes(hex: "61ff")) }
  }

  /// Each length claims far more than the input has; no memory may be reserved according to the claim.
  @Test func claimsBeyondTheInputAreRefused() {
    let lengths = ["1a7fffffff", "1b7fffffffffffffff", "1bffffffffffffffff", "1b0000000100000000"]
    for length in lengths {
      for major in UInt8(2)...5 {
        var input = cborBytes(hex: length)
        input[0] |= major << 5
        input += [0, 0, 0]
        #expect(cborCode { () throws(CBORError) in _ = try CBORReader.value(of: input) } == .lengthOverflow)
        #expect(throws: DecodingError.self) { try CBORDecoder().decode([Int].self, from: input) }
      }
    }
    #expect(cborReadError(hex: "a20000") == .lengthOverflow, "two pairs need four bytes")
    #expect(cborReadError(hex: "8300") == .lengthOverflow)
  }

  @Test func depthIsLimitedInReadingAndWriting() throws {
    let limit = CBORWriter.defaultDepthLimit
    let nests: [(open: String, close: String)] = [("81", ""), ("a100", ""), ("c1", ""), ("9f", "ff"), ("bf00", "ff")]
    for nest in nests {
      func nested(_ depth: Int) -> [UInt8] {
        cborBytes(hex: String(repeating: nest.open, count: depth) + "00" + String(repeating: nest.close, count: depth))
      }
      let tree = try CBORReader.value(of: nested(limit))
      _ = try cborEncoding(of: tree)
      #expect(cborCode { () throws(CBORError) in _ = try CBORReader.value(of: nested(limit + 1)) } == .depthExceeded)
      #expect(
        cborCode { () throws(CBORError) in
          try CBORReader.withReader(over: nested(limit + 1)) { reader throws(CBORError) in try reader.skip() }
        } == .depthExceeded)
      #expect(throws: DecodingError.self) { try CBORDecoder().decode([Int].self, from: nested(limit + 1)) }
      var writer = CBORWriter()
      #expect(cborCode { () throws(CBORError) in try writer.value(.array([tree])) } == .depthExceeded)
    }
    let key = cborBytes(hex: String(repeating: "a1", count: limit + 1) + "00") + [UInt8](repeating: 0, count: limit + 1)
    #expect(cborCode { () throws(CBORError) in _ = try CBORReader.value(of: key) } == .depthExceeded)
  }

  @Test(arguments: [
    "a2 0000 0001", "a2 0100 180100", "a2 0000 19000000", "a2 616100 78016100", "bf 616100 7f6161ff00 ff",
    "a2 f93c0000 fa3f80000000", "a2 f97e0000 fb7ff800000000000000", "a2 810100 9f01ff00", "a2 a20102030400 a20304010200",
    "a2 f500 f501", "a3 616100 616200 616100", "81 a200000000", "a100 a200000000", "a1 a200000000 00", "a1 81a200000000 00",
    "a2 c10000 c1180000",
  ])
  func duplicateKeysAreFoundByValue(_ input: String) {
    #expect(cborReadError(hex: input) == .duplicateKey)
    do {
      _ = try CBORDecoder().decode([String: Int].self, from: cborBytes(hex: input))
      Issue.record("an error was expected")
    } catch DecodingError.dataCorrupted(let context) {
      #expect((context.underlyingError as? CBORError)?.code == .duplicateKey)
    } catch {
      Issue.record("unexpected: \(error)")
    }
  }

  /// 1 and 1.0; 0.0 and -0.0; the bytes and the text "a"; false, null and undefined; 1 and [1].
  @Test(arguments: ["a2 0100 f93c0000", "a2 f9000000 f9800000", "a2 416100 616100", "a3 f400 f600 f700", "a2 0100 810100"])
  func keysOfDifferentTypesAreDifferent(_ input: String) throws {
    _ = try CBORReader.value(of: cborBytes(hex: input))
    _ = try CBORDecoder().decode([String: Int].self, from: cborBytes(hex: input))
  }

  /// A megabyte of each shape that could take quadratic time. The limits are generous, since a quadratic algorithm would need minutes.
  @Test(.timeLimit(.minutes(5)))
  func megabytesOfHostileInputAreHandledInTime() throws {
    let million = 1_000_000
    var inputs: [[UInt8]] = [
      [UInt8](repeating: 0x81, count: million),
      [UInt8](repeating: 0x9f, count: million),
      [UInt8](repeating: 0xa1, count: million),
      [UInt8](repeating: 0xc1, count: million),
      [0x5f] + [UInt8](repeating: 0x40, count: million) + [0xff],
      [0x9f] + [UInt8](repeating: 0x80, count: million) + [0xff],
    ]
    // Many keys in descending order, so that the fast path is not used; then the same with a duplicate at the end.
    var descending = CBORWriter()
    let count = 150_000
    descending.map(count: count)
    for key in (0..<count).reversed() {
      descending.unsigned(UInt64(key) + 70_000)
      descending.null()
    }
    inputs.append(descending.bytes)
    // Keys with a long common prefix.
    var prefixed = CBORWriter()
    prefixed.map(count: 1_000)
    for key in (0..<1_000).reversed() {
      prefixed.text(String(repeating: "x", count: 1_000) + String(key + 1_000))
      prefixed.null()
    }
    inputs.append(prefixed.bytes)
    // Nested keys, all of them in the wrong order and not in shortest form, around a large innermost key.
    var nested: [UInt8] = [0x9f] + [UInt8](repeating: 0x00, count: million) + [0xff]
    for _ in 0..<100 { nested = [0xa2] + nested + [0x00, 0x00, 0x00] }
    inputs.append(nested)
    for input in inputs {
      _ = try? CBORReader.value(of: input)
      _ = try? CBORReader.withReader(over: input) { reader throws(CBORError) in try reader.skip() }
      _ = try? CBORDecoder().decode([String: [Int]].self, from: input)
    }
    #expect(try CBORReader.value(of: descending.bytes) != .null)
    #expect(try CBORReader.value(of: nested) != .null)
  }

  @Test func aMapOfAHundredThousandKeysDecodesInTime() throws {
    let map = Dictionary(uniqueKeysWithValues: (0..<100_000).map { ("key\($0)", $0) })
    #expect(try CBORDecoder().decode([String: Int].self, from: CBOREncoder().encode(map)) == map)
  }
}
