import VectorSearch

/// Exact search: every live row in scope that the filter does not exclude is scored.
///
/// A pipeline of seven stages, each in a file of its own:
///
/// 1. ``SearchPlan`` checks a query and prepares its vector.
/// 2. ``BlockScan`` walks the blocks of a scope, once for all queries of that scope.
/// 3. ``BlockCandidates`` decides by the block's columns which slots may be returned: expiry, the query's moment, and its filter.
/// 4. ``CodeFilter`` excludes by their codes those that cannot enter; not in a small scope, nor in a store without codes.
/// 5. ``RowScorer`` scores the others.
/// 6. ``BestHits`` keeps the best.
/// 7. ``ResultReading`` reads their records and compares them with their rows.
///
/// Only stages 2 to 6 run for every block. A user's search walks that user's blocks only, so its cost does not depend on the rows of
/// others.
struct ExactSearch: ~Escapable {
  private let reader: RecordReader
  private let rows: RowFile
  private let state: StateRecord
  /// Called once for about 64 MiB of rows; an error that it throws ends the search.
  private let check: () throws -> Void
  /// The least number of rows in scope for which codes are used: with fewer, preparing the query costs more than they save.
  private let leastCodedRows: Int

  /// Some milliseconds of work.
  private static let bytesPerCheck = 64 << 20

  /// - Parameter check: Throws if the search is cancelled. By default it checks the current task, unless another task waits for the search.
  /// - Throws: ``StoreError`` `.dimensionMismatch` in a store without embeddings; `.corrupted`.
  @_lifetime(copy reader)
  init(
    _ reader: RecordReader, leastCodedRows: Int = 512, check: @escaping () throws -> Void = { try Task.checkCancellation() }
  ) throws {
    rows = try reader.generation.requireRows()
    state = try reader.state()
    try rows.cover(rowCount: state.rowsHigh)
    self.reader = reader
    self.check = check
    self.leastCodedRows = leastCodedRows
  }

  /// Runs all queries in one pass over each scope.
  ///
  /// - Returns: For each query, in order, its results.
  func results(_ queries: [SearchQuery]) throws -> [[SearchResult]] {
    var searches = try queries.map { query in
      let plan = try SearchPlan(query, reader, rows)
      return RunningSearch(plan, try codes(for: query).map { CodeFilter($0, embedding: plan.embedding) })
    }
    var bytes = 0
    for (users, members) in Dictionary(grouping: searches.indices, by: { searches[$0].plan.users }) {
      try scan(users, &searches, members, &bytes)
    }
    let reading = ResultReading(reader, rows, batchSequence: state.batchSequence)
    return try searches.map { try reading.results($0) }
  }

  /// The codes for a query; nil if there are none, or if its scope is small.
  private func codes(for query: SearchQuery) throws -> CodeReading? {
    guard state.codesThrough > 0, let codes = reader.generation.codes else { return nil }
    let rowCount =
      try reader.users(of: query.scope).map { users in
        try users.reduce(0) { $0 + (try reader.user($1.key, $1.userID)?.rows ?? 0) }
      } ?? state.rowsLive
    return rowCount < leastCodedRows ? nil : codes.reading(reader, state)
  }

  /// Stages 2 to 6 over one scope.
  ///
  /// - Parameters:
  ///   - members: The indexes in `searches` of the queries of this scope.
  ///   - bytes: Bytes of rows that were scanned since the last check.
  private func scan(_ users: [UserKey]?, _ searches: inout [RunningSearch], _ members: [Int], _ bytes: inout Int) throws {
    let conditions = members.map { searches[$0].plan.condition }
    let scorer = RowScorer(rows: rows)
    var scored: [ScoredSlot] = []
    try BlockScan(reader, rowsHigh: state.rowsHigh).forEachBlock(of: users) { block in
      for (member, candidates) in zip(members, try BlockCandidates.of(block, conditions)) {
        try searches[member].score(block, candidates, scorer, &scored)
      }
      bytes += block.record.used * rows.header.strideBytes * members.count
      if bytes >= Self.bytesPerCheck {
        bytes = 0
        try check()
      }
    }
  }
}

/// The state of a query during a search.
struct RunningSearch {
  let plan: SearchPlan
  /// Nil: all candidates are scored.
  var codes: CodeFilter?
  var hits: BestHits
  private(set) var rowsScored = 0
  private(set) var rowsInScope = 0

  init(_ plan: SearchPlan, _ codes: CodeFilter?) {
    self.plan = plan
    self.codes = codes
    hits = BestHits(plan.query)
  }

  /// Stages 4 to 6 for one block.
  ///
  /// - Parameter scored: Room for scored slots.
  mutating func score(
    _ block: borrowing ScannedBlock, _ candidates: BlockCandidates, _ scorer: RowScorer, _ scored: inout [ScoredSlot]
  ) throws {
    count(candidates)
    guard candidates.possible != 0 else { return }
    guard codes != nil else { return try score(candidates.possible, of: block, candidates, scorer, &scored) }
    guard let (first, later) = codes?.split(block.record, candidates.possible, atLeast: hits.bound) else { return }
    if first != 0 { try score(first, of: block, candidates, scorer, &scored) }
    // The scores of the first ones may have excluded them.
    guard later != 0, let remaining = codes?.remaining(later, atLeast: hits.bound), remaining != 0 else { return }
    try score(remaining, of: block, candidates, scorer, &scored)
  }

  private mutating func score(
    _ slots: LiveMask, of block: borrowing ScannedBlock, _ candidates: BlockCandidates, _ scorer: RowScorer, _ scored: inout [ScoredSlot]
  ) throws {
    rowsScored += slots.nonzeroBitCount
    scored.removeAll(keepingCapacity: true)
    scorer.score(plan.embedding, block.record, slots, atLeast: hits.bound, into: &scored)
    try hits.add(scored, of: block, candidates, block.reader)
  }

  private mutating func count(_ candidates: BlockCandidates) {
    rowsInScope += candidates.inScope.nonzeroBitCount
  }
}
