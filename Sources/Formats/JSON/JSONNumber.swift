/// A JSON number, with integers kept apart from reals by how they are written: `3` is an integer, `3.0` and `3e0` are reals.
public enum JSONNumber: Sendable, Equatable {
  case integer(Int64)
  /// Only values above `Int64.max`.
  case unsigned(UInt64)
  /// The value −1 − n, only below `Int64.min`, down to −2⁶⁴.
  case negative(UInt64)
  /// Finite. Also the nearest double of an integer beyond the ranges above.
  case real(Double)
}

extension JSONReader {
  /// Reads a number of any size, with the rules of ``JSONNumber``. `-0` is the integer 0.
  public mutating func readNumber() throws(JSONError) -> JSONNumber {
    try expect(.number)
    let number = try scanNumber()
    if let integer = integer(number) { return integer }
    return .real(try double(number))
  }

  /// Reads a number as the nearest double; `-0` keeps its sign.
  public mutating func readDouble() throws(JSONError) -> Double {
    try expect(.number)
    return try double(scanNumber())
  }

  /// Reads a number as the nearest float, rounded once.
  public mutating func readFloat() throws(JSONError) -> Float {
    try expect(.number)
    return try float(scanNumber())
  }

  /// Reads a number that is written as an integer and lies in the range of Int64.
  public mutating func readInt64() throws(JSONError) -> Int64 {
    try expect(.number)
    let number = try scanNumber()
    guard number.isInteger else { throw JSONError(.typeMismatch, offset: number.start, "expected an integer, found a real number") }
    guard case .integer(let value)? = integer(number) else {
      throw JSONError(.numberOutOfRange, offset: number.start, "the integer does not fit 64 bits")
    }
    return value
  }

  /// Reads an array of numbers; `floats` is emptied first and keeps its capacity.
  ///
  /// - Throws: also ``JSONError/Code/wrongCount`` for more than `limit` numbers, so that the sender of a text cannot make the memory grow.
  public mutating func readFloatArray(into floats: inout [Float], atMost limit: Int = .max) throws(JSONError) {
    floats.removeAll(keepingCapacity: true)
    try expect(.array)
    let start = position
    try beginArray()
    while try nextElement() {
      guard floats.count < limit else { throw JSONError(.wrongCount, offset: start, "more than \(limit) numbers in the array") }
      floats.append(try readFloat())
    }
  }

  /// Reads an array of exactly `expected` numbers.
  public mutating func readFloatArray(expected: Int) throws(JSONError) -> [Float] {
    try expect(.array)
    let start = position
    var floats: [Float] = []
    // An element takes two bytes at least, so a short text cannot make a large reservation.
    floats.reserveCapacity(max(0, min(expected, (count - position) / 2)))
    try beginArray()
    while try nextElement() {
      guard floats.count < expected else { throw JSONError(.wrongCount, offset: start, "more than \(expected) numbers in the array") }
      floats.append(try readFloat())
    }
    guard floats.count == expected else {
      throw JSONError(.wrongCount, offset: start, "expected \(expected) numbers, found \(floats.count)")
    }
    return floats
  }

  // MARK: Conversion

  /// The integer that `number` is, or nil when it is a real or beyond ``JSONNumber``'s integer ranges.
  func integer(_ number: DecimalNumber) -> JSONNumber? {
    guard number.isInteger else { return nil }
    let magnitude: UInt64
    if number.isExact {
      magnitude = number.mantissa
    } else {
      let digits = text(of: number).drop { $0 == "-" }
      if number.isNegative, digits == "18446744073709551616" { return .negative(.max) }
      guard let value = UInt64(digits) else { return nil }
      magnitude = value
    }
    if number.isNegative {
      return magnitude <= UInt64(Int64.max) + 1 ? .integer(0 &- Int64(truncatingIfNeeded: magnitude)) : .negative(magnitude - 1)
    }
    return magnitude <= UInt64(Int64.max) ? .integer(Int64(magnitude)) : .unsigned(magnitude)
  }

  @inline(__always)
  private func double(_ number: DecimalNumber) throws(JSONError) -> Double {
    if let value = number.double { return value }
    guard let value = Double(text(of: number)) else { throw JSONError(.invalidNumber, offset: number.start, "not a number") }
    guard value.isFinite else { throw JSONError(.numberOutOfRange, offset: number.start, "the number is too large for a double") }
    return value
  }

  @inline(__always)
  private func float(_ number: DecimalNumber) throws(JSONError) -> Float {
    let wide = try double(number)
    var value = Float(wide)
    // Rounding twice differs from rounding once only if the double lies half-way between two floats (7.038531e-26 is such a number)
    // or if floats are subnormal. Float's own parser rounds once.
    if wide.bitPattern & 0x1FFF_FFFF == 0x1000_0000 || (wide.magnitude < Double(Float.leastNormalMagnitude) && wide != 0) {
      guard let once = Float(text(of: number)) else { throw JSONError(.invalidNumber, offset: number.start, "not a number") }
      value = once
    }
    guard value.isFinite else { throw JSONError(.numberOutOfRange, offset: number.start, "the number is too large for a float") }
    return value
  }

  private func text(of number: DecimalNumber) -> String {
    // In bounds: the scanner has walked over this range.
    unsafe String(decoding: UnsafeRawBufferPointer(rebasing: bytes[number.start..<number.end]), as: UTF8.self)
  }
}
