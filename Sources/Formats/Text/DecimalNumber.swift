/// A decimal number as it is in a JSON text: (−1)^negative × mantissa × 10^exponent.
struct DecimalNumber {
  /// The offsets of its first byte and of the byte after its last.
  let start: Int
  let end: Int
  let isNegative: Bool
  /// Written without fraction and exponent.
  let isInteger: Bool
  /// Whether `mantissa` holds all digits: at most 19 of them are significant.
  let isExact: Bool
  let mantissa: UInt64
  let exponent: Int

  /// The nearest double, if it can be computed quickly and exactly; if nil, the caller uses the slow conversion.
  ///
  /// Mantissas up to 2⁵³ with |exponent| <= 22 take one exact operation (Clinger, "How to Read Floating Point Numbers
  /// Accurately", 1990).
  /// Other 64-bit mantissas with |exponent| <= 27 take one exact 128-bit product or quotient by 5^|exponent|, rounded once.
  @inline(__always)
  var double: Double? {
    guard isExact else { return nil }
    if mantissa <= 1 << 53, exponent >= -22, exponent <= 22 {
      let integer = isNegative ? -Double(mantissa) : Double(mantissa)
      return exponent < 0 ? integer / Self.powersOfTen[-exponent] : integer * Self.powersOfTen[exponent]
    }
    guard let magnitude = wideMagnitude else { return nil }
    return isNegative ? -magnitude : magnitude
  }

  @inline(never)
  private var wideMagnitude: Double? {
    if mantissa == 0 { return 0 }
    if exponent < -27 || exponent > 27 { return nil }
    if exponent < 0 {
      // Both operands are shifted until their highest bit is set, so the quotient has 63 or 64 bits: enough that the remainder, folded
      // into the lowest bit, decides ties when the conversion to Double rounds.
      let divisor = Self.powersOfFive[-exponent]
      let divisorShift = divisor.leadingZeroBitCount
      let mantissaShift = mantissa.leadingZeroBitCount
      let dividend = mantissa << mantissaShift
      let (quotient, remainder) = (divisor << divisorShift).dividingFullWidth((dividend >> 1, dividend << 63))
      return Double(quotient | (remainder == 0 ? 0 : 1)) * Self.powerOfTwo(divisorShift - mantissaShift - 63 + exponent)
    }
    let (high, low) = mantissa.multipliedFullWidth(by: Self.powersOfFive[exponent])
    if high == 0 { return Double(low) * Self.powerOfTwo(exponent) }
    let shift = high.leadingZeroBitCount
    let top = shift == 0 ? high : high << shift | low >> (64 - shift)
    return Double(top | (low << shift == 0 ? 0 : 1)) * Self.powerOfTwo(64 - shift + exponent)
  }

  /// 2^exponent, for the small exponents that occur here: the result is a normal number and the product with it exact.
  private static func powerOfTwo(_ exponent: Int) -> Double { Double(bitPattern: UInt64(1023 + exponent) << 52) }

  private static let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
  ]

  private static let powersOfFive: [UInt64] = [
    1, 5, 25, 125, 625, 3_125, 15_625, 78_125, 390_625, 1_953_125, 9_765_625, 48_828_125, 244_140_625, 1_220_703_125,
    6_103_515_625, 30_517_578_125, 152_587_890_625, 762_939_453_125, 3_814_697_265_625, 19_073_486_328_125, 95_367_431_640_625,
    476_837_158_203_125, 2_384_185_791_015_625, 11_920_928_955_078_125, 59_604_644_775_390_625, 298_023_223_876_953_125,
    1_490_116_119_384_765_625, 7_450_580_596_923_828_125,
  ]
}

