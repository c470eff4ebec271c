import Formats

/// The id of a request, as the client wrote it: a string or an integer.
struct RequestID: Sendable, Hashable {
  /// The id as JSON. Escapes are uniform, so ids are equal if these bytes are.
  let json: String

  /// Nil for null, fractions and other values, which the protocol forbids.
  init?(_ value: JSONValue) {
    var writer = JSONWriter()
    switch value {
    case .string(let text): writer.write(text)
    case .number(.integer(let number)): writer.write(number)
    default: return nil
    }
    json = writer.string
  }

  static func == (left: RequestID, right: RequestID) -> Bool { left.json.utf8.elementsEqual(right.json.utf8) }

  func hash(into hasher: inout Hasher) { for byte in json.utf8 { hasher.combine(byte) } }
}
