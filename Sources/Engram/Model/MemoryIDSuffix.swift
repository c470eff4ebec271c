/// The last hexadecimal digits of a memory's id, which tell it from others of its user: ids of one batch share their first 20.
package struct MemoryIDSuffix: Sendable, Hashable, LosslessStringConvertible {
  /// Lower case, without hyphens.
  package let description: String
  private let bits: (high: UInt64, low: UInt64)
  private let mask: (high: UInt64, low: UInt64)

  /// How many digits a table shows.
  package static let shownDigits = 8
  /// Fewer could be an accident.
  package static let digits = 4...31

  /// - Returns: Nil unless `text` has 4 to 31 hexadecimal digits, in either case; hyphens are passed over.
  package init?(_ text: String) {
    var digits: [UInt8] = []
    for byte in text.utf8 where byte != UInt8(ascii: "-") {
      switch byte | 0x20 {
      case UInt8(ascii: "0")...UInt8(ascii: "9") where byte & 0x20 != 0, UInt8(ascii: "a")...UInt8(ascii: "f"): digits.append(byte | 0x20)
      default: return nil
      }
      guard digits.count <= Self.digits.upperBound else { return nil }
    }
    guard digits.count >= Self.digits.lowerBound else { return nil }
    description = String(decoding: digits, as: UTF8.self)
    var (high, low): (UInt64, UInt64) = (0, 0)
    for digit in digits {
      high = high << 4 | low >> 60
      low = low << 4 | UInt64(digit < UInt8(ascii: "a") ? digit - UInt8(ascii: "0") : digit - UInt8(ascii: "a") + 10)
    }
    bits = (high, low)
    // A shift by 64 or more gives zero.
    let count = digits.count * 4
    mask = (count > 64 ? ~(~0 << UInt64(count - 64)) : 0, count >= 64 ? ~0 : ~(~0 << UInt64(count)))
  }

  package func matches(_ id: MemoryID) -> Bool { id.high & mask.high == bits.high && id.low & mask.low == bits.low }

  package static func == (left: Self, right: Self) -> Bool { left.description.utf8.elementsEqual(right.description.utf8) }
  package func hash(into hasher: inout Hasher) { hasher.combine(description) }
}

extension MemoryID {
  /// The last digits, for a table on a terminal.
  package var shortDescription: String { String(description.suffix(MemoryIDSuffix.shownDigits)) }
}