extension JSONReader {
  /// Reads the number at `position`; what follows it is left to the next read.
  @inline(__always)
  mutating func scanNumber() throws(JSONError) -> DecimalNumber {
    let start = position
    let end = count
    var index = start
    var mantissa: UInt64 = 0
    let isNegative = byte(index) == UInt8(ascii: "-")
    if isNegative { index += 1 }

    let firstDigit = index
    while index < end {
      let digit = byte(index) &- UInt8(ascii: "0")
      guard digit < 10 else { break }
      mantissa = mantissa &* 10 &+ UInt64(digit)
      index += 1
    }
    var digits = index - firstDigit
    if digits != 1 {
      guard digits > 0 else { throw invalidNumber(at: index, "a digit") }
      guard byte(firstDigit) != UInt8(ascii: "0") else {
        throw JSONError(.invalidNumber, offset: start, "a number begins with a superfluous zero")
      }
    }

    var exponent = 0
    var isInteger = true
    if index < end, byte(index) == UInt8(ascii: ".") {
      isInteger = false
      index += 1
      let firstDecimal = index
      while index + 8 <= end {
        let eight = word(index)
        guard Self.isEightDigits(eight) else { break }
        mantissa = mantissa &* 100_000_000 &+ Self.eightDigits(eight)
        index += 8
      }
      while index < end {
        let digit = byte(index) &- UInt8(ascii: "0")
        guard digit < 10 else { break }
        mantissa = mantissa &* 10 &+ UInt64(digit)
        index += 1
      }
      guard index > firstDecimal else { throw invalidNumber(at: index, "a digit after the decimal point") }
      exponent = firstDecimal - index
      digits += index - firstDecimal
    }
    if index < end, byte(index) | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      exponent += try scanExponent(&index)
    }
    position = index
    // Up to 19 digits fit 64 bits; zeros before the first other digit do not count.
    let isExact = digits <= 19 || digits - leadingZeros(from: firstDigit) <= 19
    return DecimalNumber(
      start: start, end: index, isNegative: isNegative, isInteger: isInteger, isExact: isExact, mantissa: mantissa, exponent: exponent)
  }

  /// Reads from the `e` at `index` to the end of the exponent. One beyond a thousand million is cut short: no double has it.
  @inline(never)
  private func scanExponent(_ index: inout Int) throws(JSONError) -> Int {
    index += 1
    var isNegative = false
    if index < count, byte(index) == UInt8(ascii: "-") || byte(index) == UInt8(ascii: "+") {
      isNegative = byte(index) == UInt8(ascii: "-")
      index += 1
    }
    let firstDigit = index
    var value = 0
    while index < count {
      let digit = byte(index) &- UInt8(ascii: "0")
      guard digit < 10 else { break }
      if value < 1_000_000_000 { value = value * 10 + Int(digit) }
      index += 1
    }
    guard index > firstDigit else { throw invalidNumber(at: index, "a digit in the exponent") }
    return isNegative ? -value : value
  }

  @inline(never)
  private func leadingZeros(from start: Int) -> Int {
    var zeros = 0
    var index = start
    while index < count {
      switch byte(index) {
      case UInt8(ascii: "0"): zeros += 1
      case UInt8(ascii: "."): break
      default: return zeros
      }
      index += 1
    }
    return zeros
  }

  private func invalidNumber(at index: Int, _ expected: String) -> JSONError {
    guard index < count else { return JSONError(.unexpectedEnd, offset: count, "the text ends inside a number") }
    return JSONError(.invalidNumber, offset: index, "a number needs \(expected) here")
  }

  @inline(__always)
  private static func isEightDigits(_ word: UInt64) -> Bool {
    // A digit's high nibble is 3, and stays 3 when 6 is added; a carry out of a byte needs a byte above 0xF9, whose own nibble is not 3.
    (word & 0xF0F0_F0F0_F0F0_F0F0) | (((word &+ 0x0606_0606_0606_0606) & 0xF0F0_F0F0_F0F0_F0F0) >> 4) == 0x3333_3333_3333_3333
  }

  /// The value of eight ASCII digits, the first in the lowest byte: pairs, then fours, then all, in three multiplications.
  @inline(__always)
  private static func eightDigits(_ word: UInt64) -> UInt64 {
    var value = word &- 0x3030_3030_3030_3030
    value = (value &* 10) &+ (value >> 8)
    let low = (value & 0x0000_00FF_0000_00FF) &* 0x000F_4240_0000_0064
    let high = ((value >> 16) & 0x0000_00FF_0000_00FF) &* 0x0000_2710_0000_0001
    return (low &+ high) >> 32
  }
}
