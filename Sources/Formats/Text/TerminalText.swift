/// Text of unknown origin for tables on a terminal: nothing in it may move the cursor, reorder the line or hide itself.
public enum TerminalText {
  /// Returns `text` with every character that shows nothing or controls the output as `\u{…}`: C0 and C1 controls (ESC, DEL, tab and line
  /// ends too), line and paragraph separators, bidirectional controls, zero-width and blank characters, byte order marks, tags, annotation
  /// marks and the variation selectors that no text needs. The two variation selectors of emoji are kept.
  ///
  /// - Complexity: O(length); a text without such characters is returned as it is.
  public static func escaped(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isHidden) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      if isHidden(scalar) {
        result += "\\u{" + String(scalar.value, radix: 16, uppercase: true) + "}"
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// As ``escaped(_:)``, but for line feeds, and carriage returns before them.
  public static func escapedLines(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      line.last == "\r" ? escaped(String(line.dropLast())) + "\r" : escaped(String(line))
    }.joined(separator: "\n")
  }

  /// The first `limit` scalars, escaped: for an error that quotes data of unknown length.
  ///
  /// Scalars are counted, because one visible character may have any number of them.
  public static func excerpt(_ text: some StringProtocol, limit: Int = 64) -> String {
    let scalars = text.unicodeScalars.prefix(limit + 1)
    return escaped(String(String.UnicodeScalarView(scalars.prefix(limit)))) + (scalars.count > limit ? "…" : "")
  }

  /// How many columns `text` takes; East Asian wide characters and emoji take two, combining marks none.
  ///
  /// Terminals differ on the newest emoji; this follows the common `wcwidth`, by grapheme.
  public static func width(_ text: String) -> Int { text.reduce(0) { $0 + width($1) } }

  /// Returns `text` if it takes at most `limit` columns, else its longest beginning that leaves one column for `…`.
  ///
  /// - Complexity: O(limit) characters, however long the text.
  public static func truncated(_ text: String, to limit: Int) -> String {
    guard limit > 0 else { return "" }
    var columns = 0
    var cut = text.startIndex
    var index = text.startIndex
    while index < text.endIndex {
      columns += width(text[index])
      if columns > limit { return text[..<cut] + "…" }
      text.formIndex(after: &index)
      if columns < limit { cut = index }
    }
    return text
  }

  /// Returns `text` cut or filled with spaces to exactly `limit` columns, the spaces before it if `alignRight`.
  public static func fitted(_ text: String, to limit: Int, alignRight: Bool = false) -> String {
    let cut = truncated(text, to: limit)
    let spaces = String(repeating: " ", count: max(0, limit - width(cut)))
    return alignRight ? spaces + cut : cut + spaces
  }

  // MARK: Character classes

  private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x20..<0x7F: false
    case 0..<0x20, 0x7F...0x9F: true
    case 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true  // bidirectional
    case 0x2028, 0x2029: true  // separators
    case 0xAD, 0x034F, 0x180B...0x180F, 0x200B...0x200D, 0x2060...0x2065, 0x206A...0x206F, 0xFEFF: true  // zero width
    case 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0: true  // letters that show nothing
    case 0xFE00...0xFE0D, 0xFFF0...0xFFFB, 0x1BCA0...0x1BCA3, 0x1D173...0x1D17A, 0xE0000...0xE0FFF: true  // selectors, annotations, tags
    default: false
    }
  }

  private static func width(_ character: Character) -> Int {
    let scalars = character.unicodeScalars
    guard let first = scalars.first else { return 0 }
    if first.value < 0x7F, scalars.count == 1 { return first.value < 0x20 ? 0 : 1 }
    // A flag, or a character that U+FE0F asks to show as an emoji.
    if (0x1F1E6...0x1F1FF).contains(first.value) { return 2 }
    if first.properties.isEmoji, scalars.contains("\u{FE0F}") { return 2 }
    if first.properties.isEmojiPresentation { return 2 }
    return scalars.reduce(0) { $0 + width($1) }
  }

  private static func width(_ scalar: Unicode.Scalar) -> Int {
    switch scalar.value {
    case 0..<0x20, 0x7F..<0xA0: return 0
    case 0x20..<0x300: return scalar.value == 0xAD ? 0 : 1
    case 0x1160...0x11FF: return 0  // Hangul vowels and finals, which join the syllable before them
    default: break
    }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return 0
    default: return isWide(scalar) ? 2 : 1
    }
  }

  /// East Asian Width W and F (Unicode annex 11) in blocks, and emoji shown as such.
  private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF, 0xA960...0xA97F,
      0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6F, 0xFF01...0xFF60, 0xFFE0...0xFFE6, 0x16FE0...0x18DFF,
      0x1AFF0...0x1B2FF, 0x1F200...0x1F2FF, 0x20000...0x2FFFD, 0x30000...0x3FFFD:
      true
    default: scalar.properties.isEmojiPresentation
    }
  }
}
