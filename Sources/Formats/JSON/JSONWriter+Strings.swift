extension JSONWriter {
  /// Appends `text` in quotes.
  mutating func quote(_ text: String) {
    var text = text
    text.withUTF8 { unsafe appendQuoted($0) }
  }

  /// Appends valid UTF-8 in quotes. Escaped are quotes, backslashes, control characters (DEL and C1 too, which steer terminals),
  /// bidirectional controls, which reorder what a person reads, and U+2028 and U+2029, which end lines in JavaScript.
  mutating func appendQuoted(_ text: UnsafeBufferPointer<UInt8>) {
    let raw = UnsafeRawBufferPointer(text)
    let count = raw.count
    bytes.append(UInt8(ascii: "\""))
    var copied = 0
    var index = 0
    while index < count {
      // In bounds: eight bytes are left.
      while index + 8 <= count, Self.isPlain(unsafe raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)) { index += 8 }
      guard index < count else { break }
      let escape: Escape
      // In bounds: index < count here; what follows a byte is compared only when it is there.
      switch unsafe raw[index] {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): escape = .letter(unsafe raw[index])
      case 0x08: escape = .letter(UInt8(ascii: "b"))
      case 0x09: escape = .letter(UInt8(ascii: "t"))
      case 0x0A: escape = .letter(UInt8(ascii: "n"))
      case 0x0C: escape = .letter(UInt8(ascii: "f"))
      case 0x0D: escape = .letter(UInt8(ascii: "r"))
      case 0..<0x20, 0x7F: escape = .unit(UInt16(unsafe raw[index]), length: 1)
      case 0xC2 where index + 1 < count && (unsafe raw[index + 1] < 0xA0):
        escape = .unit(UInt16(unsafe raw[index + 1]), length: 2)
      case 0xD8 where index + 1 < count && (unsafe raw[index + 1] == 0x9C): escape = .unit(0x061C, length: 2)
      case 0xE2 where index + 2 < count && (unsafe Self.steers(raw[index + 1], raw[index + 2])):
        escape = .unit(unsafe 0x2000 | UInt16(raw[index + 1] & 0x3F) << 6 | UInt16(raw[index + 2] & 0x3F), length: 3)
      default:
        index += 1
        continue
      }
      // In bounds: copied <= index < count.
      unsafe bytes.append(contentsOf: raw[copied..<index])
      index += append(escape)
      copied = index
    }
    // In bounds: copied <= count.
    unsafe bytes.append(contentsOf: raw[copied..<count])
    bytes.append(UInt8(ascii: "\""))
  }

  private enum Escape {
    case letter(UInt8)
    /// `\uXXXX` in place of `length` bytes.
    case unit(UInt16, length: Int)
  }

  /// Appends the escape and returns how many bytes of the text it encodes.
  private mutating func append(_ escape: Escape) -> Int {
    bytes.append(UInt8(ascii: "\\"))
    switch escape {
    case .letter(let letter):
      bytes.append(letter)
      return 1
    case .unit(let unit, let length):
      bytes.append(UInt8(ascii: "u"))
      for shift in [12, 8, 4, 0] {
        let digit = UInt8(truncatingIfNeeded: unit >> shift & 0xF)
        bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
      }
      return length
    }
  }

  /// Whether the two bytes after 0xE2 make U+200E, U+200F, U+2028 to U+202E or U+2066 to U+2069.
  @inline(__always)
  private static func steers(_ second: UInt8, _ third: UInt8) -> Bool {
    switch (second, third) {
    case (0x80, 0x8E...0x8F), (0x80, 0xA8...0xAE), (0x81, 0xA6...0xA9): true
    default: false
    }
  }

  /// Whether none of eight bytes can need an escape: no quote, backslash, control character, and only ASCII.
  @inline(__always)
  private static func isPlain(_ word: UInt64) -> Bool {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let deletes = word ^ (ones &* 0x7F)
    return JSONReader.specialBytes(word) | (deletes &- ones) & ~deletes & (ones &* 0x80) == 0
  }
}
