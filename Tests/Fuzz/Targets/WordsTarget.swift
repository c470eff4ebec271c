import Formats

@testable import Engram

/// The words of memories, and the texts that they are made of.
enum WordsTarget {
  private static let entry = WordsEntry(
    id: MemoryID(high: 1 << 60, low: 7), createdAt: 0, expiresAt: BlockColumns.never, row: 9, isSuperseded: true, session: 77, length: 3,
    questionShare: 9, terms: [3, 5, .max].map { MarkedTerm(term: $0, mark: TermMark(said: 1, asked: 7, isAuthor: true)) })

  static func run(_ input: [UInt8]) throws {
    guard let block = try? decode(input) else { return }
    let bytes = block.encoded()
    let again = try must("words that were written do not decode") { try decode(bytes) }
    try require(again == block && again.encoded() == bytes, "\(block) reads back as \(again)")
    // A record is changed without being decoded, and the result is the same.
    guard block.entries.count < WordsBlock.capacity else { return }
    for place in Set([0, block.entries.count / 2, block.entries.count]) {
      for replaces in [false, true] where !replaces || place < block.entries.count {
        var expected = block
        if replaces { expected.entries[place] = entry } else { expected.entries.insert(entry, at: place) }
        let changed = try withSpan(input) { try WordsView($0).with(entry, at: place, replaces: replaces) }
        let found = try must("a record that was changed does not decode") { try decode(changed) }
        try require(found == expected, "an entry at \(place) of \(block) makes \(found)")
      }
    }
  }

  static func terms(_ input: [UInt8]) throws {
    let text = String(decoding: input, as: UTF8.self)
    for language in [WordLanguage.english, .none] {
      let reader = try TermReader(language, seed: 3)
      let terms = reader.terms(of: text, separatesQuestions: true)
      try require(reader.terms(of: text, separatesQuestions: true) == terms, "a text has other terms the second time")
      try require(terms.said.count + terms.asked.count <= TermReader.tokenLimit, "a text has too many terms")
      try require((0...1).contains(terms.questionShare), "the share of questions is \(terms.questionShare)")
      try require(
        reader.terms(of: text).said.sorted() == (terms.said + terms.asked).sorted(), "questions have other terms than the text")
      _ = QueryTerms(text, reader)
    }
  }

  private static func decode(_ bytes: [UInt8]) throws -> WordsBlock { try withSpan(bytes) { WordsBlock(try WordsView($0)) } }
}
