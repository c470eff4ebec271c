import Testing

@testable import Engram

struct TokenScannerTests {
  private func tokens(of text: String) -> [String] {
    var scanner = TokenScanner()
    scanner.scan("what was scanned before")
    scanner.scan(text)
    return scanner.tokens.map { token in
      "\(token.kind):" + scanner.scalars[token.range].compactMap(Unicode.Scalar.init).map(String.init).joined()
    }
  }

  @Test func wordsAreRunsOfLettersAndDigits() {
    #expect(tokens(of: "Don’t pay 12.5€, e-mail_me!") == ["don", "t", "pay", "12", "5", "e", "mail", "me"].map { "word:" + $0 })
    #expect(tokens(of: " \n") == [])
    #expect(tokens(of: "Naïve Ångström") == ["word:naive", "word:angstrom"])
  }

  @Test func unspacedScriptsAndWordsAreKeptApart() {
    #expect(tokens(of: "東京TowerでSushi、食べ") == ["unspaced:東京", "word:tower", "unspaced:て", "word:sushi", "unspaced:食へ"])
  }

  @Test func eachSymbolIsAToken() {
    #expect(tokens(of: "ramen🍜🍜 ❤️") == ["word:ramen", "symbol:🍜", "symbol:🍜", "symbol:❤"])
  }

  /// Compares scalar values, because strings are equal however their Hangul is composed.
  @Test func hangulIsComposed() {
    var scanner = TokenScanner()
    scanner.scan("\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8} \u{1161}\u{11ab}")
    #expect(scanner.scalars == [0xd55c, 0xad6d, 0x1161, 0x11ab])
    #expect(scanner.tokens.map(\.range) == [0..<2, 2..<4])
  }
}
