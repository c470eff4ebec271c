import CStemmer
import Checksums
import Foundation

/// A term of a text: 32 bits of the hash of a word's stem under the store's secret.
typealias TermHash = UInt32

/// The terms of a text, in its order.
struct TextTerms: Equatable {
  /// The terms of statements; ``asked`` has the terms of sentences that end in a question mark.
  var said: [TermHash] = []
  var asked: [TermHash] = []
  /// The share of questions in the whole text, by Unicode scalars, 0…1.
  var questionShare: Double = 0
}

/// Turns texts into terms.
///
/// A word is a run of letters, digits and marks. In a text of ASCII that is a run of `a…z` and `0…9` after lower-casing, so an apostrophe
/// ends a word (`don't`: `don`, `t`). Other texts are normalised to NFKC first and cut by the properties of Unicode, into the words of UAX
/// 29, except that punctuation between letters ends a word, too. Han, kana, Thai, Lao, Burmese and Khmer are written without spaces between
/// words, and give a term for each two neighbouring characters. A stop word is left out; an irregular form or the name of a number is
/// replaced; the stemmer removes the endings of all words that remain.
///
/// Used by one thread at a time.
@safe
final class TermReader: @unchecked Sendable {
  /// The most terms of one text; further ones are left out.
  static let tokenLimit = 8192

  // SAFETY: used by this object alone, which is used by one thread at a time.
  private let stemmer: OpaquePointer?
  // One value, so that the exclusive access to it is checked once for each text and not for each character.
  private var scan: TermScan
  /// The terms of days and months, made once for all queries.
  private(set) lazy var dateNames = DateNames(self)

  /// - Parameter seed: The seed of the hashes, which is derived from the store's secret.
  /// - Throws: ``StoreError`` `.outOfResources`.
  init(_ language: WordLanguage, seed: UInt64) throws(StoreError) {
    unsafe stemmer = language == .none ? nil : unsafe sb_stemmer_new(language.rawValue, "UTF_8")
    unsafe scan = TermScan(stemmer, language.replacements, seed)
    if language != .none, unsafe stemmer == nil {
      throw StoreError(.outOfResources, "there is no memory for a stemmer of \(language.rawValue)")
    }
  }

  deinit { unsafe sb_stemmer_delete(stemmer) }

  /// The terms of a text.
  ///
  /// - Parameters:
  ///   - separatesQuestions: If false, all terms count as terms of statements.
  ///   - usesFastPath: If false, a text of ASCII is read as any other text, for tests: the terms are the same.
  /// - Complexity: O(text), about 20 ns for each word that was read before.
  func terms(of text: String, separatesQuestions: Bool = false, usesFastPath: Bool = true) -> TextTerms {
    scan.terms(of: text, separatesQuestions: separatesQuestions, usesFastPath: usesFastPath)
  }
}

/// The state of a ``TermReader``.
@safe
private struct TermScan {
  // SAFETY: lives as long as the reader, which owns it.
  private let stemmer: OpaquePointer?
  private let seed: UInt64
  /// The terms of words that were read before, as most words of a text were.
  private var known = KnownWords()
  /// The terms of words with a replacement, by the hash of the word as it is in a text; nil for a word that is left out.
  private let fixed: [UInt64: TermHash?]
  /// A text of ASCII in lower case.
  private var lowered: [UInt8] = []
  /// The word that is being read.
  private var word: [UInt8] = []
  private var terms = TextTerms()
  private var tokens = 0
  private var sentence = Sentence()
  /// The last character of a run of a script without spaces, as UTF-8; empty: none.
  private var last: [UInt8] = []
  private var isPaired = false

  init(_ stemmer: OpaquePointer?, _ replacements: WordReplacements, _ seed: UInt64) {
    unsafe self.stemmer = stemmer
    self.seed = seed
    var fixed: [UInt64: TermHash?] = [:]
    for (form, meant) in replacements.forms {
      let term = unsafe Self.term(of: Array(meant.utf8).span.bytes, stemmer, seed)
      fixed.updateValue(term, forKey: unsafe Self.hash(Array(form.utf8).span.bytes, seed))
    }
    for stop in replacements.stopWords { fixed.updateValue(nil, forKey: unsafe Self.hash(Array(stop.utf8).span.bytes, seed)) }
    self.fixed = fixed
  }

  // MARK: Texts

