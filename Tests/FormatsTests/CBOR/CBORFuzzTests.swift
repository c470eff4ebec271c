import Testing

@testable import Formats

struct CBORFuzzTests {
  @Test func randomTreesRoundTrip() throws {
    var generator = CBORTreeGenerator(seed: 1)
    for _ in 0..<5_000 {
      let tree = try generator.tree()
      let encoded = try cborEncoding(of: tree)
      let decoded = try CBORReader.value(of: encoded)
      #expect(decoded == tree)
      #expect(try cborEncoding(of: decoded) == encoded)
    }
  }

  @Test func entryOrderDoesNotChangeTheEncoding() throws {
    var generator = CBORTreeGenerator(seed: 2)
    var random = CBORTestGenerator(seed: 3)
    for _ in 0..<2_000 {
      let tree = try generator.tree()
      #expect(try cborEncoding(of: shuffled(tree, &random)) == cborEncoding(of: tree))
    }
  }

  private func shuffled(_ value: CBORValue, _ random: inout CBORTestGenerator) -> CBORValue {
    switch value {
    case .array(let elements): return .array(elements.map { shuffled($0, &random) })
    case .tag(let number, let content): return .tag(number, shuffled(content, &random))
    case .map(let entries):
      return .map(
        entries.map { .init(key: shuffled($0.key, &random), value: shuffled($0.value, &random)) }.shuffled(using: &random))
    default: return value
    }
  }

  @Test func everyTruncationIsAnError() throws {
    var generator = CBORTreeGenerator(seed: 4)
    for _ in 0..<300 {
      let encoded = try cborEncoding(of: generator.tree())
      for count in 0..<encoded.count {
        let start = Array(encoded[..<count])
        #expect(cborCode { () throws(CBORError) in _ = try CBORReader.value(of: start) } != nil)
        #expect(cborCode { () throws(CBORError) in try CBORReader.withReader(over: start) { r throws(CBORError) in try r.skip() } } != nil)
        #expect(throws: DecodingError.self) { try CBORDecoder().decode(AnyItem.self, from: start) }
      }
    }
  }

  @Test func bytesAfterTheItemAreAnError() throws {
    var generator = CBORTreeGenerator(seed: 5)
    for _ in 0..<300 {
      let encoded = try cborEncoding(of: generator.tree()) + [0x00]
      #expect(cborCode { () throws(CBORError) in _ = try CBORReader.value(of: encoded) } == .trailingBytes)
      #expect(throws: DecodingError.self) { try CBORDecoder().decode(AnyItem.self, from: encoded) }
    }
  }

  /// Trees, the skipping reader and the index of the decoder are three parsers: an input that one accepts must be accepted by all.
  @Test func randomBytesNeverTrapAndParsersAgree() throws {
    var random = CBORTestGenerator(seed: 6)
    var accepted = 0
    for _ in 0..<100_000 {
      let count = Int.random(in: 0..<24, using: &random)
      let input = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
      if try agree(input) { accepted += 1 }
    }
    #expect(accepted > 100, "the inputs must reach the inside of the parsers")
  }

  @Test func flippedBytesNeverTrapAndParsersAgree() throws {
    var generator = CBORTreeGenerator(seed: 7)
    var random = CBORTestGenerator(seed: 8)
    var accepted = 0
    for _ in 0..<10_000 {
      var input = try cborEncoding(of: generator.tree())
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let position = Int.random(in: 0..<input.count, using: &random)
        input[position] = UInt8.random(in: 0...255, using: &random)
      }
      if try agree(input) { accepted += 1 }
    }
    #expect(accepted > 100)
  }

  /// Whether `input` is one valid item; records an issue if the parsers disagree or the tree does not survive being written.
  private func agree(_ input: [UInt8]) throws -> Bool {
    let tree = try? CBORReader.value(of: input)
    let skipped: Void? = try? CBORReader.withReader(over: input) { reader throws(CBORError) in
      try reader.skip()
      try reader.requireEnd()
    }
    let walked = Result { try CBORDecoder().decode(AnyItem.self, from: input) }
    _ = try? CBORDecoder().decode(Record.self, from: input)
    if let tree {
      #expect(skipped != nil, "\(cborHex(input))")
      if case .failure(let error) = walked {
        // Only here the decoder is stricter than the reader.
        #expect("\(error)".contains("as keys"), "\(cborHex(input)) \(error)")
      }
      let encoded = try cborEncoding(of: tree)
      #expect(try cborEncoding(of: CBORReader.value(of: encoded)) == encoded, "\(cborHex(input))")
      #expect(encoded.count <= input.count, "the shortest encoding is longer: \(cborHex(input))")
    } else if case .success = walked, cborReadError(hex: cborHex(input)) != .invalidUTF8 {
      // The decoder does not read a text inside a tag that no type asks for.
      Issue.record("the decoder accepts what the reader refuses: \(cborHex(input))")
    }
    return tree != nil
  }

  /// Visits every item through the containers of `Decoder`, trying the types in turn.
  private struct AnyItem: Decodable {
    init(from decoder: any Decoder) throws {
      if var array = try? decoder.unkeyedContainer() {
        while !array.isAtEnd { _ = try array.decode(AnyItem.self) }
        return
      }
      let single = try decoder.singleValueContainer()
      if let map = try Self.ifMap({ try decoder.container(keyedBy: AnyKey.self) }) {
        for key in map.allKeys { _ = try map.decode(AnyItem.self, forKey: key) }
      } else if !single.decodeNil() {
        // A text must be valid; other scalars are not checked here.
        do {
          _ = try single.decode(String.self)
        } catch DecodingError.typeMismatch {}
        _ = try? single.decode(Double.self)
        _ = try? single.decode(Int.self)
        _ = try? single.decode(Bool.self)
      }
    }

    private static func ifMap<Value>(_ body: () throws -> Value) throws -> Value? {
      do { return try body() } catch DecodingError.typeMismatch { return nil } catch DecodingError.valueNotFound { return nil }
    }
  }

  private struct AnyKey: CodingKey {
    let stringValue: String
    var intValue: Int? { Int(stringValue) }
    init(stringValue: String) { self.stringValue = stringValue }
    init(intValue: Int) { stringValue = String(intValue) }
  }

  private struct Record: Decodable {
    let a: Int?
    let b: [String]?
    let c: [Int: Double]?
  }
}
