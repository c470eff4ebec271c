#if canImport(FoundationEssentials)
  package import FoundationEssentials
#else
  package import Foundation
#endif

extension CBORWriter {
  /// Appends the first of these forms that reads back as the same date:
  ///
  /// 1. tag 1 with whole seconds since 1970 as an integer,
  /// 2. tag 1 with the seconds as a float, which is also the form of dates that are not finite,
  /// 3. tag 1001 (RFC 9581) with `{1: whole seconds, -9: nanoseconds}`,
  /// 4. tag 1001 with `{1: whole seconds, -18: attoseconds}`.
  ///
  /// `Date` counts from 2001, so dates within a tenth of a second of that instant can be finer than attoseconds; they alone are rounded,
  /// to the nearest attosecond.
  package mutating func date(_ value: Date) {
    let reference = value.timeIntervalSinceReferenceDate
    let seconds = reference + Date.timeIntervalBetween1970AndReferenceDate
    if !seconds.isFinite || seconds - Date.timeIntervalBetween1970AndReferenceDate == reference {
      tag(1)
      if let whole = Int64(exactly: seconds) { int(whole) } else { double(seconds) }
      return
    }
    // Towards zero, because then the fraction is exact.
    let whole = Int128(reference.rounded(.towardZero)) + CBORDate.referenceSeconds
    let fraction = reference - reference.rounded(.towardZero)
    let nanoseconds = CBORDate.Seconds(whole: whole, parts: Int128((fraction * 1e9).rounded()), perSecond: 1_000_000_000)
    if CBORDate.reference(nanoseconds.whole, attoseconds: nanoseconds.parts * 1_000_000_000) == reference {
      extendedTime(nanoseconds, power: -9)
    } else {
      let parts = CBORDate.attoseconds(fraction)
      extendedTime(CBORDate.Seconds(whole: whole, parts: parts, perSecond: CBORDate.attosecondsPerSecond), power: -18)
    }
  }

  private mutating func extendedTime(_ seconds: CBORDate.Seconds, power: Int64) {
    tag(1001)
    map(count: 2)
    int(Int64(1))
    int(seconds.whole)
    int(power)
    int(seconds.parts)
  }
}

extension CBORReader {
  /// Reads any form that ``CBORWriter/date(_:)`` writes, tag 1001 with any fraction from milli- to attoseconds, or an untagged number of
  /// seconds since 1970. A time between two `Date` values becomes the nearest one.
  ///
  /// - Throws: ``CBORError`` `.typeMismatch`; `.invalidTagContent` for an extended time with a part that may not be ignored.
  package mutating func readDate() throws(CBORError) -> Date {
    let start = offset
    switch peekMajor {
    case .tag:
      switch try readTag() {
      case 1: return Date(timeIntervalSince1970: try readNumber().nearestDouble)
      case 1001: return try readExtendedTime()
      default: throw mismatch("a date", at: start)
      }
    case .unsigned, .negative, .simple: return Date(timeIntervalSince1970: try readNumber().nearestDouble)
    case nil: throw truncated()
    default: throw mismatch("a date", at: start)
    }
  }

