#if canImport(FoundationEssentials)
  package import FoundationEssentials
#else
  package import Foundation
#endif

extension CBORWriter {
  /// Appends tag 4, `[exponent, mantissa]`, without trailing zeros in the mantissa, so that equal values have equal bytes. Not-a-number
  /// becomes a float.
  package mutating func decimal(_ value: Decimal) {
    guard !value.isNaN, var mantissa = UInt128(value.significand.magnitude.description) else {
      double(.nan)
      return
    }
    var exponent = mantissa == 0 ? 0 : value.exponent
    while mantissa != 0, mantissa.isMultiple(of: 10) {
      mantissa /= 10
      exponent += 1
    }
    let isNegative = value.isSignMinus && mantissa != 0
    tag(4)
    array(count: 2)
    int(Int64(exponent))
    integer(negative: isNegative, magnitude: isNegative ? mantissa - 1 : mantissa)
  }
}

extension CBORReader {
  /// Reads tag 4, an integer, a big number, or a float that is exactly a decimal.
  ///
  /// - Throws: ``CBORError`` `.inexactNumber` or `.integerOutOfRange` if `Decimal` does not hold exactly this value.
  package mutating func readDecimal() throws(CBORError) -> Decimal {
    let start = offset
    var copy = self
    guard peekMajor == .tag, try copy.readTag() == 4 else {
      switch try readNumber() {
      case .float(let value): return try CBORDecimal.decimal(exactly: value, at: start)
      case let number: return try CBORDecimal.decimal(number, exponent: 0, at: start)
      }
    }
    self = copy
    guard peekMajor == .array else { throw CBORDecimal.invalid(at: start) }
    var count = try readArrayCount()
    guard try hasNext(&count) else { throw CBORDecimal.invalid(at: start) }
    let exponent = try readInt64()
    guard try hasNext(&count) else { throw CBORDecimal.invalid(at: start) }
    let mantissa = try readNumber()
    guard try !hasNext(&count) else { throw CBORDecimal.invalid(at: start) }
    return try CBORDecimal.decimal(mantissa, exponent: exponent, at: start)
  }
}

private enum CBORDecimal {
  static func invalid(at offset: Int) -> CBORError {
    CBORError(.invalidTagContent, at: offset, "a decimal fraction must be an array of exponent and mantissa")
  }

  static func decimal(_ mantissa: CBORNumber, exponent: Int64, at offset: Int) throws(CBORError) -> Decimal {
    let parts: (isNegative: Bool, magnitude: UInt128)? =
      switch mantissa {
      case .unsigned(let magnitude): (false, magnitude)
      case .negative(let complement) where complement < .max: (true, complement + 1)
      case .negative: nil
      case .float: throw invalid(at: offset)
      }
    guard let parts, let value = decimal(isNegative: parts.isNegative, parts.magnitude, exponent: exponent) else {
      throw CBORError(.integerOutOfRange, at: offset, "the decimal does not fit into Foundation's Decimal")
    }
    return value
  }

  /// The value, nil if it does not fit: `Decimal` has a mantissa of 128 bits and exponents from -128 to 127. Moves zeros between the two.
  private static func decimal(isNegative: Bool, _ magnitude: UInt128, exponent: Int64) -> Decimal? {
    guard magnitude != 0 else { return 0 }
    var magnitude = magnitude
    var exponent = exponent
    // Each loop ends within 39 steps: a mantissa has no more digits.
    while exponent > 127 {
      let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
      if overflow { return nil }
      magnitude = product
      exponent -= 1
    }
    while exponent < -128 {
      guard magnitude.isMultiple(of: 10) else { return nil }
      magnitude /= 10
      exponent += 1
    }
    guard let significand = Decimal(string: String(magnitude)) else { return nil }
    return Decimal(sign: isNegative ? .minus : .plus, exponent: Int(exponent), significand: significand)
  }

  static func decimal(exactly value: Double, at offset: Int) throws(CBORError) -> Decimal {
    if value.isNaN { return .nan }
    func inexact() -> CBORError { CBORError(.inexactNumber, at: offset, "\(value) is not exactly a Decimal") }
    guard value.isFinite else { throw inexact() }
    guard value != 0 else { return 0 }
    // |value| = significand · 2ᵖᵒʷᵉʳ with an odd significand; a negative power becomes one of ten: 2⁻ᵏ = 5ᵏ · 10⁻ᵏ.
    let width = value.significandWidth
    var magnitude = UInt128(value.significand * Double(sign: .plus, exponent: width, significand: 1))
    let power = Int(value.exponent) - width
    for _ in 0..<abs(power) {
      let (product, overflow) = magnitude.multipliedReportingOverflow(by: power < 0 ? 5 : 2)
      if overflow { throw inexact() }
      magnitude = product
    }
    guard let decimal = decimal(isNegative: value < 0, magnitude, exponent: Int64(min(power, 0))) else { throw inexact() }
    return decimal
  }
}
