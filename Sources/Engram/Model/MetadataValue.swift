import Formats
public import Foundation

/// One value of a memory's metadata: a string, an integer, a double or a bool.
public enum MetadataValue: Sendable, Hashable {
  /// Equal to another string if their UTF-8 is equal.
  case string(String)
  case integer(Int64)
  /// Finite: the store refuses other doubles.
  case double(Double)
  case bool(Bool)

  /// Whether both have the same kind and value, strings byte for byte. 1 and 1.0 differ here, although a filter treats them as equal.
  // Disfavoured, because literals are values of this type as well: `f(1.1) == 1.1` with a generic `f` would be ambiguous.
  @_disfavoredOverload
  public static func == (left: MetadataValue, right: MetadataValue) -> Bool {
    switch (left, right) {
    case (.string(let left), .string(let right)): left.hasSameBytes(as: right)
    case (.integer(let left), .integer(let right)): left == right
    case (.double(let left), .double(let right)): left == right
    case (.bool(let left), .bool(let right)): left == right
    default: false
    }
  }

  public func hash(into hasher: inout Hasher) {
    switch self {
    case .string(let value): value.hash(bytesInto: &hasher)
    case .integer(let value): hasher.combine(value)
    case .double(let value): hasher.combine(value)
    case .bool(let value): hasher.combine(value)
    }
  }
}

extension MetadataValue: ByteIdentity {
  func hasSameBytes(as other: MetadataValue) -> Bool { self == other }
  func hash(bytesInto hasher: inout Hasher) { hash(into: &hasher) }
}

extension MetadataValue: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Int64.self) {
      self = .integer(value)
    } else if let value = try? container.decode(Double.self) {
      self = .double(value)
    } else {
      self = .string(try container.decode(String.self))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .string(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .double(let value): try container.encode(value)
    case .bool(let value): try container.encode(value)
    }
  }
}

// A string with interpolations is a literal, too: "step \(number)".
extension MetadataValue: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int64) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .double(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension MetadataValue {
  public init(_ value: String) { self = .string(value) }
  public init(_ value: Int) { self = .integer(Int64(value)) }
  public init(_ value: Double) { self = .double(value) }
  public init(_ value: Bool) { self = .bool(value) }

  /// An instant as an integer: the nearest millisecond since 1970, clamped to what 64 bits hold.
  public init(_ value: Date) { self = .integer(value.milliseconds) }
}

extension MetadataValue: CustomStringConvertible {
  public var description: String {
    switch self {
    case .string(let value): value
    case .integer(let value): "\(value)"
    case .double(let value): "\(value)"
    case .bool(let value): "\(value)"
    }
  }
}
