/// Stage 4 of a search over many rows: excludes, by their codes, candidates that cannot enter any more. Most rows of a long
/// scan are excluded, and their floats are never read.
///
/// A code gives an upper bound of the score, so nothing is excluded that could enter, ties included: the results are those of a scan of
/// all floats. FileFormat.md ("codes") has the proof.
package struct CodeFilter {
  let codes: CodeReading
  let tier: CodeTier
  let query: CodeQuery
  /// Candidates that were compared by their codes.
  package private(set) var rowsCompared = 0
  /// The bounds of the rows that were looked at last, from the first row of their first chunk on.
  private var bounds = [Float](repeating: 0, count: 2 * CodeFile.chunkRows)
  /// The place of the first of these rows in its chunk.
  private var place = 0

  /// How many codes are compared in the time in which one row is scored, about. The codes of all rows are compared, candidates or not.
  private static let codesPerScore = 6

  /// - Parameter estimate: Nil: no row is excluded that could enter. Otherwise few are.
  package init(_ codes: CodeReading, embedding: [Float], _ tier: CodeTier = .fine, _ estimate: ScoreEstimate? = nil) {
    self.codes = codes
    self.tier = tier
    query = CodeQuery(embedding, mean: codes.file.mean, tier, estimate)
  }

  /// The candidates among consecutive rows that may score at least `least`: those to score at once, because they probably do or because they have no
  /// code; and those to look at again once these were scored, because `least` may be higher then.
  ///
  /// - Parameters:
  ///   - count: At most 128.
  ///   - seeds: How many to score at once if any score counts.
  /// - Complexity: O(count × dimension).
  package mutating func split(
    firstRow: Int, count: Int, _ candidates: LiveMask, atLeast least: Float, seeds: Int = RowFile.blockCapacity
  ) -> (first: LiveMask, later: LiveMask) {
    // Behind the end of the file, an access raises a signal.
    let count = min(count, codes.rowCount - firstRow)
    // A filter may have left few.
    if count <= 0 || candidates.nonzeroBitCount * Self.codesPerScore < count { return (candidates, 0) }
    let trusted = codes.trusted(firstRow: firstRow, count: count)
    if trusted & candidates == 0 { return (candidates, 0) }
    rowsCompared += (trusted & candidates).nonzeroBitCount
    place = firstRow % CodeFile.chunkRows
    let found = codes.file.filter(
      tier, firstRow: firstRow, count: count, query, threshold: query.threshold(least), bounds: &bounds)
    let possible = candidates & (found.possible | ~trusted)
    let probable = least == -.infinity ? highest(seeds, of: candidates & trusted) : found.probable
    let first = candidates & (probable | ~trusted)
    return (first, possible & ~first)
  }

  /// Those of the rows that were looked at last that have the highest bounds.
  private func highest(_ count: Int, of candidates: LiveMask) -> LiveMask {
    if candidates.nonzeroBitCount <= count { return candidates }
    var bounds: [(bound: Float, slot: Int)] = []
    var left = candidates
    while left != 0 {
      let slot = left.trailingZeroBitCount
      left &= left - 1
      bounds.append((bound(slot).isNaN ? .infinity : bound(slot), slot))
    }
    bounds.sort { $0.bound > $1.bound }
    return bounds.prefix(count).reduce(0) { $0 | 1 << LiveMask($1.slot) }
  }

  /// The bound of a row of the last ``split(firstRow:count:_:atLeast:)``, to be compared with a threshold of ``threshold(_:)``.
  package func bound(_ slot: Int) -> Float { bounds[place + slot] }

  /// Bytes of a row's code of a tier.
  package func codeBytes(_ tier: CodeTier) -> Int { codes.file.header.codeBytes(tier) }

  /// The bound of a row that was not excluded by another tier, to be compared as the above.
  func bound(ofRow row: Int) -> Float { codes.file.bound(tier, row: row, query) }

  func prefetch(row: Int) { codes.file.prefetch(tier, row: row) }

  /// The bound below which no row scores at least `score`; the same for all tiers.
  package func threshold(_ score: Float) -> Float { query.threshold(score) }

  /// Candidates of the last ``split(firstRow:count:_:atLeast:)`` that may still score at least `least`.
  package func remaining(_ candidates: LiveMask, atLeast least: Float) -> LiveMask {
    let threshold = query.threshold(least)
    var (left, remaining) = (candidates, candidates)
    while left != 0 {
      let slot = left.trailingZeroBitCount
      left &= left - 1
      if bounds[place + slot] < threshold { remaining &= ~(1 << LiveMask(slot)) }
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