  mutating func terms(of text: String, separatesQuestions: Bool, usesFastPath: Bool) -> TextTerms {
    terms = TextTerms()
    tokens = 0
    sentence = Sentence(separatesQuestions: separatesQuestions)
    let isASCII = lower(text)
    if isASCII, usesFastPath {
      readLowered(lowered)
    } else {
      let text = isASCII ? text : text.precomposedStringWithCompatibilityMapping.lowercased()
      for scalar in text.unicodeScalars { step(scalar.value, .of(scalar)) }
      endWord()
    }
    endSentence()
    terms.questionShare = Double(sentence.asked) / Double(max(1, sentence.count))
    return terms
  }

  /// The position in a text. A sentence is a run of characters, and the full stops, exclamation and question marks after it.
  private struct Sentence {
    var separatesQuestions = false
    /// Characters of the text so far, and those in questions.
    var count = 0
    var asked = 0
    /// Characters of the sentence.
    var length = 0
    /// The last mark after the sentence; 0: the sentence goes on.
    var mark: UInt32 = 0
    /// The number of terms of statements before the sentence.
    var firstTerm = 0
  }

  /// Fills ``lowered``; false if the text is not of ASCII.
  private mutating func lower(_ text: String) -> Bool {
    lowered.removeAll(keepingCapacity: true)
    lowered.append(contentsOf: text.utf8)
    var bytes = lowered.mutableSpan
    var all: UInt8 = 0
    for index in bytes.indices {
      let byte = bytes[index]
      all |= byte
      bytes[index] = byte &- 0x41 < 26 ? byte | 0x20 : byte
    }
    return all < 0x80
  }

  /// Reads a text of ASCII in lower case as ``step(_:_:)`` reads a text character by character, but words as wholes.
  private mutating func readLowered(_ lowered: [UInt8]) {
    let count = lowered.count
    var index = 0
    while index < count {
      let start = index
      while index < count, Self.isWord(lowered[index]) { index += 1 }
      if index > start {
        if sentence.mark != 0 { endSentence() }
        sentence.length += index - start
        unsafe addWord(lowered.span.bytes.extracting(start..<index))
        continue
      }
      switch ScalarKind.ofASCII(lowered[index]) {
      case .mark:
        if sentence.length > 0 {
          sentence.length += 1
          sentence.mark = UInt32(lowered[index])
        }
      case .newline: endSentence()
      default:
        if sentence.mark != 0 { endSentence() }
        sentence.length += 1
      }
      index += 1
    }
    sentence.count = count
  }

  private static func isWord(_ byte: UInt8) -> Bool { byte &- 0x61 < 26 || byte &- 0x30 < 10 }

  private mutating func step(_ value: UInt32, _ kind: ScalarKind) {
    sentence.count += 1
    switch kind {
    case .mark:
      endWord()
      if sentence.length > 0 {
        sentence.length += 1
        sentence.mark = value
      }
      return
    case .newline:
      endWord()
      endSentence()
      return
    default:
      if sentence.mark != 0 { endSentence() }
      sentence.length += 1
    }
    switch kind {
    case .word: append(value)
    case .pair: pair(value)
    case .ignored: break
    default: endWord()
    }
  }

  private mutating func endSentence() {
    if sentence.separatesQuestions, sentence.mark == UInt32(UInt8(ascii: "?")) {
      terms.asked += terms.said[sentence.firstTerm...]
      terms.said.removeSubrange(sentence.firstTerm...)
      sentence.asked += sentence.length
    }
    sentence.firstTerm = terms.said.count
    (sentence.length, sentence.mark) = (0, 0)
  }

  // MARK: Words

  private mutating func append(_ value: UInt32) {
    if !last.isEmpty { endWord() }
    if value < 0x80 {
      word.append(UInt8(value >= 0x41 && value <= 0x5A ? value + 0x20 : value))
    } else {
      Self.appendUTF8(value, to: &word)
    }
  }

  private mutating func pair(_ value: UInt32) {
    if !word.isEmpty { endWord() }
    var character: [UInt8] = []
    Self.appendUTF8(value, to: &character)
    if !last.isEmpty {
      unsafe add(Self.term(hashOf: (last + character).span.bytes, seed))
      isPaired = true
    }
    last = character
  }

  private mutating func endWord() {
    if !last.isEmpty {
      if !isPaired { unsafe add(Self.term(hashOf: last.span.bytes, seed)) }
      last = []
      isPaired = false
    }
    if word.isEmpty { return }
    let read = word
    word = []
    unsafe addWord(read.span.bytes)
  }

