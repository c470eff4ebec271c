import Testing
@testable import Formats

@Suite struct TerminalTextTests {
  @Test func whatCouldSteerATerminalIsShownAsAnEscape() {
    #expect(TerminalText.escaped("plain, é 😀 漢") == "plain, é 😀 漢")
    #expect(TerminalText.escaped("\u{1B}[31mred") == #"\u{1B}[31mred"#)
    #expect(TerminalText.escaped("a\tb\r\n\0") == #"a\u{9}b\u{D}\u{A}\u{0}"#)
    #expect(TerminalText.escaped("\u{9B}31m\u{85}\u{7F}") == #"\u{9B}31m\u{85}\u{7F}"#)
    #expect(TerminalText.escaped("x\u{202E}y\u{2066}\u{2069}\u{200F}\u{61C}") == #"x\u{202E}y\u{2066}\u{2069}\u{200F}\u{61C}"#)
    #expect(TerminalText.escaped("\u{FEFF}a\u{200B}b\u{2028}\u{2029}\u{E0041}") == #"\u{FEFF}a\u{200B}b\u{2028}\u{2029}\u{E0041}"#)
  }

  @Test func everyDangerousScalarIsEscapedAndNoOther() {
    let ranges: [ClosedRange<UInt32>] = [
      0...0x1F, 0x7F...0x9F, 0xAD...0xAD, 0x34F...0x34F, 0x61C...0x61C, 0x115F...0x1160, 0x17B4...0x17B5, 0x180B...0x180F,
      0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0x3164...0x3164, 0xFE00...0xFE0D, 0xFEFF...0xFEFF, 0xFFA0...0xFFA0,
      0xFFF0...0xFFFB, 0x1BCA0...0x1BCA3, 0x1D173...0x1D17A, 0xE0000...0xE0FFF,
    ]
    // All characters that Unicode lists as ignorable must be among them, except those that select between a text and an emoji.
    for value in UInt32(0)...0x10FFFF where value != 0xFE0E && value != 0xFE0F {
      guard let scalar = Unicode.Scalar(value), scalar.properties.isDefaultIgnorableCodePoint else { continue }
      if !ranges.contains(where: { $0.contains(value) }) { Issue.record("U+\(String(value, radix: 16))") }
    }
    for value in UInt32(0)...0x10FFFF {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let text = String(Character(scalar))
      let isEscaped = TerminalText.escaped(text) != text
      if isEscaped != ranges.contains(where: { $0.contains(value) }) { Issue.record("U+\(String(value, radix: 16))") }
      if isEscaped { #expect(TerminalText.escaped(text) == "\\u{\(String(value, radix: 16, uppercase: true))}") }
    }
  }

  @Test(arguments: [
    ("", 0), ("abc", 3), ("é", 1), ("e\u{301}", 1), ("漢字", 4), ("かな", 4), ("한글", 4), ("\u{1112}\u{1161}\u{11AB}", 2), ("ｱ", 1), ("Ａ", 2),
    ("😀", 2), ("👍🏽", 2), ("🇩🇪", 2), ("❤\u{FE0F}", 2), ("❤", 1), ("a\u{300}\u{301}\u{302}b", 2), ("ไทย", 3), ("…", 1),
    ("Ω→", 2), ("\u{20000}", 2),
  ])
  func widthCountsColumns(text: String, width: Int) {
    #expect(TerminalText.width(text) == width)
  }

  @Test func truncationLeavesRoomForTheEllipsis() {
    #expect(TerminalText.truncated("abcdef", to: 6) == "abcdef")
    #expect(TerminalText.truncated("abcdef", to: 5) == "abcd…")
    #expect(TerminalText.truncated("abcdef", to: 1) == "…")
    #expect(TerminalText.truncated("abcdef", to: 0) == "")
    #expect(TerminalText.truncated("漢字漢字", to: 8) == "漢字漢字")
    #expect(TerminalText.truncated("漢字漢字", to: 7) == "漢字漢…")
    #expect(TerminalText.truncated("漢字漢字", to: 6) == "漢字…")
    #expect(TerminalText.truncated("漢", to: 1) == "…")
    #expect(TerminalText.truncated("e\u{301}e\u{301}x", to: 2) == "e\u{301}…")
    #expect(TerminalText.truncated("", to: 3) == "")
  }

  @Test func fittedTextsHaveExactlyTheirWidth() {
    #expect(TerminalText.fitted("ab", to: 4) == "ab  ")
    #expect(TerminalText.fitted("ab", to: 4, alignRight: true) == "  ab")
    #expect(TerminalText.fitted("漢字漢", to: 4) == "漢… ")
    var random = JSONTestRandom(seed: 60)
    for _ in 0..<2_000 {
      let text = TerminalText.escaped(random.text(count: 20))
      let limit = Int.random(in: 0...30, using: &random)
      let truncated = TerminalText.truncated(text, to: limit)
      #expect(TerminalText.width(truncated) <= limit)
      #expect((truncated == text) == (TerminalText.width(text) <= limit))
    }
  }
}
