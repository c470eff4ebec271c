/// The single-value container: its decoder's whole item.
struct CBORSingleValueDecoding: SingleValueDecodingContainer {
  let decoding: CBORDecoding

  var codingPath: [any CodingKey] { decoding.codingPath }

  @inline(__always)
  private func read<Value>(_ body: (inout CBORReader) throws(CBORError) -> Value) throws -> Value {
    try decoding.read(decoding.item, .root, body)
  }

  @inline(__always)
  private func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws -> Value {
    try read { reader throws(CBORError) in try reader.readInteger(type) }
  }

  func decodeNil() -> Bool { decoding.input.isNull(decoding.item) }
  func decode(_ type: Bool.Type) throws -> Bool { try read { reader throws(CBORError) in try reader.readBool() } }
  func decode(_ type: String.Type) throws -> String { try read { reader throws(CBORError) in try reader.readText() } }
  func decode(_ type: Double.Type) throws -> Double { try read { reader throws(CBORError) in try reader.readDouble() } }
  func decode(_ type: Float.Type) throws -> Float { try read { reader throws(CBORError) in try reader.readFloat() } }
  func decode(_ type: Int.Type) throws -> Int { try integer(type) }
  func decode(_ type: Int8.Type) throws -> Int8 { try integer(type) }
  func decode(_ type: Int16.Type) throws -> Int16 { try integer(type) }
  func decode(_ type: Int32.Type) throws -> Int32 { try integer(type) }
  func decode(_ type: Int64.Type) throws -> Int64 { try integer(type) }
  func decode(_ type: Int128.Type) throws -> Int128 { try integer(type) }
  func decode(_ type: UInt.Type) throws -> UInt { try integer(type) }
  func decode(_ type: UInt8.Type) throws -> UInt8 { try integer(type) }
  func decode(_ type: UInt16.Type) throws -> UInt16 { try integer(type) }
  func decode(_ type: UInt32.Type) throws -> UInt32 { try integer(type) }
  func decode(_ type: UInt64.Type) throws -> UInt64 { try integer(type) }
  func decode(_ type: UInt128.Type) throws -> UInt128 { try integer(type) }

  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try decoding.decodeInPlace(type) }
}
