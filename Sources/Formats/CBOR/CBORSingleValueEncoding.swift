/// The single-value container: the value that it encodes becomes the whole of its encoder.
struct CBORSingleValueEncoding: SingleValueEncodingContainer {
  let encoding: CBOREncoding

  var codingPath: [any CodingKey] { encoding.codingPath }

  mutating func encodeNil() throws { try encoding.writeSingle(Int?.none) { $0.null() } }
  mutating func encode(_ value: Bool) throws { try encoding.writeSingle(value) { $0.bool(value) } }
  mutating func encode(_ value: String) throws { try encoding.writeSingle(value) { $0.text(value) } }
  mutating func encode(_ value: Double) throws { try encoding.writeSingle(value) { $0.double(value) } }
  mutating func encode(_ value: Float) throws { try encoding.writeSingle(value) { $0.double(Double(value)) } }
  mutating func encode(_ value: Int) throws { try encoding.writeSingle(value) { $0.int(value) } }
  mutating func encode(_ value: Int8) throws { try encoding.writeSingle(value) { $0.int(value) } }
  mutating func encode(_ value: Int16) throws { try encoding.writeSingle(value) { $0.int(value) } }
  mutating func encode(_ value: Int32) throws { try encoding.writeSingle(value) { $0.int(value) } }
  mutating func encode(_ value: Int64) throws { try encoding.writeSingle(value) { $0.int(value) } }
  mutating func encode(_ value: Int128) throws { try encoding.encodeInPlace(value) }
  mutating func encode(_ value: UInt) throws { try encoding.writeSingle(value) { $0.int(value) } }
  mutating func encode(_ value: UInt8) throws { try encoding.writeSingle(value) { $0.int(value) } }
  mutating func encode(_ value: UInt16) throws { try encoding.writeSingle(value) { $0.int(value) } }
  mutating func encode(_ value: UInt32) throws { try encoding.writeSingle(value) { $0.int(value) } }
  mutating func encode(_ value: UInt64) throws { try encoding.writeSingle(value) { $0.int(value) } }
  mutating func encode(_ value: UInt128) throws { try encoding.encodeInPlace(value) }

  mutating func encode<Value: Encodable>(_ value: Value) throws { try encoding.encodeInPlace(value) }
}
