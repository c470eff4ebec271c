/// A string or key of a JSON text, lent by the reader: nothing is copied until the caller asks for it.
///
/// It points into the bytes that the reader was made over and must not outlive them.
@safe
public struct JSONText {
  /// The text between the quotes. The reader has checked it: valid UTF-8, valid escapes, paired surrogates unless lone ones are replaced.
  let raw: UnsafeRawBufferPointer
  let hasEscapes: Bool
  /// Offset of the first byte after the opening quote.
  public let offset: Int

  init(raw: UnsafeRawBufferPointer, hasEscapes: Bool, offset: Int) {
    unsafe self.raw = raw
    self.hasEscapes = hasEscapes
    self.offset = offset
  }

  /// The number of bytes between the quotes, with escapes as they are in the text.
  public var byteCount: Int { unsafe raw.count }

  /// The text itself; allocates when it is longer than a small string.
  public var string: String {
    if hasEscapes { return String(decoding: unescaped(), as: UTF8.self) }
    // The bytes are alive: see the type's comment.
    return unsafe String(decoding: raw, as: UTF8.self)
  }

  /// Calls `body` with the UTF-8 of the text, without a copy when it holds no escapes.
  public func withBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    if hasEscapes {
      let decoded = unescaped()
      // Bytes have no padding: every byte of the span is initialised.
      return try body(unsafe decoded.span.bytes)
    }
    // The bytes are alive: see the type's comment.
    return try body(unsafe raw.bytes)
  }

  /// Whether the text is `name`, byte for byte; allocates only when the text holds escapes.
  public func equals(_ name: StaticString) -> Bool {
    if hasEscapes {
      // An escape of six bytes encodes at least one byte, so a longer text cannot be equal: a long key is not decoded again for each name.
      guard unsafe raw.count <= 6 * name.utf8CodeUnitCount else { return false }
      let decoded = unescaped()
      return unsafe decoded.withUnsafeBytes { unsafe Self.equal($0, name) }
    }
    return unsafe Self.equal(raw, name)
  }

  /// Lets a `switch` over a key name its cases as literals.
  public static func ~= (name: StaticString, text: JSONText) -> Bool { text.equals(name) }

  private static func equal(_ bytes: UnsafeRawBufferPointer, _ name: StaticString) -> Bool {
    // The closure gets the literal's own storage, which lives for ever; both indices stay below the common count.
    name.withUTF8Buffer { literal in
      guard literal.count == bytes.count else { return false }
      for index in 0..<literal.count where unsafe literal[index] != bytes[index] { return false }
      return true
    }
  }

  private func unescaped() -> [UInt8] {
    var result: [UInt8] = []
    // Only the size is asked for.
    let count = unsafe raw.count
    result.reserveCapacity(count)
    var index = 0
    while index < count {
      // In bounds: the reader has checked that each escape is complete.
      let byte = unsafe raw[index]
      guard byte == UInt8(ascii: "\\") else {
        result.append(byte)
        index += 1
        continue
      }
      let letter = unsafe raw[index + 1]
      index += 2
      switch letter {
      case UInt8(ascii: "b"): result.append(0x08)
      case UInt8(ascii: "f"): result.append(0x0C)
      case UInt8(ascii: "n"): result.append(0x0A)
      case UInt8(ascii: "r"): result.append(0x0D)
      case UInt8(ascii: "t"): result.append(0x09)
      case UInt8(ascii: "u"):
        var scalar = hexadecimal(at: index)
        index += 4
        if (0xD800..<0xDC00).contains(scalar), let low = lowSurrogate(at: index) {
          scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
          index += 6
        } else if (0xD800..<0xE000).contains(scalar) {
          scalar = 0xFFFD
        }
        Self.append(scalar, to: &result)
      default: result.append(letter)
      }
    }
    return result
  }

  /// The second half of a surrogate pair, if its escape is at `index`.
  private func lowSurrogate(at index: Int) -> UInt32? {
    // In bounds: compared just before.
    guard unsafe index + 6 <= raw.count, unsafe raw[index] == UInt8(ascii: "\\"), unsafe raw[index + 1] == UInt8(ascii: "u") else {
      return nil
    }
    let value = hexadecimal(at: index + 2)
    return (0xDC00..<0xE000).contains(value) ? value : nil
  }

  private func hexadecimal(at index: Int) -> UInt32 {
    var value: UInt32 = 0
    // In bounds: the reader has checked that four hexadecimal digits follow.
    for offset in 0..<4 { value = value << 4 | UInt32(hexadecimalDigit(unsafe raw[index + offset]) ?? 0) }
    return value
  }

  private static func append(_ scalar: UInt32, to bytes: inout [UInt8]) {
    switch scalar {
    case 0..<0x80:
      bytes.append(UInt8(truncatingIfNeeded: scalar))
    case 0x80..<0x800:
      bytes.append(UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6))
      bytes.append(UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F))
    case 0x800..<0x10000:
      bytes.append(UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12))
      bytes.append(UInt8(truncatingIfNeeded: 0x80 | scalar >> 6 & 0x3F))
      bytes.append(UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F))
    default:
      bytes.append(UInt8(truncatingIfNeeded: 0xF0 | scalar >> 18))
      bytes.append(UInt8(truncatingIfNeeded: 0x80 | scalar >> 12 & 0x3F))
      bytes.append(UInt8(truncatingIfNeeded: 0x80 | scalar >> 6 & 0x3F))
      bytes.append(UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F))
    }
  }
}

/// The value of an ASCII hexadecimal digit, or nil.
@inline(__always)
func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
  default: nil
  }
}
