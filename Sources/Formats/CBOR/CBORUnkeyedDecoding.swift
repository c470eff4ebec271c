/// The unkeyed container: a cursor over the elements of an array.
struct CBORUnkeyedDecoding: UnkeyedDecodingContainer {
  private let decoding: CBORDecoding
  private let elementCount: Int
  private(set) var currentIndex = 0
  /// The item of the next element.
  private var item: Int

  init(_ decoding: CBORDecoding) throws(CBORError) {
    self.decoding = decoding
    item = decoding.item + 1
    let input = decoding.input
    let count = try input.read(decoding.item) { reader throws(CBORError) in try reader.readArrayCount() }
    if let count {
      elementCount = count
    } else {
      var elements = 0
      var position = item
      while position < input.items[decoding.item].next {
        position = input.items[position].next
        elements += 1
      }
      elementCount = elements
    }
  }

  var codingPath: [any CodingKey] { decoding.codingPath }
  var count: Int? { elementCount }
  var isAtEnd: Bool { currentIndex == elementCount }

  /// Moves on only if `body` succeeds, so that a caller may try another type.
  @inline(__always)
  private mutating func next<Value>(_ type: Value.Type, _ body: (Int) throws -> Value) throws -> Value {
    guard !isAtEnd else {
      throw DecodingError.valueNotFound(
        type,
        .init(codingPath: decoding.codingPath(.index(currentIndex)), debugDescription: "the array has only \(elementCount) elements"))
    }
    let value = try body(item)
    currentIndex += 1
    item = decoding.input.items[item].next
    return value
  }

  @inline(__always)
  private mutating func read<Value>(_ body: (inout CBORReader) throws(CBORError) -> Value) throws -> Value {
    let (decoding, index) = (decoding, currentIndex)
    return try next(Value.self) { item in try decoding.read(item, .index(index), body) }
  }

  @inline(__always)
  private mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws -> Value {
    try read { reader throws(CBORError) in try reader.readInteger(type) }
  }

  mutating func decodeNil() throws -> Bool {
    if !isAtEnd && !decoding.input.isNull(item) { return false }
    return try next(Bool.self) { _ in true }
  }
  mutating func decode(_ type: Bool.Type) throws -> Bool {
    try read { reader throws(CBORError) in try reader.readBool() }
  }
  mutating func decode(_ type: String.Type) throws -> String {
    try read { reader throws(CBORError) in try reader.readText() }
  }
  mutating func decode(_ type: Double.Type) throws -> Double {
    try read { reader throws(CBORError) in try reader.readDouble() }
  }
  mutating func decode(_ type: Float.Type) throws -> Float {
    try read { reader throws(CBORError) in try reader.readFloat() }
  }
  mutating func decode(_ type: Int.Type) throws -> Int { try integer(type) }
  mutating func decode(_ type: Int8.Type) throws -> Int8 { try integer(type) }
  mutating func decode(_ type: Int16.Type) throws -> Int16 { try integer(type) }
  mutating func decode(_ type: Int32.Type) throws -> Int32 { try integer(type) }
  mutating func decode(_ type: Int64.Type) throws -> Int64 { try integer(type) }
  mutating func decode(_ type: Int128.Type) throws -> Int128 { try integer(type) }
  mutating func decode(_ type: UInt.Type) throws -> UInt { try integer(type) }
  mutating func decode(_ type: UInt8.Type) throws -> UInt8 { try integer(type) }
  mutating func decode(_ type: UInt16.Type) throws -> UInt16 { try integer(type) }
  mutating func decode(_ type: UInt32.Type) throws -> UInt32 { try integer(type) }
  mutating func decode(_ type: UInt64.Type) throws -> UInt64 { try integer(type) }
  mutating func decode(_ type: UInt128.Type) throws -> UInt128 { try integer(type) }

  mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    let (decoding, index) = (decoding, currentIndex)
    return try next(type) { item in try decoding.decode(type, item, .index(index)) }
  }

  mutating func nestedContainer<NestedKey: CodingKey>(keyedBy type: NestedKey.Type) throws -> KeyedDecodingContainer<NestedKey> {
    let (decoding, index) = (decoding, currentIndex)
    return try next(KeyedDecodingContainer<NestedKey>.self) { item in
      try decoding.below(item, .index(index)).container(keyedBy: type)
    }
  }

  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
    let (decoding, index) = (decoding, currentIndex)
    return try next((any UnkeyedDecodingContainer).self) { item in
      try decoding.below(item, .index(index)).unkeyedContainer()
    }
  }

  mutating func superDecoder() throws -> any Decoder {
    let (decoding, index) = (decoding, currentIndex)
    return try next((any Decoder).self) { item in decoding.below(item, .index(index)) }
  }
}
