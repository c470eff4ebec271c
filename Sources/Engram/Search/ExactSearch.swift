import VectorSearch

/// Exact search: every live row in scope that the filter does not exclude is scored.
///
/// A pipeline of six stages, each in a file of its own:
///
/// 1. ``SearchPlan`` checks a query and prepares its vector.
/// 2. ``BlockScan`` walks the blocks of a scope, once for all queries of that scope.
/// 3. ``BlockCandidates`` decides by the block's columns which slots may be returned: expiry, the query's moment, and its filter.
/// 4. ``RowScorer`` scores them.
/// 5. ``BestHits`` keeps the best.
/// 6. ``ResultReading`` reads their records and compares them with their rows.
///
/// Only stages 2 to 5 run for every block. A user's search walks that user's blocks only, so its cost does not depend on the rows of
/// others.
struct ExactSearch: ~Escapable {
  private let reader: RecordReader
  private let rows: RowFile
  private let state: StateRecord
  /// Called once for about 64 MiB of rows; an error that it throws ends the search.
  private let check: () throws -> Void

  /// Some milliseconds of work.
  private static let bytesPerCheck = 64 << 20

  /// - Parameter check: Throws if the search is cancelled. By default it checks the current task, unless another task waits for the search.
  /// - Throws: ``StoreError`` `.dimensionMismatch` in a store without embeddings; `.corrupted`.
  @_lifetime(copy reader)
  init(_ reader: RecordReader, check: @escaping () throws -> Void = { try Task.checkCancellation() }) throws {
    rows = try reader.generation.requireRows()
    state = try reader.state()
    try rows.cover(rowCount: state.rowsHigh)
    self.reader = reader
    self.check = check
  }

  /// Runs all queries in one pass over each scope.
  ///
  /// - Returns: For each query, in order, its results.
  func results(_ queries: [SearchQuery]) throws -> [[SearchResult]] {
    var searches = try queries.map { RunningSearch(try SearchPlan($0, reader, rows)) }
    var bytes = 0
    for (users, members) in Dictionary(grouping: searches.indices, by: { searches[$0].plan.users }) {
      try scan(users, &searches, members, &bytes)
    }
    let reading = ResultReading(reader, rows, batchSequence: state.batchSequence)
    return try searches.map { try reading.results($0) }
  }

  /// Stages 2 to 5 over one scope.
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
        searches[member].count(candidates)
        scored.removeAll(keepingCapacity: true)
        let (embedding, bound) = (searches[member].plan.embedding, searches[member].hits.bound)
        scorer.score(embedding, block.record, candidates.possible, atLeast: bound, into: &scored)
        try searches[member].hits.add(scored, of: block, candidates, reader)
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
  var hits: BestHits
  private(set) var rowsScored = 0
  private(set) var rowsInScope = 0

  init(_ plan: SearchPlan) {
    self.plan = plan
    hits = BestHits(plan.query)
  }

  mutating func count(_ candidates: BlockCandidates) {
    rowsInScope += candidates.inScope.nonzeroBitCount
    rowsScored += candidates.possible.nonzeroBitCount
  }
}
