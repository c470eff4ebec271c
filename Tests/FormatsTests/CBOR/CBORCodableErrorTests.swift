import Foundation
import Testing

@testable import Formats

struct CBORCodableErrorTests {
  private func path(_ keys: [any CodingKey]) -> String {
    keys.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
  }

  /// The error that decoding throws, as "kind path code"; "none" if it succeeds.
  private func failure<Value: Decodable>(_ type: Value.Type, _ input: String) -> String {
    do {
      _ = try CBORDecoder().decode(type, from: cborBytes(hex: input))
      return "none"
    } catch let error as DecodingError {
      func code(_ context: DecodingError.Context) -> String {
        (context.underlyingError as? CBORError).map { "\($0.code)" } ?? "none"
      }
      switch error {
      case .typeMismatch(_, let context): return "mismatch \(path(context.codingPath)) \(code(context))"
      case .valueNotFound(_, let context): return "no value \(path(context.codingPath)) \(code(context))"
      case .keyNotFound(let key, let context): return "no key \(key.stringValue) \(path(context.codingPath)) \(code(context))"
      case .dataCorrupted(let context): return "corrupt \(path(context.codingPath)) \(code(context))"
      @unknown default: return "\(error)"
      }
    } catch {
      return "\(error)"
    }
  }

  struct Inner: Codable {
    var n: UInt8
    var d: Date?
    var u: UUID?
  }

  struct Outer: Codable { var a: [Inner] }

  @Test func errorsNameThePath() {
    // {"a": [{"n": 1}, {"n": 300}]} and variations of the last value.
    #expect(failure(Outer.self, "a1 6161 82 a1616e01 a1616e19012c") == "corrupt .a[1].n integerOutOfRange")
    #expect(failure(Outer.self, "a1 6161 82 a1616e01 a1616e6178") == "mismatch .a[1].n typeMismatch")
    #expect(failure(Outer.self, "a1 6161 82 a1616e01 a1616ef6") == "no value .a[1].n typeMismatch")
    #expect(failure(Outer.self, "a1 6161 82 a1616e01 a1616ef94300") == "corrupt .a[1].n inexactNumber")
    #expect(failure(Outer.self, "a1 6161 82 a1616e01 a0") == "no key n .a[1] none")
    #expect(failure(Outer.self, "a1 6161 82 a1616e01 05") == "mismatch .a[1] typeMismatch")
    #expect(failure(Outer.self, "a1 6161 82 a1616e01 f6") == "no value .a[1] typeMismatch")
    #expect(failure(Outer.self, "a1 6161 a0") == "mismatch .a typeMismatch")
    #expect(failure(Outer.self, "a1 6161 82 a1616e01 a2616e01 61646178") == "mismatch .a[1].d typeMismatch")
    #expect(failure(Outer.self, "a1 6161 82 a1616e01 a2616e01 61754100") == "corrupt .a[1].u invalidTagContent")
    #expect(failure(Outer.self, "a0") == "no key a  none")
    #expect(failure(Outer.self, "80") == "mismatch  typeMismatch")
  }

  @Test func elementsOfPlainArraysAreNamedToo() {
    #expect(failure([Double].self, "83 01 02 6178") == "mismatch [2] typeMismatch")
    #expect(failure([String].self, "82 6178 61ff") == "corrupt [1] invalidUTF8")
    #expect(failure([UInt8].self, "82 01 190100") == "corrupt [1] integerOutOfRange")
    #expect(failure([Int].self, "82 01 f6") == "no value [1] typeMismatch")
    #expect(failure([Float].self, "81 fb3fb999999999999a") == "corrupt [0] inexactNumber")
    #expect(failure([Int8].self, "82 01 1880") == "corrupt [1] integerOutOfRange")
    #expect(failure([String: [Int]].self, "a1 6178 81 6179") == "mismatch .x[0] typeMismatch")
    #expect(failure([Int: Int].self, "a1 05 6179") == "mismatch [5] typeMismatch")
  }

