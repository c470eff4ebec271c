/// Stage 4 of a search over many rows: excludes, by their codes, candidates that cannot enter any more. Most rows of a long
/// scan are excluded, and their floats are never read.
///
/// A code gives an upper bound of the score, so nothing is excluded that could enter, ties included: the results are those of a scan of
/// all floats. FileFormat.md ("codes.u4") has the proof.
package struct CodeFilter {
  private let codes: CodeReading
  private let query: CodeQuery
  /// Candidates that were compared by their codes.
  package private(set) var rowsCompared = 0
  /// The bounds of the rows that were looked at last.
  private var bounds = [Float](repeating: 0, count: RowFile.blockCapacity)

  /// How many codes are compared in the time in which one row is scored, about. The codes of all rows are compared, candidates or not.
  private static let codesPerScore = 6

  package init(_ codes: CodeReading, embedding: [Float]) {
    self.codes = codes
    query = CodeQuery(embedding, mean: codes.file.mean, bits: codes.file.header.bits)
  }

  /// The candidates among consecutive rows that may score at least `least`: those to score at once, because they probably do or because they have no
  /// code; and those to look at again once these were scored, because `least` may be higher then.
  ///
  /// - Parameter count: At most 128.
  /// - Complexity: O(count × dimension).
  package mutating func split(
    firstRow: Int, count: Int, _ candidates: LiveMask, atLeast least: Float
  ) -> (first: LiveMask, later: LiveMask) {
    // Behind the end of the file, an access raises a signal.
    let count = min(count, codes.rowCount - firstRow)
    // A filter may have left few.
    if count <= 0 || candidates.nonzeroBitCount * Self.codesPerScore < count { return (candidates, 0) }
    let trusted = codes.trusted(firstRow: firstRow, count: count)
    if trusted & candidates == 0 { return (candidates, 0) }
    rowsCompared += (trusted & candidates).nonzeroBitCount
    let found = codes.file.filter(
      firstRow: firstRow, count: count, query, threshold: query.threshold(least), bounds: &bounds)
    let possible = candidates & (found.possible | ~trusted)
    let first = candidates & (found.probable | ~trusted)
    return (first, possible & ~first)
  }

  /// Candidates of the last ``split(firstRow:count:_:atLeast:)`` that may still score at least `least`.
  package func remaining(_ candidates: LiveMask, atLeast least: Float) -> LiveMask {
    let threshold = query.threshold(least)
    var (left, remaining) = (candidates, candidates)
    while left != 0 {
      let slot = left.trailingZeroBitCount
      left &= left - 1
      if bounds[slot] < threshold { remaining &= ~(1 << LiveMask(slot)) }
    }
    return remaining
  }
}

/// The codes of one instant.
package struct CodeReading: Sendable {
  package let file: CodeFile
  /// Rows from this number on have none.
  package let rowCount: Int
  private let distrusted: [Int: LiveMask]

  /// - Parameters:
  ///   - rowCount: Rows that the file covers.
  ///   - distrusted: Rows whose codes must not be used, by the number of the chunk: bit i is its row i.
  package init(file: CodeFile, rowCount: Int, distrusted: [Int: LiveMask]) {
    self.file = file
    self.rowCount = rowCount
    self.distrusted = distrusted
  }

  /// Those of consecutive rows whose codes may be used: bit i is row `firstRow` + i.
  package func trusted(firstRow: Int, count: Int) -> LiveMask {
    precondition(firstRow + count <= rowCount && count <= CodeFile.chunkRows, "the rows have codes")
    var trusted = LiveMask.max >> LiveMask(CodeFile.chunkRows - count)
    if distrusted.isEmpty { return trusted }
    let (chunk, place) = firstRow.quotientAndRemainder(dividingBy: CodeFile.chunkRows)
    if let rows = distrusted[chunk] { trusted &= ~(rows >> LiveMask(place)) }
    if place > 0, let rows = distrusted[chunk + 1] { trusted &= ~(rows << LiveMask(CodeFile.chunkRows - place)) }
    return trusted
  }
}
