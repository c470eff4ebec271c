/// Any JSON value as a tree; objects keep the order of their members.
public enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case number(JSONNumber)
  case string(String)
  case array([JSONValue])
  /// Keys differ from each other in their bytes.
  case object([Member])

  public struct Member: Sendable, Equatable {
    public let key: String
    public let value: JSONValue

    package init(key: String, value: JSONValue) {
      self.key = key
      self.value = value
    }

    public static func == (left: Member, right: Member) -> Bool { left.key.hasSameBytes(as: right.key) && left.value == right.value }
  }

  /// Strings and keys are compared byte for byte, objects in the order of their members.
  public static func == (left: JSONValue, right: JSONValue) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.bool(let left), .bool(let right)): left == right
    case (.number(let left), .number(let right)): left == right
    case (.string(let left), .string(let right)): left.hasSameBytes(as: right)
    case (.array(let left), .array(let right)): left == right
    case (.object(let left), .object(let right)): left == right
    default: false
    }
  }

  /// The value of the member `key`, or nil when there is none or this is no object.
  public subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key.hasSameBytes(as: key) }?.value
  }
}

extension JSONReader {
  /// Reads the next value, whatever it is.
  ///
  /// - Throws: also ``JSONError/Code/duplicateKey``.
  public mutating func readValue() throws(JSONError) -> JSONValue {
    switch try peek() {
    case .null:
      try readNull()
      return .null
    case .bool: return .bool(try readBool())
    case .number: return .number(try readNumber())
    case .string: return .string(try readString())
    case .array:
      var elements: [JSONValue] = []
      try beginArray()
      while try nextElement() { elements.append(try readValue()) }
      return .array(elements)
    case .object:
      var members: [JSONValue.Member] = []
      var keys = UniqueKeys()
      try beginObject()
      while let text = try nextKey() {
        let key = text.string
        guard keys.insert(key) else { throw JSONError.duplicate(key, at: text.offset) }
        members.append(JSONValue.Member(key: key, value: try readValue()))
      }
      return .object(members)
    }
  }
}

extension JSONError {
  /// The error for a key that occurs twice in one object; `offset` is where the second begins.
  package static func duplicate(_ key: String, at offset: Int) -> JSONError {
    JSONError(.duplicateKey, offset: offset, "the key \"\(TerminalText.excerpt(key))\" occurs twice in one object")
  }
}

extension JSONWriter {
  package mutating func write(_ value: JSONValue) {
    switch value {
    case .null: writeNull()
    case .bool(let bool): write(bool)
    case .number(.integer(let integer)): write(integer)
    case .number(.unsigned(let integer)): write(integer)
    case .number(.negative(let complement)): writeNegative(complement)
    case .number(.real(let real)): write(real)
    case .string(let text): write(text)
    case .array(let elements):
      beginArray()
      for element in elements { write(element) }
      endArray()
    case .object(let members):
      beginObject()
      for member in members {
        key(text: member.key)
        write(member.value)
      }
      endObject()
    }
  }
}
