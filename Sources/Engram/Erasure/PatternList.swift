import Formats

/// Byte patterns that are collected for a ``PatternSet``, in any order, possibly equal.
struct PatternList: Sendable {
  /// The patterns, end to end.
  private(set) var storage: [UInt8] = []
  /// Where each pattern ends in ``storage``.
  private(set) var ends: [Int] = []
  private(set) var kinds: [ErasureScan.Kind] = []
  /// How often no pattern could be taken, by kind.
  private(set) var unsearchable: [ErasureScan.Kind: Int] = [:]

  var count: Int { ends.count }

  func range(of index: Int) -> Range<Int> { (index == 0 ? 0 : ends[index - 1])..<ends[index] }

  /// - Parameter pattern: At least ``PatternSet/shortestBytes`` bytes.
  mutating func append(_ kind: ErasureScan.Kind, _ pattern: ArraySlice<UInt8>) {
    precondition(pattern.count >= PatternSet.shortestBytes, "a pattern has at least \(PatternSet.shortestBytes) bytes")
    storage.append(contentsOf: pattern)
    ends.append(storage.count)
    kinds.append(kind)
  }

  mutating func countUnsearchable(_ kind: ErasureScan.Kind) { unsearchable[kind, default: 0] += 1 }
}

// Taking patterns from data.
extension PatternList {
  /// The least and the usual length of a piece of a text.
  static let textPieceBytes = 24
  /// The least and the usual number of terms in a piece of a memory's words.
  static let leastTerms = 3
  static let pieceTerms = 6
  /// A pattern with fewer bytes other than zero may occur by chance, in a run of zeros and the bytes after it.
  static let leastNonzeroBytes = 8
  /// The most places of a row at which a piece is taken.
  static let rowPieces = 8
  /// The most bytes of a code that are searched for.
  static let codePieceBytes = 192
  /// Components other than zero in a piece of a row.
  static let rowPieceComponents = 8

  mutating func append(_ user: UserKey) {
    var bytes: [UInt8] = []
    bytes.appendBigEndian(user.high)
    bytes.appendBigEndian(user.low)
    appendIfTelling(.userKey, bytes[...])
  }

  /// The userID with its key and its length, as every record holds it, so that the pattern occurs in no longer userID.
  mutating func append(userID: String) {
    var writer = CBORWriter()
    writer.key("userID")
    writer.text(userID)
    appendIfTelling(.userID, writer.bytes[...])
  }

  mutating func append(_ id: MemoryID) { appendIfTelling(.memoryID, id.bytes[...]) }

  /// Cuts a string into consecutive pieces, the last of which ends with the string: any 47 consecutive bytes of it contain a whole piece. A
  /// string shorter than a piece is left out.
  mutating func append(text: [UInt8]) {
    guard text.count >= Self.textPieceBytes else { return }
    for start in stride(from: 0, to: text.count, by: Self.textPieceBytes) {
      let first = min(start, text.count - Self.textPieceBytes)
      appendIfTelling(.text, text[first..<first + Self.textPieceBytes])
    }
  }

  /// Cuts the terms of a memory, 4 bytes each, into pieces as for a text. The terms follow each other in a record of `words`.
  mutating func append(terms: [TermHash]) {
    guard terms.count >= Self.leastTerms else {
      // A text without words leaves no terms in the files.
      if !terms.isEmpty { countUnsearchable(.words) }
      return
    }
    let length = min(terms.count, Self.pieceTerms)
    for start in stride(from: 0, to: terms.count, by: length) {
      let first = min(start, terms.count - length)
      var bytes: [UInt8] = []
      for term in terms[first..<first + length] { bytes.appendBigEndian(term) }
      appendIfTelling(.words, bytes[...])
    }
  }

  /// Takes pieces at several places of a row. Each has eight components other than zero, and the zeros between them: 32 bytes of a dense
  /// row, more of a sparse one, because short pieces of it would occur in many rows. A row with fewer such components gives one piece.
  ///
  /// - Parameter row: Little-endian float32.
  /// - Returns: Whether there is any piece.
  mutating func append(row: [UInt8]) -> Bool {
    let components = row.count / 4
    let nonzero = (0..<components).filter { component in row[component * 4..<component * 4 + 4].contains { $0 != 0 } }
    guard let first = nonzero.first, let last = nonzero.last else { return false }
    guard nonzero.count >= Self.rowPieceComponents else { return append(row: row, from: first, through: last) }
    let places = min(max(components / Self.rowPieceComponents, 1), Self.rowPieces)
    var hasPiece = false
    var next = 0
    for place in 0..<places {
      while next < nonzero.count, nonzero[next] < place * components / places { next += 1 }
      guard next + Self.rowPieceComponents <= nonzero.count else { break }
      // From this place to the next there are only zeros.
      if nonzero[next] >= (place + 1) * components / places { continue }
      if append(row: row, from: nonzero[next], through: nonzero[next + Self.rowPieceComponents - 1]) { hasPiece = true }
    }
    return hasPiece
  }

  /// Takes the beginning of a row's code. Codes of other embeddings have short pieces in common with it, so it is one long pattern.
  mutating func append(code: [UInt8]) {
    let piece = code.prefix(Self.codePieceBytes)
    if piece.count(where: { $0 != 0 }) >= Self.textPieceBytes, let telling = Self.telling(piece) {
      append(.code, telling)
    } else {
      countUnsearchable(.code)
    }
  }

  private mutating func append(row: [UInt8], from first: Int, through last: Int) -> Bool {
    let piece = row[first * 4..<last * 4 + 4]
    guard Set(piece).count >= 4, let telling = Self.telling(piece) else { return false }
    append(.embedding, telling)
    return true
  }

  private mutating func appendIfTelling(_ kind: ErasureScan.Kind, _ pattern: ArraySlice<UInt8>) {
    if let telling = Self.telling(pattern) { append(kind, telling) } else { countUnsearchable(kind) }
  }

  /// The pattern without its leading zeros, so that runs of zeros in a file need no closer look; nil if finding it would prove nothing.
  private static func telling(_ pattern: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    pattern.count { $0 != 0 } >= leastNonzeroBytes ? pattern.drop { $0 == 0 } : nil
  }
}
