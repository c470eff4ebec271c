import VectorSearch

/// Exact search: the results are those of scoring every live row in scope that the filter does not exclude. A query that asks for
/// ``SearchPrecision/fast(recall:)`` may get others, if its scope is large and it needs no columns.
///
/// A pipeline of seven stages, each in a file of its own:
///
/// 1. ``SearchPlan`` checks a query and prepares its vector.
/// 2. ``BlockScan`` walks the blocks of a scope, once for all queries of that scope; for a search by codes that needs no columns,
///    ``ScopeRows`` has their rows.
/// 3. ``BlockCandidates`` decides by the block's columns which slots may be returned: expiry, the query's moment, and its filter.
/// 4. ``CodeFilter`` excludes by their codes those that cannot enter; not in a small scope, nor in a store without codes. There, ``UnitRowScan``
///    excludes by their floats those that need no exact score.
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
  static let leastRowsInScope = 512
  private let leastRowsInScope: Int

  /// Some milliseconds of work.
  private static let bytesPerCheck = 64 << 20

  /// - Parameter check: Throws if the search is cancelled. By default it checks the current task, unless another task waits for the search.
  /// - Throws: ``StoreError`` `.dimensionMismatch` in a store without embeddings; `.corrupted`.
  @_lifetime(copy reader)
  init(
    _ reader: RecordReader, leastRowsInScope: Int = Self.leastRowsInScope,
    check: @escaping () throws -> Void = { try Task.checkCancellation() }
  ) throws {
    rows = try reader.generation.requireRows()
    state = try reader.state()
    try rows.cover(rowCount: state.rowsHigh)
    self.reader = reader
    self.check = check
    self.leastRowsInScope = leastRowsInScope
  }

  /// Runs all queries on one commit. The blocks or the codes of a scope are read once for all queries of it.
  ///
  /// - Returns: For each query, in order, its results.
  func results(_ queries: [SearchQuery]) throws -> [[SearchResult]] {
    let start = ContinuousClock.now
    var searches = try queries.map { query in
      let plan = try SearchPlan(query, reader, rows)
      return RunningSearch(plan, try codes(for: plan).map { CodeFilter($0, embedding: plan.embedding) })
    }
    var bytes = 0
    if searches.count == 1 {
      try scan(searches[0].plan.users, &searches, [0], &bytes)
    } else {
      for (users, members) in Dictionary(grouping: searches.indices, by: { searches[$0].plan.users }) {
        try scan(users, &searches, members, &bytes)
      }
    }
    for index in searches.indices { try searches[index].hits.settle(reader) }
    let reading = ResultReading(reader, rows, batchSequence: state.batchSequence, duration: .now - start)
    return try searches.map { try reading.results($0) }
  }

  /// The codes for a query; nil if there are none, or if its scope is small.
  private func codes(for plan: SearchPlan) throws -> CodeReading? {
    guard plan.query.tier != .floats, state.codesThrough > 0 else { return nil }
    let rowCount = try reader.rowCount(of: plan.owners, state)
    let isSmall = plan.query.tier == nil && rowCount < leastRowsInScope
    guard !isSmall, let codes = try reader.codes(of: nil, state, leastRows: 0) else { return nil }
    // The query is prepared, and a user's blocks are walked, while they wake.
    if !plan.condition.needsColumns { RowScan.rouseHelpers(rowCount: rowCount) }
    return codes
  }

  /// Stages 2 to 6 over one scope. A search by codes scans rows, unless its conditions need the columns of each block.
  ///
  /// - Parameters:
  ///   - members: The indexes in `searches` of the queries of this scope.
  ///   - bytes: Bytes of rows that were scanned since the last check.
  private func scan(_ users: [UserKey]?, _ searches: inout [RunningSearch], _ members: [Int], _ bytes: inout Int) throws {
    let plain = members.filter { searches[$0].codes != nil && !searches[$0].plan.condition.needsColumns }
    if let first = plain.first,
      let scope = try ScopeRows(of: users, rowCount: reader.rowCount(of: searches[first].plan.owners, state), reader, state)
    {
      try scan(scope, &searches, plain, &bytes)
      let others = members.filter { !plain.contains($0) }
      if !others.isEmpty { try scanBlocks(of: users, &searches, others, &bytes) }
    } else if let users, members.count == 1, searches[members[0]].canScanRowsByFloats(rows) {
      try scan(ScopeRows(walking: users, reader, state), &searches, members, &bytes)
    } else {
      try scanBlocks(of: users, &searches, members, &bytes)
    }
  }

  private func scanBlocks(of users: [UserKey]?, _ searches: inout [RunningSearch], _ members: [Int], _ bytes: inout Int) throws {
    let conditions = members.map { searches[$0].plan.condition }
    let scorer = RowScorer(rows: rows)
    // The closure would copy the whole search for each block.
    let (strideBytes, check) = (rows.header.strideBytes, check)
    var scored: [ScoredSlot] = []
    try BlockScan(reader, rowsHigh: state.rowsHigh).forEachBlock(of: users) { block in
      // Most searches are alone: they need no array for each block.
      if members.count == 1 {
        try searches[members[0]].score(block, try BlockCandidates.of(block, conditions[0]), scorer, &scored)
      } else {
        for (member, candidates) in zip(members, try BlockCandidates.of(block, conditions)) {
          try searches[member].score(block, candidates, scorer, &scored)
        }
      }
      try Self.pass(block.record.used * members.count * strideBytes, &bytes, check)
    }
  }

  /// Stages 3 to 6 over the rows of a scope.
  private func scan(_ scope: ScopeRows, _ searches: inout [RunningSearch], _ members: [Int], _ bytes: inout Int) throws {
    let together = members.count > 1 ? members.filter { searches[$0].codes != nil && searches[$0].plan.query.tier != .coarseCodes } : []
    if together.count >= BatchScan.fewestQueries {
      try scanTogether(scope, &searches, together)
      for member in members where !together.contains(member) { try searches[member].scan(rows, scope, reader, check: check) }
    } else {
      for member in members {
        try searches[member].scan(rows, scope, reader, check: check)
        // A scan by codes has a measure of its own.
        if searches[member].codes == nil { try Self.pass(scope.count * rows.header.strideBytes, &bytes, check) }
      }
    }
    let conditions = members.map { searches[$0].plan.condition }
    let scorer = RowScorer(rows: rows)
    var scored: [ScoredSlot] = []
    for other in scope.others {
      let block = ScannedBlock(reader, other.record, other.key)
      for (member, candidates) in zip(members, try BlockCandidates.of(block, conditions)) {
        try searches[member].score(block, candidates, scorer, &scored)
      }
      try Self.pass(block.record.used * members.count * rows.header.strideBytes, &bytes, check)
    }
  }

  /// Stages 4 to 6 over the rows of a scope that no filter concerns, for several queries in as few passes as possible.
  private func scanTogether(_ scope: ScopeRows, _ searches: inout [RunningSearch], _ members: [Int]) throws {
    let largest = members.map { min(searches[$0].plan.query.limit, scope.count) }.max() ?? 1
    let most = BatchScan.queriesInPass(limit: largest)
    let passes = (members.count + most - 1) / most
    for pass in 0..<passes {
      let part = members[members.count * pass / passes..<members.count * (pass + 1) / passes]
      let scan = BatchScan(rows, queries: part.map { searches[$0].batched }, spans: scope.spans)
      let outcomes = try scan.run(check: check)
      for (member, outcome) in zip(part, outcomes) { try searches[member].add(outcome, isCoarse: false, scope, reader, check: check) }
    }
  }

  private static func pass(_ count: Int, _ bytes: inout Int, _ check: () throws -> Void) throws {
    bytes += count
    guard bytes >= bytesPerCheck else { return }
    bytes = 0
    try check()
  }
}

