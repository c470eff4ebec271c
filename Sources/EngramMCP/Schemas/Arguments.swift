import Engram
import Formats
import Foundation

/// Arguments of one call that have been checked against their declaration: reading them cannot fail.
struct Arguments: Sendable {
  private let value: JSONValue
  private let fields: [Field]

  /// - Throws: ``ToolFailure`` for the first fault.
  init(_ value: JSONValue, checkedAgainst fields: [Field]) throws(ToolFailure) {
    try Shape.object(fields).check(value, at: "")
    self.value = value
    self.fields = fields
  }

  private init(checked value: JSONValue, _ fields: [Field]) {
    self.value = value
    self.fields = fields
  }

  private func shape(_ name: String) -> Shape {
    guard let field = fields.first(where: { $0.name == name }) else { preconditionFailure("the argument '\(name)' is not declared") }
    return field.shape
  }

  func has(_ name: String) -> Bool { value[name] != nil }

  func text(_ name: String) -> String? {
    guard case .string(let text)? = value[name] else { return nil }
    return text
  }

  /// The integer, or the declared default.
  func integer(_ name: String) -> Int? {
    if case .number(let number)? = value[name] { return number.wholeNumber }
    guard case .integer(_, let standard) = shape(name) else { return nil }
    return standard
  }

  func number(_ name: String) -> Double? {
    guard case .number(let number)? = value[name] else { return nil }
    return number.double
  }

  /// The flag, or the declared default.
  func flag(_ name: String) -> Bool {
    if case .bool(let flag)? = value[name] { return flag }
    guard case .boolean(let standard) = shape(name) else { return false }
    return standard
  }

  /// The chosen name, or the declared default.
  func choice(_ name: String) -> String? {
    if let text = text(name) { return text }
    guard case .choice(_, let standard) = shape(name) else { return nil }
    return standard
  }

  func time(_ name: String) -> Date? {
    text(name).flatMap { TimestampText.milliseconds($0) }.map { Date(timeIntervalSince1970: Double($0) / 1000) }
  }

  /// Seconds.
  func duration(_ name: String) -> Int? { text(name).flatMap { Seconds(parsing: $0) }?.count }

  func identifier(_ name: String) -> MemoryID? { text(name).flatMap { MemoryID($0) } }

  func texts(_ name: String) -> [String] {
    guard case .array(let elements)? = value[name] else { return [] }
    return elements.compactMap { if case .string(let text) = $0 { text } else { nil } }
  }

  func identifiers(_ name: String) -> [MemoryID] { texts(name).compactMap { MemoryID($0) } }

  func objects(_ name: String) -> [Arguments] {
    guard case .array(let elements)? = value[name], case .list(of: .object(let fields), _) = shape(name) else { return [] }
    return elements.map { Arguments(checked: $0, fields) }
  }

  /// The members of an object with any keys, in their order.
  func members(_ name: String) -> [JSONValue.Member] {
    guard case .object(let members)? = value[name] else { return [] }
    return members
  }
}
