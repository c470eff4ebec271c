/// The unkeyed container: elements go straight into the buffer of their array.
struct CBORUnkeyedEncoding: UnkeyedEncodingContainer {
  let encoding: CBOREncoding
  let content: CBOREncodedContent

  var codingPath: [any CodingKey] { encoding.codingPath }
  var count: Int { content.buffer.count }

  @inline(__always)
  private func write(_ write: (inout CBORWriter) -> Void) throws {
    try content.buffer.appendElement { writer in
      write(&writer)
      return true
    }
  }

  mutating func encodeNil() throws { try write { $0.null() } }
  mutating func encode(_ value: Bool) throws { try write { $0.bool(value) } }
  mutating func encode(_ value: String) throws { try write { $0.text(value) } }
  mutating func encode(_ value: Double) throws { try write { $0.double(value) } }
  mutating func encode(_ value: Float) throws { try write { $0.double(Double(value)) } }
  mutating func encode(_ value: Int) throws { try write { $0.int(value) } }
  mutating func encode(_ value: Int8) throws { try write { $0.int(value) } }
  mutating func encode(_ value: Int16) throws { try write { $0.int(value) } }
  mutating func encode(_ value: Int32) throws { try write { $0.int(value) } }
  mutating func encode(_ value: Int64) throws { try write { $0.int(value) } }
  mutating func encode(_ value: Int128) throws { try encodeValue(value) }
  mutating func encode(_ value: UInt) throws { try write { $0.int(value) } }
  mutating func encode(_ value: UInt8) throws { try write { $0.int(value) } }
  mutating func encode(_ value: UInt16) throws { try write { $0.int(value) } }
  mutating func encode(_ value: UInt32) throws { try write { $0.int(value) } }
  mutating func encode(_ value: UInt64) throws { try write { $0.int(value) } }
  mutating func encode(_ value: UInt128) throws { try encodeValue(value) }

  mutating func encode<Value: Encodable>(_ value: Value) throws { try encodeValue(value) }

  private func encodeValue<Value: Encodable>(_ value: Value) throws {
    do throws(CBORError) {
      let isWritten = try content.buffer.appendElement { writer throws(CBORError) in
        try CBORKnownType.write(value, to: &writer, depthLeft: encoding.depthLeft - 1)
      }
      if isWritten { return }
    } catch {
      throw encoding.invalid(value, error, encoding.codingPath(.index(count)))
    }
    let below = try encoding.encodeBelow(value, .index(count))
    try write { below.finish(into: &$0) }
  }

  mutating func nestedContainer<NestedKey: CodingKey>(keyedBy keyType: NestedKey.Type) -> KeyedEncodingContainer<NestedKey> {
    child().container(keyedBy: keyType)
  }

  mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
    child().unkeyedContainer()
  }

  mutating func superEncoder() -> any Encoder { child() }

  private func child() -> CBOREncoding {
    encoding.below(.index(count), content: content.appendChild())
  }
}
