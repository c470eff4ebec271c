/// One thread's part of a scan.
struct ScanWorker: ~Copyable {
  /// What a group adds to the outcome.
  struct Found: ~Copyable {
    var entries: [BestRows.Entry] = []
    /// Rows that were not scored, because the others of the group were too few to say how much counts.
    var postponed: [Candidate] = []
    /// The same, of rows whose fine codes were not compared either.
    var unrefined: [Candidate] = []
    var rowsScored = 0
    var rowsCoded = 0
    var rowsRefined = 0
  }

  struct Candidate {
    let row: Int
    /// By its fine or coarse code; a row that has none is never postponed.
    var bound: Float
  }

  private let scan: RowScan
  /// That of the fine codes; then that of the coarse ones, up to the group in which it leaves too many rows.
  private var filters: [CodeFilter]
  /// Of the groups of this thread: rows that were compared by coarse codes, and those that these left.
  private var (rowsCompared, rowsLeft) = (0, 0)
  /// The best rows of all groups of this thread.
  private var best: BestRows
  /// Rows that are likely to be among the best.
  private var soon: [Int] = []
  private var later: [Candidate] = []

  /// How many rows ahead of the one that is scored, or compared by its fine code, the memory is asked for.
  private static let rowsAhead = 4
  private static let codesAhead = 12
  /// Coarse codes must exclude all but one of so many rows, apart from some: while the best rows are those of few groups, more are left, and most of them
  /// are excluded when the scan ends.
  private static let leastExclusion = 8
  private static let toleratedRows = 49_152

  init(_ scan: RowScan, _ empty: RowScan.Outcome) {
    self.scan = scan
    filters = [scan.filter] + (scan.coarseFilter.map { [$0] } ?? [])
    best = empty.best.emptyWithoutTies
  }

  /// The rows of a group that may be among the best: those that the codes leave are scored, the likely ones first, because the others are then compared
  /// with a higher score.
  ///
  /// - Parameters:
  ///   - postpones: Whether to leave the unlikely ones for the end of the scan.
  ///   - postponesCodes: The same for the fine codes of rows that coarse ones leave.
  mutating func scan(_ group: Int, _ least: borrowing SharedBound, postpones: Bool, postponesCodes: Bool) -> Found {
    var found = Found()
    later.removeAll(keepingCapacity: true)
    let last = filters.count - 1
    var rowCount = 0
    for span in scan.group(group) where span.live != 0 {
      rowCount += span.count
      split(span, by: last, least, &found)
    }
    scoreSoon(&found)
    // Those that the scores of the whole group leave.
    let threshold = filters[0].threshold(bound(least))
    later.removeAll { $0.bound < threshold }
    if last > 0 {
      judge(rowCount)
      if postponesCodes {
        found.unrefined = later
        return found
      }
      refine(atLeast: threshold, &found)
    }
    if postpones {
      found.postponed = later
    } else {
      score(later, least, &found)
    }
    return found
  }

  /// Scores rows that were postponed, unless what was found since excludes them.
  ///
  /// - Parameter isRefined: Whether their bounds are those of fine codes.
  mutating func scan(_ postponed: [Candidate], isRefined: Bool, _ least: borrowing SharedBound) -> Found {
    var found = Found()
    let threshold = filters[0].threshold(bound(least))
    later = postponed.filter { !($0.bound < threshold) }
    if !isRefined { refine(atLeast: threshold, &found) }
    score(later, least, &found)
    return found
  }

  /// Coarse codes are not compared any more if they exclude too few rows, so that this thread compares fine ones only.
  private mutating func judge(_ rowCount: Int) {
    rowsCompared += rowCount
    // Where nearly all rows are left, it does not get better.
    rowsLeft += later.count * 4 > rowCount * 3 ? later.count * 4 : later.count
    if (rowsLeft - Self.toleratedRows) * Self.leastExclusion > rowsCompared { filters.removeLast() }
  }

  private func bound(_ least: borrowing SharedBound) -> Float { max(best.bound, least.value) }

  private mutating func split(_ span: RowSpan, by filter: Int, _ least: borrowing SharedBound, _ found: inout Found) {
    let before = filters[filter].rowsCompared
    var (first, rest) = filters[filter].split(
      firstRow: span.firstRow, count: span.count, span.live, atLeast: bound(least), seeds: best.limit)
    found.rowsCoded += filters[filter].rowsCompared - before
    // The memory has had the time of a span to bring their floats.
    scoreSoon(&found)
    while first != 0 {
      let slot = first.trailingZeroBitCount
      first &= first - 1
      soon.append(span.firstRow + slot)
      scan.rows.prefetch(row: span.firstRow + slot)
    }
    while rest != 0 {
      let slot = rest.trailingZeroBitCount
      rest &= rest - 1
      later.append(Candidate(row: span.firstRow + slot, bound: filters[filter].bound(slot)))
    }
  }

  /// Compares by their fine codes those that the coarse ones leave.
  private mutating func refine(atLeast threshold: Float, _ found: inout Found) {
    found.rowsRefined += later.count
    var kept = 0
    let filter = filters[0]
    for number in later.indices {
      if number + Self.codesAhead < later.count { filter.prefetch(row: later[number + Self.codesAhead].row) }
      let candidate = Candidate(row: later[number].row, bound: filter.bound(ofRow: later[number].row))
      if candidate.bound < threshold { continue }
      later[kept] = candidate
      kept += 1
    }
    later.removeLast(later.count - kept)
  }

  private mutating func scoreSoon(_ found: inout Found) {
    for row in soon { score(row, &found) }
    soon.removeAll(keepingCapacity: true)
  }

  private mutating func score(_ candidates: [Candidate], _ least: borrowing SharedBound, _ found: inout Found) {
    if candidates.isEmpty { return }
    var threshold = filters[0].threshold(bound(least))
    // Not a number stays.
    let left = candidates.filter { !($0.bound < threshold) }
    for (number, candidate) in left.enumerated() {
      let ahead = number + Self.rowsAhead
      if ahead < left.count, !(left[ahead].bound < threshold) { scan.rows.prefetch(row: left[ahead].row) }
      if candidate.bound < threshold { continue }
      score(candidate.row, &found)
      threshold = filters[0].threshold(bound(least))
    }
  }

  private mutating func score(_ row: Int, _ found: inout Found) {
    found.rowsScored += 1
    let score = scan.rows.score(query: scan.query.span, row: row)
    if best.insert(score: score, row: row) { found.entries.append(BestRows.Entry(score: score, row: row)) }
  }
}
