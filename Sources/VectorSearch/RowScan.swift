import Dispatch

/// Some of up to 128 consecutive rows.
package struct RowSpan: Sendable {
  package let firstRow: Int
  /// The rows that count: bit i is row `firstRow` + i.
  package let live: LiveMask

  package init(firstRow: Int, live: LiveMask) {
    self.firstRow = firstRow
    self.live = live
  }

  /// Up to the last row that counts.
  var count: Int { RowFile.blockCapacity - live.leadingZeroBitCount }
}

/// Finds the rows with the highest scores among many rows, by codes, on as many threads as pay.
///
/// Groups of 16 spans, at most 2,048 rows, are handed out by one counter, in scattered order: rows that are similar often lie beside each other, and a
/// scan in their order would score each of a cluster that gets better and better. All threads share the best rows, and with them the least score that
/// still counts.
package struct RowScan: Sendable {
  /// What was found, and what it took.
  package struct Outcome: Sendable {
    /// The best rows, and those that tie with the last of them.
    package internal(set) var best: BestRows
    package internal(set) var rowsScored = 0
    package internal(set) var rowsCoded = 0
    /// Of the coarse codes, which were compared first, the fine ones that these have left: they count once in ``rowsCoded``.
    package internal(set) var rowsRefined = 0
  }

  let rows: RowFile
  let query: [Float]
  let filter: CodeFilter
  /// Looks at the rows before ``filter``; nil: it would not pay.
  let coarseFilter: CodeFilter?
  /// Whether the coarse codes exclude rows by estimates of their scores, so that a result may be missing.
  package let isApproximate: Bool
  private let spans: [RowSpan]

  private static let spansInGroup = 16
  /// From so many bytes of fine codes on, they come from the memory and not from a cache, and a scan of half as many bytes pays.
  private static let cachedBytes = 28 << 20
  /// A helper is asked for with each so many groups: some tens of microseconds of work, several times what it takes to wake one.
  private static let groupsForHelper = 5

  /// - Parameters:
  ///   - rows: Covers all rows.
  ///   - filter: Of the query.
  ///   - query: `dimension` components.
  ///   - spans: The candidates, each once. In the order of the file, or the scan waits for the memory.
  ///   - coarse: Whether the coarse codes are compared first; nil: if that pays.
  ///   - recall: Which share of the results a scan that compares coarse codes may be expected to find; 1: all of them.
  package init(_ rows: RowFile, _ filter: CodeFilter, query: [Float], spans: [RowSpan], coarse: Bool? = nil, recall: Double = 1) {
    precondition(query.count == rows.header.dimension, "a query has the store's dimension")
    self.rows = rows
    self.filter = filter
    let bytes = spans.count * CodeFile.chunkRows * filter.codes.file.header.codeBytes(.fine)
    let comparesCoarse = coarse ?? (bytes > Self.cachedBytes)
    let estimate = comparesCoarse && recall < 1 ? ScoreEstimate(rows, filter.codes, query: query, spans: spans, recall: recall) : nil
    coarseFilter = comparesCoarse ? CodeFilter(filter.codes, embedding: query, .coarse, estimate) : nil
    isApproximate = estimate != nil
    self.query = query
    self.spans = spans
  }

  /// The codes that are compared first.
  package var tier: CodeTier { coarseFilter == nil ? .fine : .coarse }

  var groupCount: Int { (spans.count + Self.spansInGroup - 1) / Self.spansInGroup }

  func group(_ number: Int) -> ArraySlice<RowSpan> {
    spans[number * Self.spansInGroup..<min((number + 1) * Self.spansInGroup, spans.count)]
  }

  /// Scans all rows. Blocks the caller.
  ///
  /// Afterwards no thread reads the rows any more, but for one that the system does not let run: ``awaitHelpers()`` waits for it.
  ///
  /// - Parameters:
  ///   - limit: How many rows are wanted.
  ///   - threshold: Rows that score less are left out.
  ///   - helpers: The most threads beside the caller; nil: as many as pay.
  ///   - threads: Where they come from.
  ///   - check: Called first and between groups; an error that it throws ends the scan.
  /// - Throws: What `check` throws.
  /// - Complexity: O(rows × dimension) divided by the threads.
  package func run(
    limit: Int, threshold: Float, helpers: Int? = nil, threads: HelperThreads = .shared, check: () throws -> Void
  ) throws -> Outcome {
    try check()
    let work = ScanWork(self, Outcome(best: BestRows(limit: limit, threshold: threshold)))
    var worker = ScanWorker(self, work.empty)
    let helpers = helpers ?? Self.helpers(groupCount: groupCount)
    try work.groups.run(work, on: threads, limit: helpers, check: check) { work.scan($0, &worker) }
    return work.finish(self)
  }

  private static func helpers(groupCount: Int) -> Int { (groupCount - 1) / groupsForHelper }

  /// Wakes the threads that a scan of so many rows will use.
  package static func rouseHelpers(rowCount: Int, threads: HelperThreads = .shared) {
    threads.rouse(limit: helpers(groupCount: rowCount / (CodeFile.chunkRows * spansInGroup)))
  }

  /// Waits until no helping thread reads rows of a scan that has ended.
  package static func awaitHelpers() { HelperThreads.late.wait() }
}
