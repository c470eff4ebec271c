/// The last hexadecimal digits of a memory's id. They usually suffice to identify it among its user's memories, so people type them instead
/// of the whole id.
///
/// The first 20 digits are the same in ids that were made in one millisecond or batch, the last ones differ.
public struct MemoryIDSuffix: Sendable, Hashable, LosslessStringConvertible {
  /// Lower case, without hyphens.
  public let description: String
  private let bits: (high: UInt64, low: UInt64)
  private let mask: (high: UInt64, low: UInt64)

  /// How many digits ``MemoryID/shortDescription`` has.
  public static let shownDigits = 8
  /// How many digits a suffix may have. Fewer could match by accident.
  public static let digits = 4...31

  /// - Returns: Nil unless `text` has 4 to 31 hexadecimal digits, in either case, and nothing else; hyphens are ignored.
  public init?(_ text: String) {
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

  /// Whether the id ends in these digits.
  public func matches(_ id: MemoryID) -> Bool { id.high & mask.high == bits.high && id.low & mask.low == bits.low }

  public static func == (left: Self, right: Self) -> Bool { left.description.utf8.elementsEqual(right.description.utf8) }
  public func hash(into hasher: inout Hasher) { hasher.combine(description) }
}

extension MemoryID {
  /// The last ``MemoryIDSuffix/shownDigits`` digits, for a table that people read.
  public var shortDescription: String { String(description.suffix(MemoryIDSuffix.shownDigits)) }
}
