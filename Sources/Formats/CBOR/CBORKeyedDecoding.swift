/// The keyed container of a map whose keys are indexed.
struct CBORKeyedDecoding<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let decoding: CBORDecoding
  let index: CBORKeyIndex

  var codingPath: [any CodingKey] { decoding.codingPath }
  var allKeys: [Key] { index.allKeys(Key.self) }

  func contains(_ key: Key) -> Bool { index.value(for: key) != nil }

  @inline(__always)
  private func item(_ key: some CodingKey) throws -> Int {
    guard let item = index.value(for: key) else {
      throw DecodingError.keyNotFound(
        key, .init(codingPath: decoding.codingPath, debugDescription: "the map has no key \"\(key.stringValue)\""))
    }
    return item
  }

  @inline(__always)
  private func read<Value>(_ key: Key, _ body: (inout CBORReader) throws(CBORError) -> Value) throws -> Value {
    try decoding.read(item(key), .key(key), body)
  }

  @inline(__always)
  private func integer<Value: FixedWidthInteger>(_ type: Value.Type, _ key: Key) throws -> Value {
    try read(key) { reader throws(CBORError) in try reader.readInteger(type) }
  }

  func decodeNil(forKey key: Key) throws -> Bool { decoding.input.isNull(try item(key)) }
  func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool {
    try read(key) { reader throws(CBORError) in try reader.readBool() }
  }
  func decode(_ type: String.Type, forKey key: Key) throws -> String {
    try read(key) { reader throws(CBORError) in try reader.readText() }
  }
  func decode(_ type: Double.Type, forKey key: Key) throws -> Double {
    try read(key) { reader throws(CBORError) in try reader.readDouble() }
  }
  func decode(_ type: Float.Type, forKey key: Key) throws -> Float {
    try read(key) { reader throws(CBORError) in try reader.readFloat() }
  }
  func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try integer(type, key) }
  func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try integer(type, key) }
  func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try integer(type, key) }
  func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try integer(type, key) }
  func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try integer(type, key) }
  func decode(_ type: Int128.Type, forKey key: Key) throws -> Int128 { try integer(type, key) }
  func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try integer(type, key) }
  func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try integer(type, key) }
  func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try integer(type, key) }
  func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try integer(type, key) }
  func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try integer(type, key) }
  func decode(_ type: UInt128.Type, forKey key: Key) throws -> UInt128 { try integer(type, key) }

  func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
    try decoding.decode(type, item(key), .key(key))
  }

  func nestedContainer<NestedKey: CodingKey>(
    keyedBy type: NestedKey.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<NestedKey> {
    try decoding.below(item(key), .key(key)).container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try decoding.below(item(key), .key(key)).unkeyedContainer()
  }

  func superDecoder() throws -> any Decoder {
    decoding.below(try item(CBORCodingKey.super), .key(CBORCodingKey.super))
  }

  func superDecoder(forKey key: Key) throws -> any Decoder {
    decoding.below(try item(key), .key(key))
  }
}
