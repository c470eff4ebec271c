/// One CBOR data item (RFC 8949), as a tree.
///
/// Records are read as trees only if no Swift type is known: by inspection, the JSON Lines exchange and migrations.
package indirect enum CBORValue: Sendable, Equatable {
  /// Major type 0: 0 … 2⁶⁴ − 1.
  case unsigned(UInt64)
  /// Major type 1: the value is −1 − n.
  case negative(UInt64)
  case bytes([UInt8])
  case text(String)
  case array([CBORValue])
  /// Entries in the order of the input; the encoder sorts them by their encoded keys.
  case map([Entry])
  case tag(UInt64, CBORValue)
  case bool(Bool)
  case null
  case undefined
  case simple(UInt8)
  /// Any width: the encoder chooses the shortest that keeps the value.
  case float(Double)

  /// Texts are compared byte for byte, maps in the order of their entries; NaN equals nothing.
  package static func == (left: CBORValue, right: CBORValue) -> Bool {
    switch (left, right) {
    case (.unsigned(let left), .unsigned(let right)), (.negative(let left), .negative(let right)): left == right
    case (.bytes(let left), .bytes(let right)): left == right
    case (.text(let left), .text(let right)): left.hasSameBytes(as: right)
    case (.array(let left), .array(let right)): left == right
    case (.map(let left), .map(let right)): left == right
    case (.tag(let leftNumber, let left), .tag(let rightNumber, let right)): leftNumber == rightNumber && left == right
    case (.bool(let left), .bool(let right)): left == right
    case (.null, .null), (.undefined, .undefined): true
    case (.simple(let left), .simple(let right)): left == right
    case (.float(let left), .float(let right)): left == right
    default: false
    }
  }

  package struct Entry: Sendable, Equatable {
    package let key: CBORValue
    package let value: CBORValue

    package init(key: CBORValue, value: CBORValue) {
      self.key = key
      self.value = value
    }
  }
}
