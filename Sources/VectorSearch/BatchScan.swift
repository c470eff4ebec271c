/// Finds the rows with the highest scores for each of several queries, by codes: the codes of each row are read and unpacked once for all queries.
///
/// The results are those of a ``RowScan`` for each query. As there, groups of spans are handed out in scattered order to as many threads as pay.
package struct BatchScan: Sendable {
  /// One query of a batch.
  package struct Query: Sendable {
    let filter: CodeFilter
    let embedding: [Float]
    let limit: Int
    let threshold: Float

    /// - Parameters:
    ///   - filter: Of the query, by fine codes.
    ///   - embedding: `dimension` components.
    ///   - limit: How many rows are wanted.
    ///   - threshold: Rows that score less are left out.
    package init(_ filter: CodeFilter, embedding: [Float], limit: Int, threshold: Float) {
      (self.filter, self.embedding, self.limit, self.threshold) = (filter, embedding, limit, threshold)
    }
  }

  let rows: RowFile
  let codes: CodeReading
  let queries: [Query]
  let tiles: CodeTiles
  private let spans: [RowSpan]
  private let spansInGroup: Int

  /// With fewer queries, a scan for each takes less time.
  package static let fewestQueries = 2
  /// More are scanned in several passes: what a thread keeps of each query would leave the cache.
  package static let mostQueries = 64
  /// How many results all queries of a pass may ask for together: each thread keeps as many.
  private static let mostResults = 1 << 21

  /// How many queries share a pass.
  ///
  /// - Parameter limit: The most results that one of them can have.
  package static func queriesInPass(limit: Int) -> Int { max(1, min(mostQueries, mostResults / max(1, limit))) }

  /// - Parameters:
  ///   - rows: Covers all rows.
  ///   - queries: At least one, all with the same codes.
  ///   - spans: The candidates, each once, in the order of the file.
  package init(_ rows: RowFile, queries: [Query], spans: [RowSpan]) {
    precondition(queries.allSatisfy { $0.embedding.count == rows.header.dimension }, "a query has the store's dimension")
    precondition(
      queries.allSatisfy { $0.filter.tier == .fine && $0.filter.codes.file === queries[0].filter.codes.file && $0.filter.query.isExact },
      "the queries of a batch have bounds of the same codes")
    self.rows = rows
    self.queries = queries
    codes = queries[0].filter.codes
    tiles = CodeTiles(queries.map(\.filter.query), queries[0].filter.tier)
    self.spans = spans
    // A group takes some tens of microseconds, so that the threads end at nearly the same time.
    spansInGroup = max(4, min(16, 512 / queries.count))
  }

  var groupCount: Int { (spans.count + spansInGroup - 1) / spansInGroup }

  func group(_ number: Int) -> ArraySlice<RowSpan> {
    spans[number * spansInGroup..<min((number + 1) * spansInGroup, spans.count)]
  }

  /// What was found before any row was looked at.
  var empty: [RowScan.Outcome] {
    queries.map { RowScan.Outcome(best: BestRows(limit: $0.limit, threshold: $0.threshold)) }
  }

  /// Scans all rows. Blocks the caller. Parameters and helping threads as in ``RowScan/run(limit:threshold:helpers:threads:check:)``.
  ///
  /// - Returns: For each query, in order, what was found.
  package func run(
    helpers: Int? = nil, threads: HelperThreads = .shared, check: () throws -> Void
  ) throws -> [RowScan.Outcome] {
    try check()
    let work = BatchWork(self)
    var worker = BatchWorker(self)
    // A helper is asked for with each two groups.
    try work.groups.run(work, on: threads, limit: helpers ?? groupCount / 2, check: check) { work.scan($0, &worker) }
    return try work.finish(&worker, check)
  }
}

/// What the threads of a scan for several queries share.
final class BatchWork: SharedWork {
  struct Shared {
    fileprivate var outcomes: [RowScan.Outcome]
    fileprivate var postponed: [BatchWorker.Candidate] = []
  }

  let groups: SharedGroups<BatchScan, Shared>
  private let postponedLimit: Int

  /// For each query: the caller scores those at the end, alone.
  private static let postponedForQuery = 512
  /// Some milliseconds of work at the most, unless rows are very long.
  private static let postponedAtOnce = 4096
  /// About the time in which a thread that runs finishes its group.
  private static let patienceNanoseconds: UInt64 = 100_000

  init(_ scan: BatchScan) {
    postponedLimit = scan.queries.count * Self.postponedForQuery
    groups = SharedGroups(
      scan, count: scan.groupCount, patienceNanoseconds: Self.patienceNanoseconds, Shared(outcomes: scan.empty))
  }

  /// Scans a group and adds what was found, unless another thread has done so meanwhile.
  func scan(_ group: Int, _ worker: inout BatchWorker) {
    let found = worker.scan(group)
    var (least, postpones): ([Float], Bool) = ([], true)
    groups.finish(group) { shared in
      shared.postponed += found.postponed
      add(found, &shared)
      least = shared.outcomes.map(\.best.bound)
      postpones = shared.postponed.count <= postponedLimit
    }
    if !least.isEmpty { worker.learn(least, postpones: postpones) }
  }

  /// Scans what was postponed, once all groups are finished.
  ///
  /// - Parameter check: Called now and then; an error that it throws ends the scan.
  /// - Returns: What the scan has found.
  func finish(_ worker: inout BatchWorker, _ check: () throws -> Void) rethrows -> [RowScan.Outcome] {
    let (postponed, best) = groups.withFound { ($0.postponed, $0.outcomes.map(\.best)) }
    // As in ScanWork: not with the worker's own best rows.
    worker.begin(after: best)
    for start in stride(from: 0, to: postponed.count, by: Self.postponedAtOnce) {
      let found = worker.scan(postponed[start..<min(start + Self.postponedAtOnce, postponed.count)])
      groups.withFound { add(found, &$0) }
      try check()
    }
    return groups.withFound { $0.outcomes }
  }

  private func add(_ found: borrowing BatchWorker.Found, _ shared: inout Shared) {
    for query in shared.outcomes.indices {
      shared.outcomes[query].rowsScored += found.rowsScored[query]
      shared.outcomes[query].rowsCoded += found.rowsCoded
    }
    for (query, entry) in found.entries { shared.outcomes[query].best.insert(score: entry.score, row: entry.row) }
  }

  /// On a helping thread.
  func help() {
    groups.help { scan in
      var worker = BatchWorker(scan)
      while let group = groups.next() { self.scan(group, &worker) }
    }
  }
}
