/// A number as it is in the encoding, before it is converted: exactly, or not at all.
@usableFromInline enum CBORNumber {
  case unsigned(UInt128)
  /// −1 − n.
  case negative(UInt128)
  case float(Double)

  /// - Throws: ``CBORError`` `.inexactNumber` for a float with a fraction, else `.integerOutOfRange`.
  @usableFromInline func integer<Value: FixedWidthInteger>(_ type: Value.Type, at offset: Int) throws(CBORError) -> Value {
    switch self {
    case .unsigned(let magnitude):
      if let value = Value(exactly: magnitude) { return value }
      throw CBORError(.integerOutOfRange, at: offset, "\(magnitude) does not fit into \(type)")
    case .negative(let magnitude):
      if Value.isSigned, let value = Value(exactly: magnitude) { return ~value }
      throw CBORError(.integerOutOfRange, at: offset, "-1 - \(magnitude) does not fit into \(type)")
    case .float(let float):
      if let value = Value(exactly: float) { return value }
      let code: CBORError.Code = float.isFinite && float == float.rounded() ? .integerOutOfRange : .inexactNumber
      throw CBORError(code, at: offset, "\(float) does not fit into \(type)")
    }
  }

  /// - Throws: ``CBORError`` `.inexactNumber` if a double would round.
  @usableFromInline func double(at offset: Int) throws(CBORError) -> Double {
    switch self {
    case .float(let value): return value
    case .unsigned(let magnitude):
      if let value = Double(exactly: magnitude) { return value }
      throw CBORError(.inexactNumber, at: offset, "\(magnitude) is not exactly a Double")
    case .negative(let magnitude):
      let (sum, overflow) = magnitude.addingReportingOverflow(1)
      if overflow { return -0x1p128 }
      if let value = Double(exactly: sum) { return -value }
      throw CBORError(.inexactNumber, at: offset, "-1 - \(magnitude) is not exactly a Double")
    }
  }
}

extension CBORReader {
  /// As ``readDouble()``, for a number that a `Float` holds exactly.
  @inline(__always)
  package mutating func readFloat() throws(CBORError) -> Float {
    let start = offset
    let value = try readDouble()
    let float = Float(value)
    guard Double(float) == value || value.isNaN else {
      throw CBORError(.inexactNumber, at: start, "\(value) is not exactly a Float")
    }
    return float
  }

  /// An integer, a float, or a big number (tag 2 or 3) of up to 128 bits.
  ///
  /// - Throws: ``CBORError`` `.integerOutOfRange` for a longer big number.
  @usableFromInline mutating func readNumber() throws(CBORError) -> CBORNumber {
    let start = offset
    let head = try readHead()
    switch head.major {
    case 0: return .unsigned(UInt128(head.argument))
    case 1: return .negative(UInt128(head.argument))
    case 6 where head.argument == 2: return .unsigned(try readMagnitude())
    case 6 where head.argument == 3: return .negative(try readMagnitude())
    case 7:
      if let value = floatValue(head) { return .float(value) }
    default: break
    }
    throw mismatch("a number", at: start)
  }

  private mutating func readMagnitude() throws(CBORError) -> UInt128 {
    let start = offset
    guard peekMajor == .bytes else {
      throw CBORError(.invalidTagContent, at: start, "a big number must be a byte string")
    }
    let digits = try readBytes().drop { $0 == 0 }
    guard digits.count <= 16 else {
      throw CBORError(.integerOutOfRange, at: start, "a big number of \(digits.count) bytes; 16 are the most that Swift's integers hold")
    }
    return digits.reduce(0) { $0 << 8 | UInt128($1) }
  }
}