  private mutating func addWord(_ word: RawSpan) {
    let hash = Self.hash(word, seed)
    let term: TermHash?
    if let found = known[hash] {
      term = found
    } else {
      if let found = fixed[hash] { term = found } else { term = unsafe Self.term(of: word, stemmer, seed) }
      known.set(term, hash)
    }
    if let term { add(term) }
  }

  private mutating func add(_ term: TermHash) {
    guard tokens < TermReader.tokenLimit else { return }
    tokens += 1
    terms.said.append(term)
  }

  private static func appendUTF8(_ value: UInt32, to bytes: inout [UInt8]) {
    // The value comes from a scalar of a text, which always has a UTF-8 form.
    if let scalar = Unicode.Scalar(value) { bytes.append(contentsOf: UTF8.encode(scalar)!) }
  }

  // MARK: Hashes

  private static func hash(_ bytes: RawSpan, _ seed: UInt64) -> UInt64 { XXH3.hash64(bytes, seed: seed) }

  private static func term(hashOf bytes: RawSpan, _ seed: UInt64) -> TermHash { TermHash(truncatingIfNeeded: hash(bytes, ~seed)) }

  private static func term(of word: RawSpan, _ stemmer: OpaquePointer?, _ seed: UInt64) -> TermHash {
    guard let stemmer = unsafe stemmer else { return term(hashOf: word, seed) }
    return unsafe word.withUnsafeBytes { word in
      // SAFETY: the stemmer only reads the word. The stem lives in the stemmer until its next use; nil: no memory, and the word is kept as
      // it is.
      let symbols = unsafe word.assumingMemoryBound(to: sb_symbol.self).baseAddress
      let stem = unsafe sb_stemmer_stem(stemmer, symbols, Int32(word.count))
      let bytes = unsafe stem.map { unsafe UnsafeRawBufferPointer(start: $0, count: Int(sb_stemmer_length(stemmer))) } ?? word
      return TermHash(truncatingIfNeeded: unsafe XXH3.hash64(bytes, seed: ~seed))
    }
  }
}

/// The terms of words that were read before, by the hash of the word: a table of fixed size, in which a word replaces another in the same
/// place.
private struct KnownWords {
  private static let size = 1 << 13
  private static let hasTerm: UInt64 = 1 << 32
  private static let isLeftOut: UInt64 = 1 << 33

  private struct Word {
    var hash: UInt64 = 0
    /// The term with a flag, or the flag of a word that is left out; 0: the place is empty.
    var value: UInt64 = 0
  }

  private var words = [Word](repeating: Word(), count: size)

  /// Nil: not known; nil inside: the word is left out.
  subscript(hash: UInt64) -> TermHash?? {
    let word = words[Int(hash % UInt64(Self.size))]
    guard word.value != 0, word.hash == hash else { return nil }
    return .some(word.value & Self.hasTerm != 0 ? TermHash(truncatingIfNeeded: word.value) : nil)
  }

  mutating func set(_ term: TermHash?, _ hash: UInt64) {
    words[Int(hash % UInt64(Self.size))] = Word(hash: hash, value: term.map { Self.hasTerm | UInt64($0) } ?? Self.isLeftOut)
  }
}

/// How a ``TermReader`` treats a character.
private enum ScalarKind {
  /// Letter, digit or mark.
  case word
  /// A character of a script that puts no spaces between words.
  case pair
  /// `.`, `!` or `?`.
  case mark
  case newline
  /// Invisible inside of a word.
  case ignored
  case other

  static func ofASCII(_ byte: UInt8) -> ScalarKind {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): .word
    case UInt8(ascii: "."), UInt8(ascii: "!"), UInt8(ascii: "?"): .mark
    case UInt8(ascii: "\n"): .newline
    default: .other
    }
  }

  static func of(_ scalar: Unicode.Scalar) -> ScalarKind {
    if scalar.value < 0x80 { return ofASCII(UInt8(scalar.value)) }
    switch scalar.value {
    // Thai and Lao; Burmese; Khmer; kana; kana extensions.
    case 0x0E00...0x0EFF, 0x1000...0x109F, 0x1780...0x17FF, 0x3041...0x30FF, 0x31F0...0x31FF: return isPart(scalar) ? .pair : .other
    default: break
    }
    if scalar.properties.isIdeographic { return .pair }
    switch scalar.properties.generalCategory {
    case .format: return .ignored
    default: return isPart(scalar) ? .word : .other
    }
  }

  private static func isPart(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .nonspacingMark, .spacingMark, .enclosingMark,
      .decimalNumber, .letterNumber, .otherNumber:
      true
    default: false
    }
  }
}
