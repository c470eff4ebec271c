/// Cuts a text into folded words, runs of a script that writes no spaces, and symbols.
///
/// The storage is kept between texts, so that scanning many texts allocates little.
struct TokenScanner {
  enum Kind {
    /// Letters, digits and their marks.
    case word
    /// Han, kana, Hangul, Thai, Lao, Myanmar or Khmer.
    case unspaced
    /// One symbol, such as an emoji.
    case symbol
  }

  struct Token {
    let kind: Kind
    /// Where the token lies in ``TokenScanner/scalars``; never empty.
    let range: Range<Int>
  }

  /// The folded scalar values of all tokens, one after the other.
  private(set) var scalars: [UInt32] = []
  private(set) var tokens: [Token] = []

  /// Replaces what was scanned before.
  ///
  /// - Complexity: O(length of `text`).
  mutating func scan(_ text: String) {
    scalars.removeAll(keepingCapacity: true)
    tokens.removeAll(keepingCapacity: true)
    var start = 0
    var current: Kind?
    for scalar in text.unicodeScalars {
      TextFolding.fold(scalar) { value in
        let kind = Self.kind(of: value)
        if kind != current || kind == .symbol {
          end(current, from: &start)
          current = kind
        }
        guard let kind else { return }
        if kind != .unspaced || !composeHangul(value, from: start) {
          scalars.append(value)
        }
      }
    }
    end(current, from: &start)
  }

  private mutating func end(_ kind: Kind?, from start: inout Int) {
    if let kind {
      tokens.append(Token(kind: kind, range: start..<scalars.count))
    }
    start = scalars.count
  }

  /// Joins a Hangul vowel or final consonant to the syllable before it (Unicode Standard, section 3.12).
  private mutating func composeHangul(_ value: UInt32, from start: Int) -> Bool {
    guard scalars.count > start else { return false }
    let last = scalars[scalars.count - 1]
    if 0x1161...0x1175 ~= value, 0x1100...0x1112 ~= last {
      scalars[scalars.count - 1] = 0xac00 + ((last - 0x1100) * 21 + value - 0x1161) * 28
      return true
    }
    if 0x11a8...0x11c2 ~= value, 0xac00...0xd7a3 ~= last, (last - 0xac00) % 28 == 0 {
      scalars[scalars.count - 1] = last + value - 0x11a7
      return true
    }
    return false
  }

  /// The kind of token that a folded scalar value belongs to; `nil` if it separates tokens.
  private static func kind(of value: UInt32) -> Kind? {
    switch value {
    case 0x30...0x39, 0x61...0x7a:
      return .word
    case 0..<0x80:
      return nil
    default:
      break
    }
    guard let scalar = Unicode.Scalar(value) else { return nil }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
      .decimalNumber, .letterNumber, .otherNumber, .nonspacingMark, .spacingMark:
      return isUnspaced(value) ? .unspaced : .word
    case .otherSymbol:
      return .symbol
    default:
      return nil
    }
  }

  private static func isUnspaced(_ value: UInt32) -> Bool {
    switch value {
    case 0xe00...0xeff, 0x1000...0x109f, 0x1100...0x11ff, 0x1780...0x17ff, 0x3005...0x3007, 0x3040...0x30ff, 0x31f0...0x31ff,
      0x3400...0x4dbf, 0x4e00...0x9fff, 0xac00...0xd7a3, 0xf900...0xfaff, 0xff66...0xff9f, 0x2_0000...0x3_ffff:
      true
    default:
      false
    }
  }
}
