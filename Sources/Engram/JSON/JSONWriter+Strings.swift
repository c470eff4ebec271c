extension JSONWriter {
  /// Appends `text` in quotes.
  mutating func quote(_ text: String) {
    var text = text
    text.withUTF8 { unsafe appendQuoted($0) }
  }

  /// Appends valid UTF-8 in quotes. Escaped are quotes, backslashes, control characters, and U+2028 and U+2029, which end lines in
  /// JavaScript.
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
      // In bounds: index < count here; the two bytes after an 0xE2 are compared only when they are there.
      switch unsafe raw[index] {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): escape = .letter(unsafe raw[index])
      case 0x08: escape = .letter(UInt8(ascii: "b"))
      case 0x09: escape = .letter(UInt8(ascii: "t"))
      case 0x0A: escape = .letter(UInt8(ascii: "n"))
      case 0x0C: escape = .letter(UInt8(ascii: "f"))
      case 0x0D: escape = .letter(UInt8(ascii: "r"))
      case 0..<0x20: escape = .unit(UInt16(unsafe raw[index]), length: 1)
      case 0xE2 where index + 2 < count && (unsafe raw[index + 1] == 0x80 && raw[index + 2] & 0xFE == 0xA8):
        escape = .unit(0x2000 | UInt16(unsafe raw[index + 2] & 0x3F), length: 3)
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

  /// Appends the escape and returns how many bytes of the text it stands for.
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

  /// Whether none of eight bytes can need an escape: no quote, backslash, control character, and only ASCII.
  @inline(__always)
  private static func isPlain(_ word: UInt64) -> Bool { JSONReader.specialBytes(word) == 0 }
}
