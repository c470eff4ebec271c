import Foundation
import Testing

@testable import Formats

private func roundTrip<Value: Codable>(_ value: Value) throws -> Value {
  try CBORDecoder().decode(Value.self, from: CBOREncoder().encode(value))
}

private func notation(_ value: some Encodable) throws -> String {
  try CBORDiagnostic.text(of: CBOREncoder().encode(value))
}

struct CBORCodableTests {
  struct Everything: Codable, Equatable {
    var bool = true
    var int = Int.min
    var int8 = Int8.min
    var int16 = Int16.min
    var int32 = Int32.min
    var int64 = Int64.min
    var int128 = Int128.min
    var uint = UInt.max
    var uint8 = UInt8.max
    var uint16 = UInt16.max
    var uint32 = UInt32.max
    var uint64 = UInt64.max
    var uint128 = UInt128.max
    var float = Float.pi
    var double = Double.pi
    var string = "ü水𐅑"
    var date = Date(timeIntervalSince1970: 1_700_000_000.25)
    var data = Data([0, 255, 1])
    var uuid = UUID(uuid: (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16))
    var url = URL(filePath: "/tmp/a b")
    var decimal = Decimal(string: "-3.1415926535897932384626433832795028841") ?? 0
    var some: Int? = 1
    var none: Int?
    var list = [1, 2, 3]
    var optionals: [String?] = ["a", nil]
    var nested: [[Double]] = [[1.5], [], [0.1, -0.0]]
    var byName = ["b": 1, "a": 2]
    var byNumber = [1: "x", -1: "y", 100: "z"]
    var byOther: [Double: Bool] = [1.5: true]
    var set: Set<Int16> = [7]
  }

  @Test func everyTypeRoundTrips() throws {
    #expect(try roundTrip(Everything()) == Everything())
    #expect(try roundTrip([Everything(), Everything()]) == [Everything(), Everything()])
    #expect(try roundTrip(["x": Everything()]) == ["x": Everything()])
  }

  @Test func structsAreMapsWithKeysInEncodedOrder() throws {
    struct Point: Codable {
      var longest = 1
      var y = 2
      var x = 3
      var none: Int?
    }
    #expect(try notation(Point()) == #"{"x": 3, "y": 2, "longest": 1}"#)
  }

  @Test func fragmentsStandAtTopLevel() throws {
    #expect(try notation(5) == "5")
    #expect(try notation("x") == "\"x\"")
    #expect(try notation(Int?.none) == "null")
    #expect(try notation([Int]()) == "[]")
    #expect(try roundTrip(Int?.none) == nil)
    #expect(try roundTrip(Optional(7)) == 7)
    #expect(try roundTrip(UInt64.max) == .max)
    #expect(try roundTrip(1.1) == 1.1)
  }

  @Test func nestedOptionalsInArraysRoundTrip() throws {
    let value: [Int?] = [nil, 1, nil]
    #expect(try notation(value) == "[null, 1, null]")
    #expect(try roundTrip(value) == value)
  }

