import Foundation
import TestSupport
import Testing

@testable import Engram

/// The terms of texts: what is a word, what is left out, and where sentences end. ``RankingTests`` compares the terms of ASCII texts with a
/// reference.
@Suite struct TermReaderTests {
  private let english: TermReader
  /// This reader removes no endings and leaves out no words.
  private let plain: TermReader

  init() throws {
    english = try TermReader(.english, seed: 9)
    plain = try TermReader(.none, seed: 9)
  }

  private func words(_ words: String...) -> [TermHash] { words.map { plain.terms(of: $0).said[0] } }

  @Test func wordsOfOtherAlphabetsAreWhole() {
    for (text, expected) in [
      ("Café NAÏVE", words("café", "naïve")), ("cafe\u{301}", words("café")), ("ﬁne ①", words("fine", "1")),
      ("l’été d'or", words("l", "été", "d", "or")),
      ("Привет, МИР!", words("привет", "мир")), ("مرحبا", words("مرحبا")), ("Straße", words("straße")), ("शब्द", words("शब्द")),
      ("１２３ＡＢＣ", words("123abc")),
      ("co\u{AD}operate", words("cooperate")), ("a\u{200D}b", words("ab")), ("x\u{0}y", words("x", "y")), ("😀 ok 👍🏽", words("ok")),
    ] {
      #expect(plain.terms(of: text).said == expected, "\(text)")
    }
  }

  /// Scripts without spaces give pairs of characters, so that a query for a part of a text finds the text.
  @Test func scriptsWithoutSpacesGivePairs() {
    let whole = plain.terms(of: "我喜欢吃拉面").said
    #expect(whole.count == 5 && Set(whole).count == 5)
    #expect(Set(plain.terms(of: "拉面").said).isSubset(of: whole))
    #expect(plain.terms(of: "面").said.count == 1)
    #expect(plain.terms(of: "ラーメンtokyo東京").said.count == 3 + 1 + 1)
    #expect(plain.terms(of: "สวัสดี").said.count == 5)
    #expect(plain.terms(of: "拉 面").said == words("拉", "面"))
  }

  @Test func endingsIrregularFormsAndStopWordsFollowTheLanguage() throws {
    #expect(english.terms(of: "The children were running to seven cities").said == english.terms(of: "child run 7 city").said)
    #expect(english.terms(of: "the of and to").said == [])
    #expect(plain.terms(of: "the running").said.count == 2)
    let german = try TermReader(.german, seed: 9)
    #expect(german.terms(of: "Häuser").said == german.terms(of: "Hauses").said)
    // Every language has its stemmer.
    for language in WordLanguage.allCases {
      let reader = try TermReader(language, seed: 1)
      #expect(reader.terms(of: "word").said.count == 1, "\(language)")
    }
    // Another store has other hashes of the same words.
    #expect(try TermReader(.english, seed: 10).terms(of: "ramen").said != english.terms(of: "ramen").said)
  }

  @Test func questionsAreSetApart() {
    let text = "Likes ramen. Does she like tea?! Which one!? Yes\nno?"
    let terms = english.terms(of: text, separatesQuestions: true)
    #expect(terms.said == english.terms(of: "likes ramen she like tea yes").said)
    #expect(terms.asked == english.terms(of: "which one no").said)
    let asked = " Which one!?".count + "no?".count
    #expect(abs(terms.questionShare - Double(asked) / Double(text.count)) < 1e-9, "\(terms.questionShare)")
    // Full-width marks count as well.
    #expect(english.terms(of: "ramen？", separatesQuestions: true).asked.count == 1)
    let whole = english.terms(of: "Likes ramen? Yes.")
    #expect(whole.asked.isEmpty && whole.said.count == 3 && whole.questionShare == 0)
  }

  @Test func aLongTextIsCutAtTheLimit() {
    #expect(plain.terms(of: String(repeating: "a ", count: 9000)).said.count == TermReader.tokenLimit)
    // More words than the cache holds: each still has its own term.
    let many = (0..<40_000).map { "w\($0)" }
    #expect(Set(many.map { english.terms(of: $0).said[0] }).count > 39_990)
    #expect(english.terms(of: "w17").said == words("w17"))
  }

  /// A text of ASCII has a path of its own: it gives the same terms as the path for all other texts.
  @Test(.timeLimit(.minutes(5))) func aTextOfASCIIHasTheTermsOfAnyOther() {
    var generator = SeededGenerator(seed: 12)
    let pieces = [
      "running", "Ada", "don't", "the", "42", "x", " ", "  ", "?", ".", "!", "\n", "\r\n", "-", "\u{0}", "\u{7F}", "MICE", "_", "a1b",
    ]
    for round in 0..<4000 {
      let text =
        if round.isMultiple(of: 2) {
          (0..<Int.random(in: 0...30, using: &generator)).map { _ in pieces[Int.random(in: 0..<pieces.count, using: &generator)] }.joined()
        } else {
          String(
            decoding: (0..<Int.random(in: 0...80, using: &generator)).map { _ in UInt8.random(in: 0..<128, using: &generator) },
            as: UTF8.self)
        }
      for reader in [english, plain] {
        for separates in [false, true] {
          let terms = reader.terms(of: text, separatesQuestions: separates)
          #expect(terms == reader.terms(of: text, separatesQuestions: separates, usesFastPath: false), "\(text.debugDescription)")
        }
      }
    }
  }

  @Test func datesAreThoseOfTheCalendar() {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = .gmt
    var generator = SeededGenerator(seed: 4)
    for _ in 0..<2000 {
      let milliseconds = Int64.random(in: -62_135_596_800_000...253_402_300_799_999, using: &generator)
      let parts = calendar.dateComponents([.day, .month, .year, .era], from: Date(milliseconds: milliseconds))
      // Before 1582 Foundation uses the Julian calendar.
      guard milliseconds > -12_219_292_800_000 else { continue }
      let date = DateTerms.civil(milliseconds)
      #expect(date.day == parts.day && date.month == parts.month && date.year == parts.year)
    }
    for milliseconds in [Int64.min / 2, Int64.max / 2, -1, 0] {
      let date = DateTerms.civil(milliseconds)
      #expect((1...31).contains(date.day) && (1...12).contains(date.month))
    }
  }
}
