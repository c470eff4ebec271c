import Foundation

/// Brings a text into the form that is looked up in a vocabulary: BERT's normalizer and its split into words.
struct BertNormalizer: Sendable, Equatable {
  /// Removes control characters. Every kind of space separates words, whatever this is.
  var cleansText = true
  /// Makes each ideograph a word.
  var separatesIdeographs = true
  var removesAccents = true
  var lowercases = true

  /// The words of `text`, in UTF-8, in order: runs of characters that are neither space nor punctuation, and each punctuation character.
  ///
  /// - Returns: False if `body` returned false, which ends the walk.
  @discardableResult
  func forEachWord(of text: Substring, _ body: (ArraySlice<UInt8>) -> Bool) -> Bool {
    let bytes = text.utf8.allSatisfy { $0 < 0x80 } ? asciiNormalized(text) : normalized(text)
    return Self.split(bytes, body)
  }

  private func asciiNormalized(_ text: Substring) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    for byte in text.utf8 {
      if cleansText, CharacterClasses.isControl(UInt32(byte)) { continue }
      bytes.append(lowercases && (0x41...0x5A).contains(byte) ? byte | 0x20 : byte)
    }
    return bytes
  }

  private func normalized(_ text: Substring) -> [UInt8] {
    var scalars = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      let value = scalar.value
      if cleansText, CharacterClasses.isControl(value) { continue }
      if separatesIdeographs, CharacterClasses.isIdeograph(value) {
        scalars.append(" ")
        scalars.append(scalar)
        scalars.append(" ")
      } else {
        scalars.append(scalar)
      }
    }
    if removesAccents { scalars = String(scalars).decomposedStringWithCanonicalMapping.unicodeScalars }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    for scalar in scalars {
      if removesAccents, CharacterClasses.isMark(scalar.value) { continue }
      if lowercases {
        if scalar.isASCII {
          bytes.append((0x41...0x5A).contains(scalar.value) ? UInt8(scalar.value) | 0x20 : UInt8(scalar.value))
        } else {
          bytes.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
        }
      } else {
        bytes.append(contentsOf: UTF8.encode(scalar)!)  // A scalar always has an encoding.
      }
    }
    return bytes
  }

  private static func split(_ bytes: [UInt8], _ body: (ArraySlice<UInt8>) -> Bool) -> Bool {
    var start = 0
    var index = 0
    while index < bytes.count {
      let (scalar, length) = decode(bytes, at: index)
      if CharacterClasses.isSpace(scalar) {
        if start < index, !body(bytes[start..<index]) { return false }
        start = index + length
      } else if CharacterClasses.isPunctuation(scalar) {
        if start < index, !body(bytes[start..<index]) { return false }
        if !body(bytes[index..<(index + length)]) { return false }
        start = index + length
      }
      index += length
    }
    return start == bytes.count || body(bytes[start...])
  }

  /// The character at `index` of valid UTF-8, and the number of its bytes.
  private static func decode(_ bytes: [UInt8], at index: Int) -> (scalar: UInt32, length: Int) {
    let first = UInt32(bytes[index])
    func next(_ offset: Int) -> UInt32 { UInt32(bytes[index + offset] & 0x3F) }
    switch first {
    case ..<0x80: return (first, 1)
    case ..<0xE0: return ((first & 0x1F) << 6 | next(1), 2)
    case ..<0xF0: return ((first & 0x0F) << 12 | next(1) << 6 | next(2), 3)
    default: return ((first & 0x07) << 18 | next(1) << 12 | next(2) << 6 | next(3), 4)
    }
  }
}
