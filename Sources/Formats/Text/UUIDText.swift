/// The 36 characters of a UUID. Foundation's own parser takes a sign for a digit: `…-03-1` would be `…-03ff`.
package enum UUIDText {
  /// The 16 bytes, the most significant first; nil for anything but hexadecimal digits, in either case, and four hyphens in their places.
  package static func bytes(_ text: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(16)
    var high: UInt8?
    var place = 0
    for byte in text.utf8 {
      defer { place += 1 }
      if place == 8 || place == 13 || place == 18 || place == 23 {
        guard byte == UInt8(ascii: "-") else { return nil }
        continue
      }
      guard place < 36, let digit = hexadecimalDigit(byte) else { return nil }
      if let first = high {
        bytes.append(first << 4 | digit)
        high = nil
      } else {
        high = digit
      }
    }
    return place == 36 ? bytes : nil
  }
}
