/// Decodes `Codable` values from CBOR of any writer: non-shortest heads, indefinite lengths and any order of keys are accepted.
///
/// The whole input is checked before any type sees it: well-formed, within the depth limit, no duplicate keys (compared by value),
/// nothing after the item. Unknown keys are ignored. A number converts exactly or not at all: 3.0 is an `Int`, 3.5 is not, 300 is no
/// `UInt8`, 0.1 no `Float`. Null and undefined are `nil`. Tag 55799 ("this is CBOR") is passed over; other tags belong to the types of
/// ``CBOREncoder``'s table.
package struct CBORDecoder: Sendable {
  package var userInfo: [CodingUserInfoKey: any Sendable] = [:]
  /// How many levels of arrays, maps and tags may enclose one another.
  package var depthLimit = CBORWriter.defaultDepthLimit

  package init() {}

  /// - Throws: `DecodingError`, whose `underlyingError` is a ``CBORError`` unless a key or element is just missing; and
  ///   whatever the type's own `init(from:)` throws.
  /// - Complexity: O(bytes); the index of the input takes 16 bytes per item.
  package func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
    let input: CBORDecodingInput
    do throws(CBORError) {
      input = try CBORDecodingInput(bytes, userInfo: userInfo, depthLimit: depthLimit)
    } catch {
      throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: error.description, underlyingError: error))
    }
    return try CBORDecoding(input: input, item: 0, parent: nil, component: .root).decodeInPlace(type)
  }

  /// Decodes from bytes that the caller lends for the call; they are copied.
  package func decode<Value: Decodable>(_ type: Value.Type, from buffer: UnsafeRawBufferPointer) throws -> Value {
    try decode(type, from: unsafe Array(buffer))
  }

  /// Decodes from a tree, by way of its encoding.
  package func decode<Value: Decodable>(_ type: Value.Type, from value: CBORValue) throws -> Value {
    var writer = CBORWriter()
    do throws(CBORError) {
      try writer.value(value, depthLimit: depthLimit)
    } catch {
      throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: error.description, underlyingError: error))
    }
    return try decode(type, from: writer.bytes)
  }
}
