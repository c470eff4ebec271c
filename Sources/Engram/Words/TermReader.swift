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
  private let seed: UInt64
  /// The terms of words that were read before, as most words of a text were.
  private var known = KnownWords()
  /// The terms of words with a replacement, by the hash of the word as it is in a text; nil for a word that is left out.
  private let fixed: [UInt64: TermHash?]
  /// The word that is being read, and the terms of the sentence.
  private var word: [UInt8] = []
  private var sentence: [TermHash] = []
  private var tokens = 0
  /// The terms of days and months, made once for all queries.
  private(set) lazy var dateNames = DateNames(self)

  /// - Parameter seed: The seed of the hashes, which is derived from the store's secret.
  /// - Throws: ``StoreError`` `.outOfResources`.
  init(_ language: WordLanguage, seed: UInt64) throws(StoreError) {
    self.seed = seed
    unsafe stemmer = language == .none ? nil : unsafe sb_stemmer_new(language.rawValue, "UTF_8")
    let replacements = language.replacements
    var fixed: [UInt64: TermHash?] = [:]
    for (form, meant) in replacements.forms {
      let term = unsafe Self.term(of: Array(meant.utf8), stemmer, seed)
      fixed.updateValue(term, forKey: Self.hash(Array(form.utf8), seed))
    }
    for stop in replacements.stopWords { fixed.updateValue(nil, forKey: Self.hash(Array(stop.utf8), seed)) }
    self.fixed = fixed
    if language != .none, unsafe stemmer == nil {
      throw StoreError(.outOfResources, "there is no memory for a stemmer of \(language.rawValue)")
    }
  }

  deinit { unsafe sb_stemmer_delete(stemmer) }

  // MARK: Texts

  /// The terms of a text.
  ///
  /// - Parameter separatesQuestions: If false, all terms count as terms of statements.
  /// - Complexity: O(text), about 30 ns for each word that was read before.
  func terms(of text: String, separatesQuestions: Bool = false) -> TextTerms {
    var terms = TextTerms()
    tokens = 0
    var scan = SentenceScan()
    let bytes = text.utf8.span
    let isASCII = bytes.indices.allSatisfy { bytes[$0] < 0x80 }
    if isASCII {
      for index in bytes.indices { step(UInt32(bytes[index]), .ofASCII(bytes[index]), &scan, separatesQuestions, &terms) }
    } else {
      for scalar in text.precomposedStringWithCompatibilityMapping.lowercased().unicodeScalars {
        step(scalar.value, .of(scalar), &scan, separatesQuestions, &terms)
      }
    }
    endWord()
    end(&scan, separatesQuestions, &terms)
    terms.questionShare = Double(scan.asked) / Double(max(1, scan.count))
    return terms
  }

  /// The position in a text. A sentence is a run of characters, and the full stops, exclamation and question marks after it.
  private struct SentenceScan {
    var count = 0
    var asked = 0
    var length = 0
    /// The last mark after the sentence; 0: the sentence goes on.
    var mark: UInt32 = 0
  }

  private func step(
    _ value: UInt32, _ kind: ScalarKind, _ scan: inout SentenceScan, _ separatesQuestions: Bool, _ terms: inout TextTerms
  ) {
    scan.count += 1
    switch kind {
    case .mark:
      endWord()
      if scan.length > 0 {
        scan.length += 1
        scan.mark = value
      }
      return
    case .newline:
      endWord()
      end(&scan, separatesQuestions, &terms)
      return
    default:
      if scan.mark != 0 { end(&scan, separatesQuestions, &terms) }
      scan.length += 1
    }
    switch kind {
    case .word: append(value)
    case .pair: pair(value)
    case .ignored: break
    default: endWord()
    }
  }

  private func end(_ scan: inout SentenceScan, _ separatesQuestions: Bool, _ terms: inout TextTerms) {
    if separatesQuestions, scan.mark == UInt32(UInt8(ascii: "?")) {
      terms.asked += sentence
      scan.asked += scan.length
    } else {
      terms.said += sentence
    }
    sentence.removeAll(keepingCapacity: true)
    (scan.length, scan.mark) = (0, 0)
  }

  // MARK: Words

  /// The last character of a run of a script without spaces, as UTF-8; empty: none.
  private var last: [UInt8] = []
  private var isPaired = false

  private func append(_ value: UInt32) {
    if !last.isEmpty { endWord() }
    if value < 0x80 {
      word.append(UInt8(value >= 0x41 && value <= 0x5A ? value + 0x20 : value))
    } else {
      appendUTF8(value, to: &word)
    }
  }

  private func pair(_ value: UInt32) {
    if !word.isEmpty { endWord() }
    var character: [UInt8] = []
    appendUTF8(value, to: &character)
    if !last.isEmpty {
      add(Self.term(hashOf: last + character, seed))
      isPaired = true
    }
    last = character
  }

  private func endWord() {
    if !last.isEmpty {
      if !isPaired { add(Self.term(hashOf: last, seed)) }
      last.removeAll(keepingCapacity: true)
      isPaired = false
    }
    if word.isEmpty { return }
    let hash = Self.hash(word, seed)
    let term: TermHash?
    if let found = known[hash] {
      term = found
    } else {
      if let found = fixed[hash] { term = found } else { term = unsafe Self.term(of: word, stemmer, seed) }
      known.set(term, hash)
    }
    if let term { add(term) }
    word.removeAll(keepingCapacity: true)
  }

  private func add(_ term: TermHash) {
    guard tokens < Self.tokenLimit else { return }
    tokens += 1
    sentence.append(term)
  }

  private func appendUTF8(_ value: UInt32, to bytes: inout [UInt8]) {
    // The value comes from a scalar of a text, which always has a UTF-8 form.
    if let scalar = Unicode.Scalar(value) { bytes.append(contentsOf: UTF8.encode(scalar)!) }
  }

  // MARK: Hashes

  private static func hash(_ bytes: [UInt8], _ seed: UInt64) -> UInt64 {
    unsafe XXH3.hash64(bytes.span.bytes, seed: seed)
  }

  private static func term(hashOf bytes: [UInt8], _ seed: UInt64) -> TermHash { TermHash(truncatingIfNeeded: hash(bytes, ~seed)) }

  private static func term(of word: [UInt8], _ stemmer: OpaquePointer?, _ seed: UInt64) -> TermHash {
    guard let stemmer = unsafe stemmer else { return term(hashOf: word, seed) }
    // SAFETY: the stem lives in the stemmer until its next use; nil: no memory, and the word is kept as it is.
    guard let stem = unsafe sb_stemmer_stem(stemmer, word, Int32(word.count)) else { return term(hashOf: word, seed) }
    let bytes = unsafe UnsafeRawBufferPointer(start: stem, count: Int(sb_stemmer_length(stemmer)))
    return TermHash(truncatingIfNeeded: unsafe XXH3.hash64(bytes, seed: ~seed))
  }
}

/// The terms of words that were read before, by the hash of the word: a table of fixed size, in which a word replaces another in the same
/// place.
private struct KnownWords {
  private static let size = 1 << 13
  private static let hasTerm: UInt64 = 1 << 32
  private static let isLeftOut: UInt64 = 1 << 33

  private var hashes = [UInt64](repeating: 0, count: size)
  /// The term with a flag, or the flag of a word that is left out; 0: the place is empty.
  private var values = [UInt64](repeating: 0, count: size)

  /// Nil: not known; nil inside: the word is left out.
  subscript(hash: UInt64) -> TermHash?? {
    let place = Int(hash % UInt64(Self.size))
    let value = values[place]
    guard value != 0, hashes[place] == hash else { return nil }
    return .some(value & Self.hasTerm != 0 ? TermHash(truncatingIfNeeded: value) : nil)
  }

  mutating func set(_ term: TermHash?, _ hash: UInt64) {
    let place = Int(hash % UInt64(Self.size))
    hashes[place] = hash
    values[place] = term.map { Self.hasTerm | UInt64($0) } ?? Self.isLeftOut
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
