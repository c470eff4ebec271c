/// One thread's part of a scan for several queries: ``ScanWorker`` does the same for one.
struct BatchWorker: ~Copyable {
  /// What a group adds to the outcomes.
  struct Found: ~Copyable {
    var entries: [(query: Int, entry: BestRows.Entry)] = []
    /// Rows that were not scored, because the others of the group were too few to say how much counts.
    var postponed: [Candidate] = []
    /// For each query.
    var rowsScored: [Int]
    /// For every query.
    var rowsCoded = 0
  }

  struct Candidate {
    let query: Int
    let row: Int
    /// By its code.
    let bound: Float
  }

  private let scan: BatchScan
  // Of each query; copies, because a query that is taken out of its array costs as much as some rows.
  private let embeddings: [[Float]]
  private let centers: [Double]
  /// For each query, the best rows of all groups of this thread.
  private var best: [BestRows]
  /// The least scores that still count, as far as this thread knows from others.
  private var least: [Float]
  private var thresholds: [Float]
  private var postpones = true
  private var filtered: CodeTiles.Found
  /// Rows that are likely to be among the best.
  private var soon: [(query: Int, row: Int)] = []
  private var later: [Candidate] = []

  /// How many rows ahead of the one that is scored the memory is asked for.
  private static let rowsAhead = 4
  /// How many codes are compared with all queries in the time in which one row is scored for all, about.
  private static let codesPerScore = 6

  init(_ scan: BatchScan) {
    self.scan = scan
    embeddings = scan.queries.map(\.embedding)
    centers = scan.tiles.queries.map(\.center)
    best = scan.empty.map(\.best.emptyWithoutTies)
    least = best.map(\.bound)
    thresholds = least
    filtered = CodeTiles.Found(scan.tiles, codeBytes: scan.codes.file.header.codeBytes(scan.tiles.tier))
  }

  /// Takes over what all threads have found.
  mutating func learn(_ least: [Float], postpones: Bool) {
    self.least = least
    self.postpones = postpones
  }

  /// The rows of a group that may be among the best of each query.
  mutating func scan(_ group: Int) -> Found {
    var found = Found(rowsScored: [Int](repeating: 0, count: best.count))
    later.removeAll(keepingCapacity: true)
    for span in scan.group(group) where span.live != 0 { split(span, &found) }
    scoreSoon(&found)
    // Those that the scores of the whole group leave. Not a number stays.
    for query in best.indices { thresholds[query] = threshold(query) }
    later.removeAll { $0.bound < thresholds[$0.query] }
    if postpones {
      found.postponed = later
    } else {
      score(later[...], &found)
    }
    return found
  }

  /// Postponed rows are scored from now on.
  ///
  /// - Parameter best: For each query, the best of all other rows.
  mutating func begin(after best: [BestRows]) {
    self.best = best
    for query in best.indices { thresholds[query] = threshold(query) }
  }

  /// Scores rows that were postponed, unless what was found since excludes them.
  mutating func scan(_ postponed: ArraySlice<Candidate>) -> Found {
    var found = Found(rowsScored: [Int](repeating: 0, count: best.count))
    score(postponed, &found)
    return found
  }

  private func bound(_ query: Int) -> Float { max(best[query].bound, least[query]) }

  private func threshold(_ query: Int) -> Float { CodeQuery.threshold(bound(query), center: centers[query]) }

  private mutating func split(_ span: RowSpan, _ found: inout Found) {
    // Behind the end of the file, an access raises a signal.
    let count = min(span.count, scan.codes.rowCount - span.firstRow)
    var trusted: LiveMask = 0
    // Of a block, few rows may be left.
    if count > 0, span.live.nonzeroBitCount * Self.codesPerScore >= count {
      trusted = scan.codes.trusted(firstRow: span.firstRow, count: count) & span.live
    }
    if trusted == 0 {
      scoreSoon(&found)
      for query in best.indices { expect(span.live, span, query) }
      return
    }
    found.rowsCoded += trusted.nonzeroBitCount
    for query in best.indices { thresholds[query] = threshold(query) }
    scan.codes.file.filter(
      scan.tiles, firstRow: span.firstRow, trusted.trailingZeroBitCount..<count, thresholds: thresholds, &filtered)
    // The memory has had the time of a span to bring their floats.
    scoreSoon(&found)
    let others = span.live & ~trusted
    var isFirst = false
    for query in best.indices {
      let possible = filtered.possible[query] & trusted
      if possible | others == 0 { continue }
      let seeds = thresholds[query] == -.infinity
      // If all of them are wanted, nothing is learnt from them.
      if seeds, possible.nonzeroBitCount > best[query].limit { isFirst = true }
      let probable = seeds ? highest(best[query].limit, of: possible, query) : filtered.probable[query] & possible
      expect(probable | others, span, query)
      var rest = possible & ~probable
      while rest != 0 {
        let slot = rest.trailingZeroBitCount
        rest &= rest - 1
        later.append(Candidate(query: query, row: span.firstRow + slot, bound: filtered.bound(query, slot)))
      }
    }
    // Until some rows are scored, every row counts.
    if isFirst { scoreSoon(&found) }
  }

  /// Asks the memory for rows that are scored next.
  private mutating func expect(_ slots: LiveMask, _ span: RowSpan, _ query: Int) {
    var slots = slots
    while slots != 0 {
      let slot = slots.trailingZeroBitCount
      slots &= slots - 1
      soon.append((query, span.firstRow + slot))
      scan.rows.prefetch(row: span.firstRow + slot)
    }
  }

  /// Those of the rows that were looked at last that have the highest bounds.
  private func highest(_ count: Int, of candidates: LiveMask, _ query: Int) -> LiveMask {
    if candidates.nonzeroBitCount <= count { return candidates }
    var bounds: [(bound: Float, slot: Int)] = []
    var left = candidates
    while left != 0 {
      let slot = left.trailingZeroBitCount
      left &= left - 1
      let bound = filtered.bound(query, slot)
      bounds.append((bound.isNaN ? .infinity : bound, slot))
    }
    bounds.sort { $0.bound > $1.bound }
    return bounds.prefix(count).reduce(0) { $0 | 1 << LiveMask($1.slot) }
  }

  private mutating func scoreSoon(_ found: inout Found) {
    for (query, row) in soon { score(query, row, &found) }
    soon.removeAll(keepingCapacity: true)
  }

  /// - Precondition: ``thresholds`` are those of ``bound(_:)``.
  private mutating func score(_ candidates: ArraySlice<Candidate>, _ found: inout Found) {
    let left = candidates.filter { !($0.bound < thresholds[$0.query]) }
    for (number, candidate) in left.enumerated() {
      let ahead = number + Self.rowsAhead
      if ahead < left.count, !(left[ahead].bound < thresholds[left[ahead].query]) { scan.rows.prefetch(row: left[ahead].row) }
      if candidate.bound < thresholds[candidate.query] { continue }
      if score(candidate.query, candidate.row, &found) { thresholds[candidate.query] = threshold(candidate.query) }
    }
  }

  /// - Returns: Whether it is among the best of this thread.
  @discardableResult private mutating func score(_ query: Int, _ row: Int, _ found: inout Found) -> Bool {
    found.rowsScored[query] += 1
    let embedding = embeddings[query]
    let score = scan.rows.score(query: embedding.span, row: row)
    guard best[query].insert(score: score, row: row) else { return false }
    found.entries.append((query, BestRows.Entry(score: score, row: row)))
    return true
  }
}