extension RecordReader {
  /// The codes for a search; nil if there are none, or if its scope has fewer rows than `leastRows`.
  ///
  /// - Parameter owners: The users of the scope; nil: all.
  func codes(of owners: [(key: UserKey, userID: String)]?, _ state: StateRecord, leastRows: Int) throws -> CodeReading? {
    guard state.codesThrough > 0, let codes = generation.codes else { return nil }
    return try rowCount(of: owners, state) < leastRows ? nil : codes.reading(self, state)
  }

  /// How many rows the users of a scope have; nil: all users.
  func rowCount(of owners: [(key: UserKey, userID: String)]?, _ state: StateRecord) throws -> Int {
    guard let owners else { return state.rowsLive }
    return try owners.reduce(0) { $0 + (try user($1.key, $1.userID)?.rows ?? 0) }
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
  private var rowsCoded = 0
  /// Those of which coarse codes were compared, and those of which fine ones were compared then.
  private var coarse = (coded: 0, refined: 0)
  private(set) var isApproximate = false

  /// Rows that were compared by their codes.
  var rowsCompared: Int { rowsCoded + (codes?.rowsCompared ?? 0) }

  init(_ plan: SearchPlan, _ codes: CodeFilter?) {
    self.plan = plan
    self.codes = codes
    hits = BestHits(plan.query)
  }

  /// Whether ``UnitRowScan`` finds the results in less time than a walk over blocks. A query that asks for floats gets every row scored.
  func canScanRowsByFloats(_ rows: RowFile) -> Bool {
    UnitRowScan.pays(for: rows, limit: plan.query.limit) && codes == nil && plan.query.tier == nil && !plan.condition.needsColumns
  }

  var tier: SearchTier { coarse.coded > 0 ? .coarseCodes : rowsCompared > 0 ? .codes : .floats }

  /// Bytes of codes and components that were compared.
  func bytesRead(_ rows: RowFile) -> Int {
    let (fine, rough) = codes.map { ($0.codeBytes(.fine), $0.codeBytes(.coarse)) } ?? (0, 0)
    return rowsScored * rows.header.dimension * 4 + (rowsCompared - coarse.coded + coarse.refined) * fine + coarse.coded * rough
  }

  /// Stages 4 to 6 for one block.
  ///
  /// - Parameter scored: Room for scored slots.
  mutating func score(
    _ block: borrowing ScannedBlock, _ candidates: BlockCandidates, _ scorer: RowScorer, _ scored: inout [ScoredSlot]
  ) throws {
    rowsInScope += candidates.inScope.nonzeroBitCount
    let (first, later) = split(firstRow: block.record.firstRow, count: block.record.used, candidates.possible)
    score(first, firstRow: block.record.firstRow, scorer, &scored)
    try hits.add(scored, of: block, candidates, block.reader)
    if later == 0 { return }
    score(remaining(later), firstRow: block.record.firstRow, scorer, &scored)
    try hits.add(scored, of: block, candidates, block.reader)
  }

  /// Stages 4 to 6 for all rows that no filter concerns.
  mutating func scan(_ rows: RowFile, _ scope: ScopeRows, _ reader: RecordReader, check: () throws -> Void) throws {
    guard codes != nil else {
      let best = try UnitRowScan.best(
        of: scope.spans, count: scope.count, in: rows, query: plan.embedding, limit: plan.query.limit, threshold: hits.bound, check: check)
      rowsInScope += scope.count
      rowsScored += scope.count
      return try hits.add(best.entries, scope, reader, check: check)
    }
    let scan = RowScan(
      rows, requiredCodes, query: plan.embedding, spans: scope.spans, coarse: plan.query.tier.map { $0 == .coarseCodes },
      recall: plan.query.precision.recall)
    let outcome = try scan.run(limit: plan.query.limit, threshold: hits.bound, check: check)
    isApproximate = scan.isApproximate
    try add(outcome, isCoarse: scan.tier == .coarse, scope, reader, check: check)
  }

  /// The query as a scan for several needs it.
  var batched: BatchScan.Query {
    BatchScan.Query(requiredCodes, embedding: plan.embedding, limit: plan.query.limit, threshold: hits.bound)
  }

  private var requiredCodes: CodeFilter {
    guard let codes else { preconditionFailure("rows are scanned by their codes") }
    return codes
  }

  /// Adds what a scan has found, and the rest of stage 6.
  mutating func add(_ outcome: RowScan.Outcome, isCoarse: Bool, _ scope: ScopeRows, _ reader: RecordReader, check: () throws -> Void) throws
  {
    rowsInScope += scope.count
    rowsScored += outcome.rowsScored
    rowsCoded += outcome.rowsCoded
    if isCoarse { coarse = (coarse.coded + outcome.rowsCoded, coarse.refined + outcome.rowsRefined) }
    try hits.add(outcome.best.entries, scope, reader, check: check)
  }

  private mutating func split(firstRow: Int, count: Int, _ candidates: LiveMask) -> (first: LiveMask, later: LiveMask) {
    if candidates == 0 { return (0, 0) }
    let least = hits.bound
    return codes?.split(firstRow: firstRow, count: count, candidates, atLeast: least) ?? (candidates, 0)
  }

  /// Those that the scores of the first ones have not excluded.
  private func remaining(_ later: LiveMask) -> LiveMask {
    codes?.remaining(later, atLeast: hits.bound) ?? later
  }

  private mutating func score(_ slots: LiveMask, firstRow: Int, _ scorer: RowScorer, _ scored: inout [ScoredSlot]) {
    scored.removeAll(keepingCapacity: true)
    if slots == 0 { return }
    rowsScored += slots.nonzeroBitCount
    scorer.score(plan.embedding, firstRow: firstRow, slots, atLeast: hits.bound, into: &scored)
  }
}
