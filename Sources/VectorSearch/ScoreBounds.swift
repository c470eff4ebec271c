/// Between which numbers the scores of many rows lie, by their codes, until a row is scored: then both bounds are its score.
///
/// For rankings that need more than the highest scores, such as the least one. FileFormat.md ("codes") has the proof of both bounds.
package struct ScoreBounds {
  private let file: RowFile
  private let query: [Float]
  private let rows: [Int]
  /// By the place of the row; NaN: there is no row.
  package private(set) var lower: [Float]
  package private(set) var upper: [Float]
  /// Rows that were scored.
  package private(set) var rowsScored = 0
  /// Rows whose bounds are by their codes, or were before they were scored.
  package private(set) var rowsCoded = 0
  /// Whether no score has overflowed, or is that of a damaged row.
  package private(set) var areFinite = true

  /// Bounds farther from each other are not used. So no product of norms is so large that a score could overflow within its bounds.
  private static let widest: Float = 1e30

  /// - Parameters:
  ///   - file: Covers all rows.
  ///   - codes: Rows of which it has no code are scored.
  ///   - query: `dimension` components.
  ///   - rows: The row of each place; negative: none. Consecutive rows at consecutive places take less time.
  ///   - check: Called now and then; an error that it throws ends the work.
  /// - Complexity: O(rows × dimension), an eighth of the bytes of the rows.
  package init(_ file: RowFile, _ codes: CodeReading, query: [Float], rows: [Int], check: () throws -> Void) throws {
    precondition(query.count == file.header.dimension, "a query has the store's dimension")
    (self.file, self.query, self.rows) = (file, query, rows)
    lower = [Float](repeating: .nan, count: rows.count)
    upper = lower
    let prepared = CodeQuery(query, mean: codes.file.mean, .fine)
    var place = 0
    while place < rows.count {
      let start = place
      let first = rows[start]
      repeat {
        place += 1
      } while place < rows.count && place - start < CodeFile.chunkRows && rows[place] == first + place - start
      // A place without a row ends a run: negative numbers must not count up to row 0.
      if first < 0 {
        place = start + 1
        continue
      }
      let count = max(0, min(place - start, codes.rowCount - first))
      if count > 0 { bound(first, count, codes, prepared, at: start) }
      for place in start + count..<place { score(place) }
      if place / Self.placesPerCheck != start / Self.placesPerCheck { try check() }
    }
  }

  private static let placesPerCheck = 1 << 16

  /// Which share of some rows of the file could have the highest or the lowest score of these, by their codes: near 1 where bounds tell little, as for
  /// rows and queries of random directions.
  ///
  /// - Returns: 0 if there are too few codes.
  /// - Complexity: O(dimension), for 1,024 rows.
  package static func undecidedShare(_ codes: CodeReading, query: [Float]) -> Double {
    let chunks = codes.rowCount / CodeFile.chunkRows
    guard chunks >= sampledChunks else { return 0 }
    let prepared = CodeQuery(query, mean: codes.file.mean, .fine)
    var lower = [Float](repeating: 0, count: sampledChunks * CodeFile.chunkRows)
    var upper = lower
    for number in 0..<sampledChunks {
      let first = number * chunks / sampledChunks * CodeFile.chunkRows
      codes.file.bound(first..<first + CodeFile.chunkRows, prepared, lower: &lower, upper: &upper, at: number * CodeFile.chunkRows)
    }
    // Slots without a code have no bounds.
    let places = lower.indices.filter { upper[$0] - lower[$0] < widest }
    let highest = places.map { lower[$0] }.max() ?? 0
    let lowest = places.map { upper[$0] }.min() ?? 0
    let undecided = places.count { upper[$0] >= highest || lower[$0] <= lowest }
    return places.isEmpty ? 0 : Double(undecided) / Double(places.count)
  }

  private static let sampledChunks = 8

  private mutating func bound(_ first: Int, _ count: Int, _ codes: CodeReading, _ query: CodeQuery, at start: Int) {
    codes.file.bound(first..<first + count, query, lower: &lower, upper: &upper, at: start)
    rowsCoded += count
    let trusted = codes.trusted(firstRow: first, count: count)
    for place in start..<start + count {
      if trusted & 1 << LiveMask(place - start) != 0, upper[place] - lower[place] < Self.widest { continue }
      rowsCoded -= 1
      score(place)
    }
  }

  private mutating func score(_ place: Int) {
    let score = file.score(query: query.span, row: rows[place])
    (lower[place], upper[place]) = (score, score)
    if !score.isFinite { areFinite = false }
    rowsScored += 1
  }

  /// Scores the row of the place, if that was not done. Without a row, nothing is done.
  @inline(__always)
  package mutating func resolve(_ place: Int) {
    if lower[place] < upper[place] { score(place) }
  }

  /// Whether the score is known.
  @inline(__always)
  package func isResolved(_ place: Int) -> Bool { !(lower[place] < upper[place]) }

  /// Asks for the row of the place, which is scored soon.
  package func prefetch(_ place: Int) {
    if isResolved(place) { return }
    file.prefetch(row: rows[place])
  }
}
