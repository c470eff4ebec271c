import Formats

/// What a JSON value must look like. Written as JSON Schema for the client, and checked by ``Validation`` when a value arrives: one
/// declaration serves both.
indirect enum Shape: Sendable {
  /// A string of so many bytes of UTF-8; of more than blanks, unless it may be empty.
  case text(bytes: ClosedRange<Int>)
  case integer(ClosedRange<Int>, standard: Int? = nil)
  case number(ClosedRange<Double>)
  case boolean(standard: Bool = false)
  case choice([String], standard: String? = nil)
  /// A date or a time with a zone.
  case time
  /// A number and a unit: `30m`, `12h`, `7d`, `4w`.
  case duration
  /// The id of a memory.
  case identifier
  case list(of: Shape, count: ClosedRange<Int>)
  case object([Field])
  /// An object with any keys.
  case map(of: Shape, count: ClosedRange<Int>)
  /// Any value; the tool checks it.
  case anything

  /// A text of a result.
  static let anyText = Shape.text(bytes: 0...Int.max)
}

/// A member of an object: of arguments, or of a result.
struct Field: Sendable {
  let name: String
  let shape: Shape
  /// For the model; nil: the name says it.
  let note: String?
  let isRequired: Bool
  /// Names that models use instead, without hyphens and underscores.
  let otherNames: [String]

  init(_ name: String, _ shape: Shape, _ note: String? = nil, required: Bool = false, not otherNames: [String] = []) {
    self.name = name
    self.shape = shape
    self.note = note
    isRequired = required
    self.otherNames = otherNames
  }
}

// MARK: JSON Schema

extension Shape {
  /// Writes the schema, of the dialect 2020-12.
  ///
  /// It is short, because a model reads it in each conversation. Lengths and forms of texts are not in it: a sentence explains them when they
  /// are wrong. Of results, it lists the members that are always there and those with a note.
  /// - Parameter isClosed: Whether objects forbid other members, as arguments do.
  func write(to writer: inout JSONWriter, note: String? = nil, isClosed: Bool) {
    writer.beginObject()
    writeMembers(to: &writer, isClosed)
    if let note {
      writer.key("description")
      writer.write(note)
    }
    writer.endObject()
  }

  private func writeMembers(to writer: inout JSONWriter, _ isClosed: Bool) {
    func type(_ name: String) {
      writer.key("type")
      writer.write(name)
    }
    switch self {
    case .text, .time, .identifier, .duration: type("string")
    case .integer(let range, let standard):
      type("integer")
      if isClosed {
        writer.key("minimum")
        writer.write(range.lowerBound)
        if range.upperBound < .max {
          writer.key("maximum")
          writer.write(range.upperBound)
        }
      }
      if let standard {
        writer.key("default")
        writer.write(standard)
      }
    case .number(let range):
      type("number")
      if isClosed {
        for (key, bound) in [("minimum", range.lowerBound), ("maximum", range.upperBound)] where bound.isFinite {
          writer.key(text: key)
          writer.write(json: bound == bound.rounded() ? "\(Int(bound))" : "\(bound)")
        }
      }
    case .boolean: type("boolean")
    case .choice(let names, let standard):
      writer.key("enum")
      writer.beginArray()
      for name in names { writer.write(name) }
      writer.endArray()
      if let standard {
        writer.key("default")
        writer.write(standard)
      }
    case .list(let element, let count):
      type("array")
      writer.key("items")
      element.write(to: &writer, isClosed: isClosed)
      if isClosed {
        if count.lowerBound > 0 {
          writer.key("minItems")
          writer.write(count.lowerBound)
        }
        writer.key("maxItems")
        writer.write(count.upperBound)
      }
    case .object(let fields):
      type("object")
      writer.key("properties")
      writer.beginObject()
      for field in fields where isClosed || field.isRequired || field.note != nil {
        writer.key(text: field.name)
        field.shape.write(to: &writer, note: field.note, isClosed: isClosed)
      }
      writer.endObject()
      let required = fields.filter(\.isRequired)
      if !required.isEmpty {
        writer.key("required")
        writer.beginArray()
        for field in required { writer.write(field.name) }
        writer.endArray()
      }
      if isClosed {
        writer.key("additionalProperties")
        writer.write(false)
      }
    case .map(let element, let count):
      type("object")
      writer.key("additionalProperties")
      element.write(to: &writer, isClosed: isClosed)
      if isClosed {
        writer.key("maxProperties")
        writer.write(count.upperBound)
      }
    case .anything: break
    }
  }
}