  @Test func wideIntegersBecomeBigNumbers() throws {
    let power: Int128 = 1 << 64
    #expect(cborHex(try CBOREncoder().encode(UInt128(power))) == "c249010000000000000000")
    #expect(cborHex(try CBOREncoder().encode(-power - 1)) == "c349010000000000000000")
    #expect(cborHex(try CBOREncoder().encode(-power)) == "3bffffffffffffffff")
    #expect(cborHex(try CBOREncoder().encode([Int128(5)])) == "8105")
    for value in [Int128.min, .max, 0, -1, power, -power, -power - 1, power / 2] { #expect(try roundTrip(value) == value) }
    for value in [UInt128.max, 0, UInt128(power), UInt128(power) - 1] { #expect(try roundTrip([value]) == [value]) }
  }

  @Test func bytesAreAnArrayAndDataAString() throws {
    #expect(cborHex(try CBOREncoder().encode([UInt8]([1, 24]))) == "82011818")
    #expect(cborHex(try CBOREncoder().encode(Data([1, 24]))) == "420118")
  }

  @Test func dictionaryKeysFollowTheirType() throws {
    #expect(try notation([2: "b", 10: "j", -1: "m"]) == #"{2: "b", 10: "j", -1: "m"}"#)
    // Numerals stay text when the keys are strings.
    #expect(try notation(["1": true, "x": false]) == #"{"1": true, "x": false}"#)
    #expect(try notation([["1": true]]) == #"[{"1": true}]"#)
    #expect(try notation(Optional(["1": true])) == #"{"1": true}"#)
    #expect(try notation([1.5: true]) == "[1.5, true]")
    enum Named: String, Codable, CodingKeyRepresentable { case a }
    #expect(try notation([Named.a: 1]) == #"{"a": 1}"#)
    let strings = ["": 0, "1": 1, "01": 2, "+1": 3, "-0": 4, "-5": 5, "x": 6]
    #expect(try roundTrip(strings) == strings)
    let numbers = [Int.min: 0, -1: 1, 0: 2, 23: 3, 24: 4, Int.max: 5]
    #expect(try roundTrip(numbers) == numbers)
    // Either form of a number is read as the other.
    #expect(try CBORDecoder().decode([String: Bool].self, from: CBOREncoder().encode([5: true])) == ["5": true])
    #expect(try CBORDecoder().decode([Int: Bool].self, from: CBOREncoder().encode(["5": true])) == [5: true])
  }

  @Test func codingKeysWithIntegerRawValuesAreText() throws {
    struct Numbered: Codable, Equatable {
      var first = "a"
      enum CodingKeys: Int, CodingKey { case first = 1 }
    }
    #expect(try notation(Numbered()) == #"{"first": "a"}"#)
    #expect(try roundTrip(Numbered()) == Numbered())
  }

  @Test func aNumberAndItsTextAreNotBothKeys() {
    #expect(throws: DecodingError.self) { try CBORDecoder().decode([Int: Int].self, from: cborBytes(hex: "a2 0100 613100")) }
  }

  @Test func bytesDoNotDependOnIterationOrder() throws {
    var random = CBORTestGenerator(seed: 21)
    let pairs = (0..<200).map { ("key\($0 * 7919 % 1000)-\($0)", $0) }
    let expected = try CBOREncoder().encode(Dictionary(uniqueKeysWithValues: pairs))
    for capacity in [0, 1_000, 10_000] {
      var map = [String: Int](minimumCapacity: capacity)
      for (key, value) in pairs.shuffled(using: &random) { map[key] = value }
      #expect(try CBOREncoder().encode(map) == expected)
    }
    // The keys are sorted, so a tree of the same bytes is written back unchanged.
    #expect(try cborEncoding(of: CBORReader.value(of: expected)) == expected)
  }

  enum Event: Codable, Equatable {
    case empty
    case pair(Int, String)
    case named(id: UUID, note: String?)
    indirect case wrapped(Event)
  }

  @Test func enumsWithAssociatedValuesRoundTrip() throws {
    let events: [Event] = [.empty, .pair(1, "x"), .named(id: UUID(), note: nil), .wrapped(.wrapped(.pair(2, "y")))]
    #expect(try roundTrip(events) == events)
    #expect(try notation(Event.empty) == #"{"empty": {}}"#)
    #expect(try notation(Event.pair(1, "x")) == #"{"pair": {"_0": 1, "_1": "x"}}"#)
    enum Level: String, Codable { case low, high }
    #expect(try notation([Level.high]) == #"["high"]"#)
    #expect(try roundTrip([Level.high, .low]) == [.high, .low])
  }

  struct Empty: Codable, Equatable {}

  @Test func emptyStructsAreEmptyMaps() throws {
    #expect(try notation([Empty()]) == "[{}]")
    #expect(try roundTrip(["a": Empty()]) == ["a": Empty()])
    struct Silent: Encodable { func encode(to encoder: any Encoder) {} }
    #expect(try notation([Silent()]) == "[{}]")
    #expect(throws: EncodingError.self) { try CBOREncoder().encode(Silent()) }
  }

  @Test func userInfoReachesBothSides() throws {
    struct Informed: Codable {
      static var key: CodingUserInfoKey? { CodingUserInfoKey(rawValue: "suffix") }
      var text = ""
      init() {}
      init(from decoder: any Decoder) throws {
        let suffix = Self.key.flatMap { decoder.userInfo[$0] as? String } ?? ""
        text = try decoder.singleValueContainer().decode(String.self) + suffix
      }
      func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(Self.key.flatMap { encoder.userInfo[$0] as? String } ?? "")
      }
    }
    let key = try #require(Informed.key)
    var encoder = CBOREncoder()
    encoder.userInfo[key] = "e"
    var decoder = CBORDecoder()
    decoder.userInfo[key] = "d"
    #expect(try decoder.decode([Informed].self, from: encoder.encode([Informed()])).map(\.text) == ["ed"])
  }

  @Test func decodingIgnoresUnknownKeysAndTheTagOfSelfDescribedCBOR() throws {
    struct Small: Codable, Equatable { var a: Int }
    #expect(try CBORDecoder().decode(Small.self, from: cborBytes(hex: "a3 00f6 616105 617a81a10001")) == Small(a: 5))
    #expect(try CBORDecoder().decode(Small.self, from: cborBytes(hex: "d9d9f7 a1 6161 d9d9f7 05")) == Small(a: 5))
    #expect(try CBORDecoder().decode(Small.self, from: cborBytes(hex: "bf 7f 6161 ff 1805 ff")) == Small(a: 5))
    #expect(try CBORDecoder().decode([Int].self, from: cborBytes(hex: "9f 01 1902ff f94000 ff")) == [1, 767, 2])
    #expect(try CBORDecoder().decode([[Int?]].self, from: cborBytes(hex: "9f 9f 01 f7 ff 80 ff")) == [[1, nil], []])
  }

  @Test func decodesFromABufferAndFromATree() throws {
    let encoded = try CBOREncoder().encode(["a": [1, 2]])
    let fromBuffer = try unsafe encoded.withUnsafeBytes { buffer in
      try unsafe CBORDecoder().decode([String: [Int]].self, from: buffer)
    }
    #expect(fromBuffer == ["a": [1, 2]])
    #expect(try CBORDecoder().decode([String: [Int]].self, from: CBORReader.value(of: encoded)) == ["a": [1, 2]])
  }

  @Test func anEscapedDecoderStaysUsable() throws {
    final class Keeper: Decodable {
      let container: KeyedDecodingContainer<Key>
      enum Key: CodingKey { case a }
      init(from decoder: any Decoder) throws { container = try decoder.container(keyedBy: Key.self) }
    }
    func keep() throws -> [Keeper] {
      let encoded = try CBOREncoder().encode([["a": "first text of some length"], ["a": "second text of some length"]])
      return try unsafe encoded.withUnsafeBytes { try unsafe CBORDecoder().decode([Keeper].self, from: $0) }
    }
    let kept = try keep()
    let texts = try kept.map { try $0.container.decode(String.self, forKey: .a) }
    #expect(texts == ["first text of some length", "second text of some length"])
  }

  @Test func longArraysOfNumbersRoundTrip() throws {
    var random = CBORTestGenerator(seed: 22)
    let floats = (0..<5_000).map { _ in Float.random(in: -1...1, using: &random) }
    let doubles = (0..<5_000).map { _ in Double.random(in: -1e9...1e9, using: &random) }
    #expect(try roundTrip(floats) == floats)
    #expect(try roundTrip(doubles) == doubles)
    #expect(try roundTrip([Float.infinity, -.infinity, 0]) == [.infinity, -.infinity, 0])
    #expect(try roundTrip([Float.nan])[0].isNaN && roundTrip(Double.nan).isNaN)
  }
}
