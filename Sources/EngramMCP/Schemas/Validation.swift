import Engram
import Formats

/// Why a call of a tool cannot be done, in a sentence that a model can act on. The client gets a result with `isError`.
struct ToolFailure: Error, Equatable {
  let sentence: String

  init(_ sentence: String) { self.sentence = sentence }
}

extension Shape {
  /// Checks that a value has this shape.
  ///
  /// - Parameter place: How the sentence names the value, such as `memories[2].kind`.
  /// - Throws: ``ToolFailure`` for the first fault.
  func check(_ value: JSONValue, at place: String) throws(ToolFailure) {
    switch (self, value) {
    case (.text(let bytes), .string(let text)):
      let count = text.utf8.count
      if bytes.lowerBound > 0, text.allSatisfy(\.isWhitespace) { throw ToolFailure("`\(place)` is empty.") }
      if count > bytes.upperBound {
        throw ToolFailure("`\(place)` has \(count) bytes of UTF-8; at most \(bytes.upperBound) are allowed.")
      }
    case (.integer(let range, _), .number(let number)):
      guard let number = number.wholeNumber, range.contains(number) else { throw wrong(value, at: place) }
    case (.number(let range), .number(let number)):
      guard range.contains(number.double) else { throw wrong(value, at: place) }
    case (.boolean, .bool): break
    case (.choice(let names, _), .string(let text)):
      guard names.contains(where: { $0.utf8.elementsEqual(text.utf8) }) else {
        let meant = Spelling.nearest(to: text, of: names).map { " Did you mean `\($0)`?" } ?? ""
        throw ToolFailure("`\(place)` must be one of \(Self.quoted(names)), not `\(TerminalText.excerpt(text))`.\(meant)")
      }
    case (.time, .string(let text)):
      guard TimestampText.milliseconds(text) != nil else { throw ToolFailure("`\(place)`: \(TimestampText.fault(text)).") }
    case (.duration, .string(let text)):
      guard Seconds(parsing: text) != nil else { throw wrong(value, at: place) }
    case (.identifier, .string(let text)):
      guard MemoryID(text) != nil else { throw wrong(value, at: place) }
    case (.list(let element, let count), .array(let elements)):
      guard count.contains(elements.count) else {
        throw ToolFailure("`\(place)` has \(elements.count) elements; \(count.lowerBound) to \(count.upperBound) are allowed.")
      }
      for (index, value) in elements.enumerated() { try element.check(value, at: "\(place)[\(index)]") }
    case (.object(let fields), .object(let members)):
      try Self.check(members, fields, at: place)
    case (.map(let element, let count), .object(let members)):
      guard members.count <= count.upperBound else {
        throw ToolFailure("`\(place)` has \(members.count) members; at most \(count.upperBound) are allowed.")
      }
      for member in members { try element.check(member.value, at: "\(place).\(TerminalText.excerpt(member.key))") }
    case (.anything, _): break
    default: throw wrong(value, at: place)
    }
  }

  private static func check(_ members: [JSONValue.Member], _ fields: [Field], at place: String) throws(ToolFailure) {
    func path(_ name: String) -> String { place.isEmpty ? name : "\(place).\(name)" }
    // Before what is missing: a misspelled name explains it.
    for member in members where !fields.contains(where: { $0.name.utf8.elementsEqual(member.key.utf8) }) {
      throw unknown(member.key, fields, at: place)
    }
    for field in fields {
      if let member = members.first(where: { $0.key.utf8.elementsEqual(field.name.utf8) }) {
        try field.shape.check(member.value, at: path(field.name))
      } else if field.isRequired {
        throw ToolFailure("`\(path(field.name))` is missing\(field.note.map { ": \($0)" } ?? "").")
      }
    }
  }

  private static func unknown(_ key: String, _ fields: [Field], at place: String) -> ToolFailure {
    let shown = TerminalText.excerpt(key)
    let folded = String(decoding: key.utf8.filter { $0 != UInt8(ascii: "_") && $0 != UInt8(ascii: "-") }, as: UTF8.self).lowercased()
    let names = fields.map(\.name)
    let meant = fields.first { $0.otherNames.contains(folded) }?.name ?? Spelling.nearest(to: key, of: names)
    let whose = place.isEmpty ? "" : " in `\(place)`"
    if let meant { return ToolFailure("Use `\(meant)`, not `\(shown)`\(whose).") }
    let known = names.isEmpty ? "there are no arguments" : "there are \(quoted(names))"
    return ToolFailure("There is no `\(shown)`\(whose): \(known).")
  }

  private func wrong(_ value: JSONValue, at place: String) -> ToolFailure {
    let advice = if case .null = value { ": leave it out instead of null" } else { "" }
    return ToolFailure("`\(place)` must be \(description), not \(Self.description(of: value))\(advice).")
  }

  private static func quoted(_ names: [String]) -> String { names.map { "`\($0)`" }.joined(separator: ", ") }

  private static func description(of value: JSONValue) -> String {
    switch value {
    case .null: "null"
    case .bool(let flag): "\(flag)"
    case .number(.integer(let number)): "\(number)"
    case .number(let number): "\(number.double)"
    case .string(let text): "the text \"\(TerminalText.excerpt(text))\""
    case .array: "an array"
    case .object: "an object"
    }
  }
}

extension Shape: CustomStringConvertible {
  /// For a sentence: `an integer from 1 to 50`.
  var description: String {
    switch self {
    case .text: "a text"
    case .integer(let range, _):
      range.upperBound == .max ? "an integer of at least \(range.lowerBound)" : "an integer from \(range.lowerBound) to \(range.upperBound)"
    case .number(let range): range.lowerBound.isFinite ? "a number from \(range.lowerBound) to \(range.upperBound)" : "a number"
    case .boolean: "true or false"
    case .choice(let names, _): "one of \(Self.quoted(names))"
    case .time: "a time such as 2026-01-02T03:04:05Z"
    case .duration: "a duration such as 30m, 12h, 7d or 4w"
    case .identifier: "the id of a memory, as a search or a list returns it"
    case .list: "an array"
    case .object, .map: "an object"
    case .anything: "a value"
    }
  }
}

extension JSONNumber {
  /// The integer that the number is, however it is written: to JSON Schema, 5.0 is one.
  var wholeNumber: Int? {
    switch self {
    case .integer(let number): Int(exactly: number)
    case .real(let number): Int(exactly: number)
    case .unsigned, .negative: nil
    }
  }

  var double: Double {
    switch self {
    case .integer(let number): Double(number)
    case .unsigned(let number): Double(number)
    case .negative(let complement): -1 - Double(complement)
    case .real(let number): number
    }
  }
}

/// The length of a duration such as `12h`.
struct Seconds {
  let count: Int

  /// Nil unless `text` is 1 to 6 digits and one of the letters m, h, d and w.
  init?(parsing text: String) {
    guard let unit = text.utf8.last, (2...7).contains(text.utf8.count) else { return nil }
    let digits = text.utf8.dropLast()
    guard digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
    let number = digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    switch unit {
    case UInt8(ascii: "m"): count = number * 60
    case UInt8(ascii: "h"): count = number * 3600
    case UInt8(ascii: "d"): count = number * 86_400
    case UInt8(ascii: "w"): count = number * 604_800
    default: return nil
    }
  }
}
