import Engram
import Formats
import Foundation

/// A context for people: one field a line.
enum ContextFacts {
  /// The fields of a ``UserContext`` that are milliseconds since 1970.
  private static let times: Set<String> = ["firstSeen", "lastSeen"]

  static func print(json: String, recordType: String, userID: String) throws {
    let value = try JSONReader.read(Array(json.utf8)) { reader in try reader.readValue() }
    var facts = Facts()
    facts.add("user", userID)
    facts.add("type", recordType)
    guard case .object(let members) = value else { return try facts.print() }
    for member in members where member.key != "userID" {
      let isTime = recordType == UserContext.recordType && times.contains(member.key)
      let time = isTime ? milliseconds(member.value).flatMap(TimestampText.string) : nil
      if let time { facts.add(member.key, time) } else { add(member.value, named: member.key, to: &facts) }
    }
    try facts.print()
  }

  private static func milliseconds(_ value: JSONValue) -> Int64? {
    guard case .number(.integer(let milliseconds)) = value else { return nil }
    return milliseconds
  }

  private static func add(_ value: JSONValue, named name: String, to facts: inout Facts) {
    switch value {
    case .object(let members) where !members.isEmpty:
      for member in members { add(member.value, named: "\(name).\(member.key)", to: &facts) }
    case .array(let elements): facts.add(name, elements.map(text).joined(separator: ", "))
    default: facts.add(name, text(value))
    }
  }

  private static func write(_ value: JSONValue, to json: inout JSONWriter) {
    switch value {
    case .null: json.writeNull()
    case .bool(let value): json.write(value)
    case .string(let text): json.write(text)
    case .number(.integer(let number)): json.write(number)
    case .number(.unsigned(let number)): json.write(number)
    case .number(.negative(let complement)): json.writeNegative(complement)
    case .number(.real(let number)): json.write(number)
    case .array(let elements):
      json.beginArray()
      for element in elements { write(element, to: &json) }
      json.endArray()
    case .object(let members):
      json.beginObject()
      for member in members {
        json.key(text: member.key)
        write(member.value, to: &json)
      }
      json.endObject()
    }
  }

  private static func text(_ value: JSONValue) -> String {
    switch value {
    case .string(let text): return text
    default:
      var json = JSONWriter()
      write(value, to: &json)
      return json.string
    }
  }
}
