import Testing

@testable import Formats

/// The containers of `Encoder` and `Decoder`, used in ways that synthesized conformances do not use.
struct CBORContainerTests {
  class Animal: Codable {
    var name: String
    init(name: String) { self.name = name }
  }

  final class Dog: Animal {
    var tricks: [String]
    /// How the superclass is encoded: in the same map, or in its own map under the key `super` or `parent`.
    enum Style: String, Codable { case shared, superKey, ownKey }
    var style: Style
    enum CodingKeys: String, CodingKey { case tricks, style, parent }

    init(name: String, tricks: [String], style: Style) {
      self.tricks = tricks
      self.style = style
      super.init(name: name)
    }

    required init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      tricks = try container.decode([String].self, forKey: .tricks)
      style = try container.decode(Style.self, forKey: .style)
      let parent: any Decoder =
        switch style {
        case .shared: decoder
        case .superKey: try container.superDecoder()
        case .ownKey: try container.superDecoder(forKey: .parent)
        }
      try super.init(from: parent)
    }

    override func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(tricks, forKey: .tricks)
      switch style {
      case .shared: try super.encode(to: encoder)
      case .superKey: try super.encode(to: container.superEncoder())
      case .ownKey: try super.encode(to: container.superEncoder(forKey: .parent))
      }
      try container.encode(style, forKey: .style)
    }
  }

  @Test(arguments: [
    (Dog.Style.shared, #"{"name": "Rex", "style": "shared", "tricks": ["sit"]}"#),
    (.superKey, #"{"style": "superKey", "super": {"name": "Rex"}, "tricks": ["sit"]}"#),
    (.ownKey, #"{"style": "ownKey", "parent": {"name": "Rex"}, "tricks": ["sit"]}"#),
  ])
  func classesInherit(_ style: Dog.Style, _ notation: String) throws {
    let encoded = try CBOREncoder().encode([Dog(name: "Rex", tricks: ["sit"], style: style)])
    #expect(try CBORDiagnostic.text(of: encoded) == "[\(notation)]")
    let dog = try #require(try CBORDecoder().decode([Dog].self, from: encoded).first)
    #expect(dog.name == "Rex" && dog.tricks == ["sit"] && dog.style == style)
  }

  enum Key: String, CodingKey { case a, b, c, d }

  @Test func nothingIsKeptAliveByACycle() throws {
    final class Witness: Sendable {}
    weak var witness: Witness?
    struct Failure: Error {}
    func run(fails: Bool) throws {
      let object = Witness()
      witness = object
      var encoder = CBOREncoder()
      encoder.userInfo[try #require(CodingUserInfoKey(rawValue: "witness"))] = object
      let value = ByHand { (encoder: any Encoder) throws in
        var map = encoder.container(keyedBy: Key.self)
        var list = map.nestedUnkeyedContainer(forKey: .a)
        try list.encode(1)
        var inner = list.nestedContainer(keyedBy: Key.self)
        try inner.encode(["x": [1]], forKey: .b)
        _ = map.superEncoder().singleValueContainer()
        if fails { throw Failure() }
      }
      _ = try encoder.encode([value])
    }
    try run(fails: false)
    #expect(witness == nil)
    #expect(throws: Failure.self) { try run(fails: true) }
    #expect(witness == nil)
  }

  struct ByHand<Content>: Encodable {
    let body: @Sendable (any Encoder) throws -> Content
    func encode(to encoder: any Encoder) throws { _ = try body(encoder) }
  }

  private func notation(_ body: @escaping @Sendable (any Encoder) throws -> Void) throws -> String {
    try CBORDiagnostic.text(of: CBOREncoder().encode(ByHand(body: body)))
  }

  @Test func nestedContainersMayBeFilledInTurns() throws {
    let text = try notation { encoder in
      var map = encoder.container(keyedBy: Key.self)
      var late = map.nestedContainer(keyedBy: Key.self, forKey: .c)
      var list = map.nestedUnkeyedContainer(forKey: .a)
      try late.encode(1, forKey: .b)
      try map.encode("x", forKey: .b)
      try list.encode(1)
      var inner = list.nestedUnkeyedContainer()
      var innerMap = list.nestedContainer(keyedBy: Key.self)
      try list.encode(2)
      try late.encode(2, forKey: .a)
      try inner.encode(true)
      try innerMap.encodeNil(forKey: .a)
      try inner.encodeNil()
      try list.encode(["k": 1])
      // Asking again for the container of a key continues the same container.
      var again = map.nestedContainer(keyedBy: Key.self, forKey: .c)
      try again.encode(3, forKey: .d)
      #expect(list.count == 5 && inner.count == 2)
    }
    #expect(text == #"{"a": [1, [true, null], {"a": null}, 2, {"k": 1}], "b": "x", "c": {"a": 2, "b": 1, "d": 3}}"#)
  }

  @Test func theLaterOfTwoValuesOfAKeyStays() throws {
    let text = try notation { encoder in
      var map = encoder.container(keyedBy: Key.self)
      try map.encode(1, forKey: .a)
      try map.encode(9, forKey: .b)
      try map.encode("two", forKey: .a)
      var other = encoder.container(keyedBy: Key.self)
      try other.encode([3], forKey: .b)
    }
    #expect(text == #"{"a": "two", "b": [3]}"#)
  }

  @Test func superEncodersOfArraysAreElements() throws {
    let text = try notation { encoder in
      var list = encoder.unkeyedContainer()
      let first = list.superEncoder()
      try list.encode(2)
      var single = first.singleValueContainer()
      try single.encode("one")
      _ = list.superEncoder()
    }
    #expect(text == #"["one", 2, {}]"#)
  }

  @Test func misuseOfContainersIsAnErrorAndNotATrap() {
    #expect(throws: EncodingError.self) {
      try notation { encoder in
        _ = encoder.container(keyedBy: Key.self)
        _ = encoder.unkeyedContainer()
      }
    }
    #expect(throws: EncodingError.self) {
      try notation { encoder in
        var single = encoder.singleValueContainer()
        try single.encode(1)
        try single.encode(2)
      }
    }
    #expect(throws: EncodingError.self) {
      try notation { encoder in
        _ = encoder.unkeyedContainer()
        var single = encoder.singleValueContainer()
        try single.encode([1])
      }
    }
  }

  @Test func aValueThatFailsLeavesNothingBehind() throws {
    struct Failure: Error {}
    let text = try notation { encoder in
      var map = encoder.container(keyedBy: Key.self)
      try map.encode(1, forKey: .a)
      try? map.encode(ByHand { (_: any Encoder) throws in throw Failure() }, forKey: .b)
      var list = map.nestedUnkeyedContainer(forKey: .c)
      try? list.encode(ByHand { (_: any Encoder) throws in throw Failure() })
      try list.encode(5)
    }
    #expect(text == #"{"a": 1, "c": [5]}"#)
  }

  /// Runs the body that `userInfo` holds, with the decoder that it gets.
  struct Reader: Decodable {
    struct Body: Sendable { let run: @Sendable (any Decoder) throws -> Void }
    static var key: CodingUserInfoKey? { CodingUserInfoKey(rawValue: "body") }

    init(from decoder: any Decoder) throws {
      let body = try #require(Self.key.flatMap { decoder.userInfo[$0] as? Body })
      try body.run(decoder)
    }
  }

  private func decode(_ value: some Encodable, _ body: @escaping @Sendable (any Decoder) throws -> Void) throws {
    var decoder = CBORDecoder()
    decoder.userInfo[try #require(Reader.key)] = Reader.Body(run: body)
    _ = try decoder.decode(Reader.self, from: CBOREncoder().encode(value))
  }

  @Test func unkeyedDecodingMovesOnOnlyAfterSuccess() throws {
    struct Mixed: Encodable {
      func encode(to encoder: any Encoder) throws {
        var list = encoder.unkeyedContainer()
        try list.encode("x")
        try list.encodeNil()
        try list.encode([1, 2])
        try list.encode(["a": 1])
        try list.encode(3)
      }
    }
    try decode(Mixed()) { decoder in
      var list = try decoder.unkeyedContainer()
      #expect(list.count == 5 && list.currentIndex == 0)
      #expect(throws: DecodingError.self) { try list.decode(Int.self) }
      #expect(try !list.decodeNil())
      #expect(list.currentIndex == 0)
      #expect(try list.decode(String.self) == "x")
      #expect(try list.decodeNil())
      var inner = try list.nestedUnkeyedContainer()
      #expect(try inner.decode(Int8.self) == 1 && inner.decode(Double.self) == 2 && inner.isAtEnd)
      let map = try list.nestedContainer(keyedBy: Key.self)
      #expect(try map.decode(Int.self, forKey: .a) == 1)
      #expect(try list.decodeIfPresent(Int.self) == 3)
      #expect(list.isAtEnd && list.currentIndex == 5)
      #expect(try list.decodeIfPresent(Int.self) == nil)
      #expect(throws: DecodingError.self) { try list.decode(Int.self) }
      #expect(throws: DecodingError.self) { try list.decodeNil() }
      #expect(throws: DecodingError.self) { try list.nestedUnkeyedContainer() }
    }
  }

  @Test func keyedDecodingTellsMissingFromNull() throws {
    let value: [String: Int?] = ["a": nil, "b": 2]
    try decode(value) { decoder in
      let map = try decoder.container(keyedBy: Key.self)
      #expect(map.allKeys == [.a, .b])
      #expect(map.contains(.a) && !map.contains(.c))
      #expect(try map.decodeNil(forKey: .a) && !map.decodeNil(forKey: .b))
      #expect(throws: DecodingError.self) { try map.decodeNil(forKey: .c) }
      #expect(try map.decodeIfPresent(Int.self, forKey: .a) == nil)
      #expect(try map.decodeIfPresent(Int.self, forKey: .c) == nil)
      #expect(try map.decodeIfPresent(Int.self, forKey: .b) == 2)
      #expect(throws: DecodingError.self) { try map.decodeIfPresent(String.self, forKey: .b) }
      #expect(throws: DecodingError.self) { try map.superDecoder() }
    }
  }

  @Test func mapsOfManyKeysAreSearchedInAnyOrder() throws {
    // Keys of lengths 1 to 300 in descending order, some of them in chunks.
    var writer = CBORWriter()
    writer.map(count: 300)
    for length in (1...300).reversed() {
      let text = String(repeating: "k", count: length)
      if length % 3 == 0 {
        writer.encodedBytes([0x7f])
        writer.text(String(text.prefix(1)))
        writer.text(String(text.dropFirst()))
        writer.encodedBytes([0xff])
      } else {
        writer.text(text)
      }
      writer.int(length)
    }
    let map = try CBORDecoder().decode([String: Int].self, from: writer.bytes)
    #expect(map.count == 300)
    for length in 1...300 { #expect(map[String(repeating: "k", count: length)] == length) }
  }
}

extension CBORWriter {
  fileprivate mutating func encodedBytes(_ items: [UInt8]) {
    unsafe items.withUnsafeBytes { unsafe encoded($0) }
  }
}
