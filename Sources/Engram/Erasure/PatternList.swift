import Formats

/// Byte patterns on the way into a ``PatternSet``, in any order, equal ones included.
struct PatternList: Sendable {
  /// The patterns, end to end.
  private(set) var storage: [UInt8] = []
  /// Where each pattern ends in ``storage``.
  private(set) var ends: [Int] = []
  private(set) var kinds: [ErasureScan.Kind] = []
  /// What no pattern could be taken of.
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

// What patterns are taken of.
extension PatternList {
  /// The least and the usual length of a piece of a text.
  static let textPieceBytes = 24
  /// The least and the usual number of terms in a piece of a memory's words.
  static let leastTerms = 3
  static let pieceTerms = 6
  /// A pattern with fewer bytes other than zero could be made by any run of zeros and what happens to follow it.
  static let leastNonzeroBytes = 8
  /// Places of a row at which a piece is taken.
  static let rowPieces = 8
  /// Components other than zero in a piece of a row.
  static let rowPieceComponents = 8

  mutating func append(_ user: UserKey) {
    var bytes: [UInt8] = []
    bytes.appendBigEndian(user.high)
    bytes.appendBigEndian(user.low)
    appendIfTelling(.userKey, bytes[...])
  }

  /// The userID with its key and its length, as every record holds it: no other userID, shorter or longer, contains it.
  mutating func append(userID: String) {
    var writer = CBORWriter()
    writer.key("userID")
    writer.text(userID)
    appendIfTelling(.userID, writer.bytes[...])
  }

  mutating func append(_ id: MemoryID) { appendIfTelling(.memoryID, id.bytes[...]) }

  /// Cuts a string into pieces, one after another, the last of which ends with it: 47 bytes of it in a row contain a whole piece, wherever
  /// they begin. A shorter string than a piece is left out.
  mutating func append(text: [UInt8]) {
    guard text.count >= Self.textPieceBytes else { return }
    for start in stride(from: 0, to: text.count, by: Self.textPieceBytes) {
      let first = min(start, text.count - Self.textPieceBytes)
      appendIfTelling(.text, text[first..<first + Self.textPieceBytes])
    }
  }

  /// Cuts the terms of a memory, each of 4 bytes, into pieces, the last of which ends with them. They follow each other in a record of `words`.
  mutating func append(terms: [TermHash]) {
    guard terms.count >= Self.leastTerms else {
      // Texts without a word leave nothing.
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

  /// Takes pieces at several places of a row. Each holds eight components other than zero, and what lies between them: 32 bytes of a dense
  /// row, more of a sparse one, whose short pieces would occur in many rows. Of a row with fewer there is one piece.
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
      // From here to the next place there are zeros only.
      if nonzero[next] >= (place + 1) * components / places { continue }
      if append(row: row, from: nonzero[next], through: nonzero[next + Self.rowPieceComponents - 1]) { hasPiece = true }
    }
    return hasPiece
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

  /// The pattern without the zeros that it begins with, so that no run of zeros in a file has to be looked at more closely; nil where
  /// finding it would prove nothing.
  private static func telling(_ pattern: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    pattern.count { $0 != 0 } >= leastNonzeroBytes ? pattern.drop { $0 == 0 } : nil
  }
}
