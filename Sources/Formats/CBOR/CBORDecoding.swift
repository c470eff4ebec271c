/// The decoder of one item and its place in the coding path.
final class CBORDecoding: Decoder {
  let input: CBORDecodingInput
  let item: Int
  private let parent: CBORDecoding?
  private let component: CBORPathComponent

  init(input: CBORDecodingInput, item: Int, parent: CBORDecoding?, component: CBORPathComponent) {
    self.input = input
    self.item = item
    self.parent = parent
    self.component = component
  }

  var userInfo: [CodingUserInfoKey: Any] { input.userInfo }

  var codingPath: [any CodingKey] {
    var path: [any CodingKey] = []
    var decoding: CBORDecoding? = self
    while let current = decoding {
      if let key = current.component.codingKey { path.append(key) }
      decoding = current.parent
    }
    return path.reversed()
  }

  func codingPath(_ component: CBORPathComponent) -> [any CodingKey] {
    codingPath + [component.codingKey].compactMap(\.self)
  }

  func below(_ item: Int, _ component: CBORPathComponent) -> CBORDecoding {
    CBORDecoding(input: input, item: item, parent: self, component: component)
  }

  // MARK: Decoder

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    do throws(CBORError) {
      _ = try input.read(item) { reader throws(CBORError) in try reader.readMapCount() }
      return KeyedDecodingContainer(CBORKeyedDecoding<Key>(decoding: self, index: try CBORKeyIndex(input, map: item)))
    } catch {
      throw decodingError(error, [String: Any].self, item, .root)
    }
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    do throws(CBORError) {
      return try CBORUnkeyedDecoding(self)
    } catch {
      throw decodingError(error, [Any].self, item, .root)
    }
  }

  func singleValueContainer() -> any SingleValueDecodingContainer {
    CBORSingleValueDecoding(decoding: self)
  }

  // MARK: Values

  /// Decodes this decoder's whole item.
  @inline(__always)
  func decodeInPlace<Value: Decodable>(_ type: Value.Type) throws -> Value {
    do throws(CBORError) {
      if let value = try CBORKnownType.read(type, input, item) { return value }
    } catch {
      throw decodingError(error, type, item, .root)
    }
    return try Value(from: self)
  }

  /// Reads a scalar from an item of this decoder.
  @inline(__always)
  func read<Value>(
    _ item: Int, _ component: @autoclosure () -> CBORPathComponent, _ body: (inout CBORReader) throws(CBORError) -> Value
  ) throws -> Value {
    do throws(CBORError) {
      return try input.read(item, body)
    } catch {
      throw decodingError(error, Value.self, item, component())
    }
  }

  /// Decodes an item of this decoder.
  func decode<Value: Decodable>(_ type: Value.Type, _ item: Int, _ component: @autoclosure () -> CBORPathComponent) throws -> Value {
    do throws(CBORError) {
      if let value = try CBORKnownType.read(type, input, item) { return value }
    } catch {
      throw decodingError(error, type, item, component())
    }
    return try Value(from: below(item, component()))
  }

  @inline(never)
  func decodingError(_ error: CBORError, _ type: any Any.Type, _ item: Int, _ component: CBORPathComponent) -> DecodingError {
    let context = DecodingError.Context(
      codingPath: codingPath(component), debugDescription: error.description, underlyingError: error)
    guard error.code == .typeMismatch else { return .dataCorrupted(context) }
    return input.isNull(item) ? .valueNotFound(type, context) : .typeMismatch(type, context)
  }
}