  /// RFC 9581 section 3: key 1 is the time since 1970, negative keys from -3 to -18 count fractions of a second; other negative keys and
  /// keys that are not integers may be ignored, other unsigned keys may not.
  private mutating func readExtendedTime() throws(CBORError) -> Date {
    let start = offset
    func invalid(_ message: String) -> CBORError { CBORError(.invalidTagContent, at: start, message) }
    guard peekMajor == .map else { throw invalid("an extended time must be a map") }
    var base: CBORNumber?
    var attoseconds: Int128?
    var count = try readMapCount()
    while try hasNext(&count) {
      guard peekMajor == .unsigned || peekMajor == .negative else {
        try skip()
        try skip()
        continue
      }
      let keyOffset = offset
      switch try readNumber() {
      case .unsigned(1):
        guard base == nil else { throw CBORError(.duplicateKey, at: keyOffset, "a map has the same key twice") }
        base = try readNumber()
      case .unsigned(let key):
        throw invalid("an extended time has key \(key), which may not be ignored")
      case .negative(let complement) where complement <= 17 && (complement + 1) % 3 == 0:
        guard attoseconds == nil else { throw invalid("an extended time has more than one fraction of a second") }
        let scale = (0..<(17 - Int(complement))).reduce(into: Int128(1)) { product, _ in product *= 10 }
        attoseconds = Int128(try readUInt64()) * scale
      default: try skip()
      }
    }
    guard let base else { throw invalid("an extended time must have key 1, the seconds since 1970") }
    guard let attoseconds else { return Date(timeIntervalSince1970: base.nearestDouble) }
    let whole = try base.integer(Int128.self, at: start)
    return Date(timeIntervalSinceReferenceDate: CBORDate.reference(whole, attoseconds: attoseconds))
  }
}

/// Arithmetic of seconds and fractions, kept exact until the one rounding to a `Double`.
private enum CBORDate {
  static let attosecondsPerSecond: Int128 = 1_000_000_000_000_000_000
  /// Seconds from 1970 to 2001, from which `Date` counts.
  static let referenceSeconds: Int128 = 978_307_200

  /// Whole seconds, and parts of a second from 0 to below `perSecond`.
  struct Seconds {
    let whole: Int128
    let parts: Int128

    /// Carries `parts` of either sign or of a full second into `whole`.
    init(whole: Int128, parts: Int128, perSecond: Int128) {
      let (quotient, remainder) = parts.quotientAndRemainder(dividingBy: perSecond)
      self.whole = whole + quotient - (remainder < 0 ? 1 : 0)
      self.parts = remainder < 0 ? remainder + perSecond : remainder
    }
  }

  /// The `Date` value nearest to so many seconds and attoseconds since 1970.
  static func reference(_ whole: Int128, attoseconds: Int128) -> Double {
    // From 2⁶⁴ seconds on, neighbouring `Double`s differ by more than any fraction; below, the sum of attoseconds fits into 127 bits.
    guard whole.magnitude < 1 << 64, attoseconds < 1 << 120 else {
      let (difference, overflow) = whole.subtractingReportingOverflow(referenceSeconds)
      return Double(overflow ? whole : difference)
    }
    let total = (whole - referenceSeconds) * attosecondsPerSecond + attoseconds
    let (seconds, parts) = total.magnitude.quotientAndRemainder(dividingBy: UInt128(attosecondsPerSecond))
    // Parsing a decimal rounds correctly once, where a division and a sum would round twice.
    let digits = String(String(UInt128(attosecondsPerSecond) + parts).dropFirst())
    let magnitude = Double("\(seconds).\(digits)") ?? Double(seconds)
    return total < 0 ? -magnitude : magnitude
  }

  /// Attoseconds nearest to a fraction between -1 and 1.
  static func attoseconds(_ fraction: Double) -> Int128 {
    guard fraction != 0 else { return 0 }
    // |fraction| = significand · 2⁻ˢʰⁱᶠᵗ with a significand below 2⁵³; its product with 10¹⁸ fits into 113 bits.
    let shift = 52 - Int(fraction.exponent)
    guard shift < 120 else { return 0 }
    let significand = Int128(fraction.significand * 0x1p52)
    let product = significand * attosecondsPerSecond
    let magnitude = (product + (1 << (shift - 1))) >> shift
    return fraction < 0 ? -magnitude : magnitude
  }
}

extension CBORNumber {
  fileprivate var nearestDouble: Double {
    switch self {
    case .unsigned(let magnitude): Double(magnitude)
    // This rounds once; -1 - Double(complement) would round twice.
    case .negative(let complement): complement == .max ? -0x1p64 : -Double(complement + 1)
    case .float(let value): value
    }
  }
}
