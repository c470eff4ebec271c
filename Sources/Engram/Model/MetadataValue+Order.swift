import Formats

/// How filters compare values: numbers by their exact value, strings by their bytes, and values of different kinds not at all.
extension MetadataValue {
  /// Whether both are numbers of the same value, or equal values of the same kind.
  func matches(_ other: MetadataValue) -> Bool {
    switch (self, other) {
    case (.integer(let integer), .double(let double)), (.double(let double), .integer(let integer)): Int64(exactly: double) == integer
    default: self == other
    }
  }

  /// Whether values of this kind are in an order.
  var isOrdered: Bool {
    if case .bool = self { false } else { true }
  }

  /// Whether this comes before `other` in the order of numbers or of strings. Values of different kinds, bools and NaN are in no order.
  func precedes(_ other: MetadataValue) -> Bool {
    switch (self, other) {
    case (.string(let left), .string(let right)): left.precedesInBytes(right)
    case (.integer(let left), .integer(let right)): left < right
    case (.double(let left), .double(let right)): left < right
    case (.integer(let left), .double(let right)): Self.isLess(left, right)
    case (.double(let left), .integer(let right)):
      left < 0x1p63 && !left.isNaN && !Self.isLess(right, left) && Int64(exactly: left) != right
    default: false
    }
  }

  /// Compares without rounding: a double has 53 bits of precision, an integer 63.
  private static func isLess(_ left: Int64, _ right: Double) -> Bool {
    if right >= 0x1p63 { return true }
    // Also if it is NaN.
    guard right > -0x1p63 else { return false }
    let whole = right.rounded(.down)
    return left < Int64(whole) || (left == Int64(whole) && whole < right)
  }
}
