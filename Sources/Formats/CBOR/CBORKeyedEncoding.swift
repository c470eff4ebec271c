/// The keyed container: entries go straight into the buffer of their map.
struct CBORKeyedEncoding<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let encoding: CBOREncoding
  let content: CBOREncodedContent
  let keysAreText: Bool

  var codingPath: [any CodingKey] { encoding.codingPath }

  @inline(__always)
  private func write(_ key: Key, _ write: (inout CBORWriter) -> Void) throws {
    try content.buffer.appendEntry(CBOREncodedKey(key, keysAreText: keysAreText)) { writer in
      write(&writer)
      return true
    }
  }

  mutating func encodeNil(forKey key: Key) throws { try write(key) { $0.null() } }
  mutating func encode(_ value: Bool, forKey key: Key) throws { try write(key) { $0.bool(value) } }
  mutating func encode(_ value: String, forKey key: Key) throws { try write(key) { $0.text(value) } }
  mutating func encode(_ value: Double, forKey key: Key) throws { try write(key) { $0.double(value) } }
  mutating func encode(_ value: Float, forKey key: Key) throws { try write(key) { $0.double(Double(value)) } }
  mutating func encode(_ value: Int, forKey key: Key) throws { try write(key) { $0.int(value) } }
  mutating func encode(_ value: Int8, forKey key: Key) throws { try write(key) { $0.int(value) } }
  mutating func encode(_ value: Int16, forKey key: Key) throws { try write(key) { $0.int(value) } }
  mutating func encode(_ value: Int32, forKey key: Key) throws { try write(key) { $0.int(value) } }
  mutating func encode(_ value: Int64, forKey key: Key) throws { try write(key) { $0.int(value) } }
  mutating func encode(_ value: Int128, forKey key: Key) throws { try encodeValue(value, key) }
  mutating func encode(_ value: UInt, forKey key: Key) throws { try write(key) { $0.int(value) } }
  mutating func encode(_ value: UInt8, forKey key: Key) throws { try write(key) { $0.int(value) } }
  mutating func encode(_ value: UInt16, forKey key: Key) throws { try write(key) { $0.int(value) } }
  mutating func encode(_ value: UInt32, forKey key: Key) throws { try write(key) { $0.int(value) } }
  mutating func encode(_ value: UInt64, forKey key: Key) throws { try write(key) { $0.int(value) } }
  mutating func encode(_ value: UInt128, forKey key: Key) throws { try encodeValue(value, key) }

  mutating func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws { try encodeValue(value, key) }

  private func encodeValue<Value: Encodable>(_ value: Value, _ key: Key) throws {
    do throws(CBORError) {
      let isWritten = try content.buffer.appendEntry(CBOREncodedKey(key, keysAreText: keysAreText)) { writer throws(CBORError) in
        try CBORKnownType.write(value, to: &writer, depthLeft: encoding.depthLeft - 1)
      }
      if isWritten { return }
    } catch {
      throw encoding.invalid(value, error, encoding.codingPath(.key(key)))
    }
    // The value's own code runs before anything of the entry is written, so it may even write to this container.
    let below = try encoding.encodeBelow(value, .key(key))
    try write(key) { below.finish(into: &$0) }
  }

  mutating func nestedContainer<NestedKey: CodingKey>(
    keyedBy keyType: NestedKey.Type, forKey key: Key
  ) -> KeyedEncodingContainer<NestedKey> {
    child(key).container(keyedBy: keyType)
  }

  mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    child(key).unkeyedContainer()
  }

  mutating func superEncoder() -> any Encoder { child(CBORCodingKey.super) }

  mutating func superEncoder(forKey key: Key) -> any Encoder { child(key) }

  private func child(_ key: some CodingKey) -> CBOREncoding {
    encoding.below(.key(key), content: content.appendChild(CBOREncodedKey(key, keysAreText: keysAreText)))
  }
}
