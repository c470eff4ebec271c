import Formats

/// Turns texts into token ids, equal to the reference tokenizer (Hugging Face `tokenizers`) with BERT's settings.
struct WordPiece: Sendable {
  /// A token that is found in a text as it is, before anything else, such as `[SEP]`.
  struct SpecialToken: Sendable, Equatable {
    let text: String
    let id: Int32

    static func == (left: SpecialToken, right: SpecialToken) -> Bool { left.text.hasSameBytes(as: right.text) && left.id == right.id }
  }

  /// The settings of a tokenizer, as a model folder has them.
  struct Settings: Sendable {
    var normalizer = BertNormalizer()
    /// As `tokenizer.json` says; nil: accents are removed if texts are lowercased.
    var removesAccents: Bool?
    /// Tokens by id; no two are the same.
    var tokens: [String]
    var specialTokens: [SpecialToken]
    var unknownToken = "[UNK]"
    var continuingPrefix = "##"
    /// The longest word in characters: a longer one becomes the unknown token.
    var longestWord = 100
    /// The most tokens of a text, with the first and the last.
    var maximumTokens: Int
  }

  let maximumTokens: Int
  private let normalizer: BertNormalizer
  private let initial: Vocabulary
  private let continuing: Vocabulary
  private let specialTokens: [(utf8: [UInt8], id: Int32)]
  private let longestWord: Int
  private let unknown: Int32
  private let first: Int32
  private let last: Int32

  /// - Throws: ``ModelFault``: a token is missing or there twice.
  init(_ settings: Settings) throws(ModelFault) {
    normalizer = settings.normalizer
    maximumTokens = settings.maximumTokens
    longestWord = settings.longestWord
    var initial = Vocabulary(capacity: settings.tokens.count)
    var continuing = Vocabulary(capacity: settings.tokens.count)
    for (id, token) in settings.tokens.enumerated() {
      guard initial.insert(Array(token.utf8), id: Int32(id)) else { throw ModelFault("the token '\(token)' is there twice") }
      if token.hasBytePrefix(settings.continuingPrefix) {
        _ = continuing.insert(Array(token.utf8.dropFirst(settings.continuingPrefix.utf8.count)), id: Int32(id))
      }
    }
    func id(_ token: String) throws(ModelFault) -> Int32 {
      guard let id = initial[ArraySlice(token.utf8)] else { throw ModelFault("the vocabulary has no token '\(token)'") }
      return id
    }
    unknown = try id(settings.unknownToken)
    first = try id("[CLS]")
    last = try id("[SEP]")
    // The longest comes first: it is taken if several begin at the same place.
    specialTokens = settings.specialTokens.filter { !$0.text.isEmpty }.map { (Array($0.text.utf8), $0.id) }
      .sorted { $0.utf8.count > $1.utf8.count }
    self.initial = initial
    self.continuing = continuing
  }

  /// The ids of a text: `[CLS]`, as many of its words as fit, `[SEP]`.
  ///
  /// - Complexity: O(length of the text). No word is looked up after the last token that fits.
  func ids(of text: String) -> [Int32] {
    var ids = [first]
    let limit = maximumTokens - 1
    forEachPart(of: text) { part in
      switch part {
      case .special(let id): ids.append(id)
      case .text(let text):
        normalizer.forEachWord(of: text) { word in
          appendPieces(of: word, to: &ids)
          return ids.count < limit
        }
      }
      return ids.count < limit
    }
    if ids.count > limit { ids.removeLast(ids.count - limit) }
    ids.append(last)
    return ids
  }

  private enum Part {
    case special(Int32)
    case text(Substring)
  }

  private func forEachPart(of text: String, _ body: (Part) -> Bool) {
    let utf8 = text.utf8
    let firstBytes = Set(specialTokens.map { $0.utf8[0] })
    var start = utf8.startIndex
    var index = start
    while let found = utf8[index...].firstIndex(where: { firstBytes.contains($0) }) {
      guard let special = specialTokens.first(where: { utf8[found...].starts(with: $0.utf8) }) else {
        index = utf8.index(after: found)
        continue
      }
      if start < found, !body(.text(text[start..<found])) { return }
      if !body(.special(special.id)) { return }
      index = utf8.index(found, offsetBy: special.utf8.count)
      start = index
    }
    if start < utf8.endIndex { _ = body(.text(text[start...])) }
  }

  /// Appends the longest token that the word begins with, then the longest that the rest begins with, and so on; if one is missing, the
  /// whole word becomes the unknown token.
  private func appendPieces(of word: ArraySlice<UInt8>, to ids: inout [Int32]) {
    let before = ids.count
    if word.count > longestWord, word.reduce(0, { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }) > longestWord {
      ids.append(unknown)
      return
    }
    var start = word.startIndex
    while start < word.endIndex {
      let vocabulary = start == word.startIndex ? initial : continuing
      var end = min(word.endIndex, start + vocabulary.longestByteCount)
      // A token ends between two characters.
      while end < word.endIndex, end > start, word[end] & 0xC0 == 0x80 { end -= 1 }
      var id: Int32?
      while end > start {
        id = vocabulary[word[start..<end]]
        if id != nil { break }
        repeat { end -= 1 } while end > start && word[end] & 0xC0 == 0x80
      }
      guard let id else {
        ids.removeLast(ids.count - before)
        ids.append(unknown)
        return
      }
      ids.append(id)
      start = end
    }
  }
}