  @Test func malformedInputIsCorruptAtTheTop() {
    #expect(failure(Int.self, "") == "corrupt  truncated")
    #expect(failure(Int.self, "0000") == "corrupt  trailingBytes")
    #expect(failure(Outer.self, "a1 6161 82 a1616e01") == "corrupt  truncated")
    #expect(failure(Outer.self, "a1 6161 98ff") == "corrupt  lengthOverflow")
    #expect(failure(Outer.self, "a2 6161 80 6161 80") == "corrupt  duplicateKey")
    #expect(failure(Int.self, "fc") == "corrupt  malformedHead")
  }

  @Test func errorsThrownByTypesPassThrough() {
    struct Picky: Codable {
      init() {}
      init(from decoder: any Decoder) throws { throw CocoaError(.coderInvalidValue) }
      func encode(to encoder: any Encoder) throws { throw CocoaError(.coderInvalidValue) }
    }
    #expect(throws: CocoaError.self) { try CBORDecoder().decode([Picky].self, from: [0x81, 0x00]) }
    #expect(throws: CocoaError.self) { try CBOREncoder().encode([Picky()]) }
  }

  final class Node: Codable {
    var next: Node?
    init(depth: Int) { next = depth > 1 ? Node(depth: depth - 1) : nil }
  }

  @Test func encodingStopsAtTheDepthThatDecodingAccepts() throws {
    let limit = CBORWriter.defaultDepthLimit
    let deepest = try CBOREncoder().encode(Node(depth: limit))
    _ = try CBORDecoder().decode(Node.self, from: deepest)
    do {
      _ = try CBOREncoder().encode(Node(depth: limit + 1))
      Issue.record("an error was expected")
    } catch EncodingError.invalidValue(_, let context) {
      #expect((context.underlyingError as? CBORError)?.code == .depthExceeded)
      #expect(context.codingPath.count == limit)
    } catch {
      Issue.record("unexpected: \(error)")
    }
    // This depth is far beyond the limit: recursion would exhaust the stack.
    #expect(throws: EncodingError.self) { try CBOREncoder().encode(Endless()) }
  }

  /// Maps within maps, the innermost of which holds the leaf.
  final class Chain<Leaf: Codable>: Codable {
    let next: Chain?
    let leaf: Leaf?

    init(leaf: Leaf, depth: Int) {
      next = depth > 1 ? Chain(leaf: leaf, depth: depth - 1) : nil
      self.leaf = depth > 1 ? nil : leaf
    }
  }

  struct Endless: Encodable {
    enum Key: CodingKey { case next }
    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(Endless(), forKey: .next)
    }
  }

  @Test func whateverCanBeEncodedAtTheLimitCanBeDecoded() throws {
    struct Wrapper<Leaf: Codable>: Codable {
      var leaf: Leaf
      var depth: Int
      enum Key: CodingKey { case next, leaf, depth }
      init(leaf: Leaf, depth: Int) {
        self.leaf = leaf
        self.depth = depth
      }
      init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        var depth = 1
        while var inner = try? container.nestedUnkeyedContainer() {
          swap(&inner, &container)
          depth += 1
        }
        leaf = try container.decode(Leaf.self)
        self.depth = depth
      }
      func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        for _ in 1..<depth { container = container.nestedUnkeyedContainer() }
        try container.encode(leaf)
      }
    }
    func checkMaps<Leaf: Codable>(_ leaf: Leaf) throws {
      for depth in 120...130 {
        do {
          _ = try CBORDecoder().decode(Chain<Leaf>.self, from: CBOREncoder().encode(Chain(leaf: leaf, depth: depth)))
        } catch EncodingError.invalidValue(_, let context) {
          #expect((context.underlyingError as? CBORError)?.code == .depthExceeded)
          #expect(depth > 126)
        }
      }
    }
    func check(_ leaf: some Codable) throws {
      try checkMaps(leaf)
      for depth in 120...130 {
        do {
          let encoded = try CBOREncoder().encode(Wrapper(leaf: leaf, depth: depth))
          #expect(try CBORDecoder().decode(type(of: Wrapper(leaf: leaf, depth: 1)), from: encoded).depth == depth)
        } catch EncodingError.invalidValue(_, let context) {
          #expect((context.underlyingError as? CBORError)?.code == .depthExceeded)
          #expect(depth > 126)
        }
      }
    }
    try check(1)
    try check(Int128.max)
    try check(UUID())
    try check(Decimal(5))
    try check(Date(timeIntervalSinceReferenceDate: 0.1))
  }
}
