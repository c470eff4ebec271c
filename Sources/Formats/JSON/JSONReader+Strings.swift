extension JSONReader {
  public mutating func readString() throws(JSONError) -> String { try readStringBytes().string }

  /// Reads a string without copying it; see ``JSONText``.
  public mutating func readStringBytes() throws(JSONError) -> JSONText {
    try expect(.string)
    return try scanString()
  }

  /// Reads a string of standard base64 (see ``Base64``); an error points at the character.
  public mutating func readBase64() throws(JSONError) -> [UInt8] {
    let text = try readStringBytes()
    return try base64(text) { span throws(Base64.Failure) in try Base64.decode(span) }
  }

  /// Reads a string of standard base64 over little-endian float32.
  public mutating func readBase64Floats() throws(JSONError) -> [Float] {
    let text = try readStringBytes()
    return try base64(text) { span throws(Base64.Failure) in try Base64.decodeFloats(span) }
  }

  private func base64<R>(_ text: JSONText, _ decode: (RawSpan) throws(Base64.Failure) -> R) throws(JSONError) -> R {
    do throws(Base64.Failure) {
      return try text.withBytes(decode)
    } catch {
      // If there are escapes, an offset in the decoded string is none in the text: the error points at the beginning.
      throw JSONError(.invalidBase64, offset: text.offset + (text.hasEscapes ? 0 : error.offset), error.message)
    }
  }

  /// Reads from the opening quote at `position` past the closing one, and checks all between them.
  mutating func scanString() throws(JSONError) -> JSONText {
    let start = position + 1
    var index = start
    let end = count
    var hasEscapes = false
    while true {
      while index + 8 <= end {
        let special = Self.specialBytes(word(index))
        guard special == 0 else {
          index += special.trailingZeroBitCount >> 3
          break
        }
        index += 8
      }
      guard index < end else { throw JSONError(.unexpectedEnd, offset: end, "the text ends inside a string") }
      switch byte(index) {
      case UInt8(ascii: "\""):
        position = index + 1
        // In bounds: start <= index < count.
        return unsafe JSONText(raw: UnsafeRawBufferPointer(rebasing: bytes[start..<index]), hasEscapes: hasEscapes, offset: start)
      case UInt8(ascii: "\\"):
        hasEscapes = true
        index = try endOfEscape(at: index)
      case 0..<0x20:
        throw JSONError(.controlCharacter, offset: index, "a string holds a control character that is not escaped")
      case 0x80...:
        index = try endOfScalar(at: index)
      default:
        index += 1
      }
    }
  }

  /// The high bit of each byte that is a quote, a backslash, a control character or not ASCII. Only the lowest one set is exact: a borrow
  /// may add false ones above it.
  @inline(__always)
  static func specialBytes(_ word: UInt64) -> UInt64 {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let quotes = word ^ (ones &* 0x22)
    let backslashes = word ^ (ones &* 0x5C)
    let found = (word &- ones &* 0x20) & ~word | (quotes &- ones) & ~quotes | (backslashes &- ones) & ~backslashes | word
    return found & (ones &* 0x80)
  }

  private mutating func endOfEscape(at start: Int) throws(JSONError) -> Int {
    guard start + 1 < count else { throw JSONError(.unexpectedEnd, offset: count, "the text ends inside a string") }
    switch byte(start + 1) {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
      UInt8(ascii: "r"), UInt8(ascii: "t"):
      return start + 2
    case UInt8(ascii: "u"):
      let unit = try codeUnit(at: start)
      guard unit & 0xF800 == 0xD800 else { return start + 6 }
      let low = start + 6
      guard unit < 0xDC00, low + 1 < count, byte(low) == UInt8(ascii: "\\"), byte(low + 1) == UInt8(ascii: "u"),
        try codeUnit(at: low) & 0xFC00 == 0xDC00
      else {
        guard replacesLoneSurrogates else { throw JSONError(.loneSurrogate, offset: start, "half of a surrogate pair is alone") }
        replacedSurrogates += 1
        return start + 6
      }
      return low + 6
    default:
      throw JSONError(.invalidEscape, offset: start, "no such escape sequence")
    }
  }

  /// The value of `\uXXXX` at `start`.
  private func codeUnit(at start: Int) throws(JSONError) -> UInt16 {
    var unit: UInt16 = 0
    for index in start + 2..<start + 6 {
      guard index < count else { throw JSONError(.unexpectedEnd, offset: count, "the text ends inside a string") }
      guard let digit = hexadecimalDigit(byte(index)) else {
        throw JSONError(.invalidEscape, offset: start, "\\u needs four hexadecimal digits")
      }
      unit = unit << 4 | UInt16(digit)
    }
    return unit
  }

  /// Checks the UTF-8 sequence at `start` (RFC 3629, table in section 4) and returns where it ends.
  private func endOfScalar(at start: Int) throws(JSONError) -> Int {
    let first = byte(start)
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch first {
    case 0xC2...0xDF: length = 2
    case 0xE0...0xEF:
      length = 3
      if first == 0xE0 { second = 0xA0...0xBF }
      if first == 0xED { second = 0x80...0x9F }
    case 0xF0...0xF4:
      length = 4
      if first == 0xF0 { second = 0x90...0xBF }
      if first == 0xF4 { second = 0x80...0x8F }
    default: throw JSONError(.invalidUTF8, offset: start, "invalid UTF-8")
    }
    guard start + length <= count, second.contains(byte(start + 1)) else {
      throw JSONError(.invalidUTF8, offset: start, "invalid UTF-8")
    }
    for index in start + 2..<max(start + 2, start + length) where byte(index) & 0xC0 != 0x80 {
      throw JSONError(.invalidUTF8, offset: start, "invalid UTF-8")
    }
    return start + length
  }
}
