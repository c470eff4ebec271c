import VectorSearch

/// Stage 3 of a search: which slots of a block a query may return, by the block's columns alone.
struct BlockCandidates {
  /// The slots in scope: live, not expired, and included in the query's moment.
  let inScope: LiveMask
  /// The slots of ``inScope`` that the filter does not exclude.
  let possible: LiveMask
  /// Slots that match the filter by their columns alone; may have bits outside of ``possible``.
  let certain: LiveMask

  /// The conditions of a query on a memory.
  struct Condition {
    /// Nil matches everything.
    let filter: Filter?
    let moment: SearchMoment

    /// Whether the columns of every block must be looked at.
    var needsColumns: Bool { filter != nil || moment.asOf != nil }
  }

  /// The candidates of one query.
  static func of(_ block: borrowing ScannedBlock, _ condition: Condition) throws -> BlockCandidates {
    guard block.record.hasExpiry || block.record.hasSuperseded || condition.needsColumns else { return BlockCandidates(block.record.live) }
    let columns = try block.columns()
    return try BlockCandidates(unexpired(block, columns), columns, condition, block.reader)
  }

  /// The candidates of several queries.
  ///
  /// - Returns: One for each query, in order.
  static func of(_ block: borrowing ScannedBlock, _ conditions: [Condition]) throws -> [BlockCandidates] {
    let needsColumns = conditions.contains(where: \.needsColumns)
    guard block.record.hasExpiry || block.record.hasSuperseded || needsColumns else {
      return [BlockCandidates](repeating: BlockCandidates(block.record.live), count: conditions.count)
    }
    let columns = try block.columns()
    let live = unexpired(block, columns)
    var candidates: [BlockCandidates] = []
    candidates.reserveCapacity(conditions.count)
    for condition in conditions { candidates.append(try BlockCandidates(live, columns, condition, block.reader)) }
    return candidates
  }

  private static func unexpired(_ block: borrowing ScannedBlock, _ columns: borrowing ColumnsView) -> LiveMask {
    var live = block.record.live
    if !block.record.hasExpiry { return live }
    for slot in 0..<block.record.used where columns.expiresAt(slot) <= block.now { live &= ~(1 << LiveMask(slot)) }
    return live
  }

  /// All live slots.
  private init(_ live: LiveMask) { (inScope, possible, certain) = (live, live, .max) }

  private init(
    _ live: LiveMask, _ columns: borrowing ColumnsView, _ condition: Condition, _ reader: borrowing RecordReader
  ) throws {
    let masks = condition.filter?.masks(columns) ?? .all
    inScope = try condition.moment.included(live, columns, reader)
    possible = inScope & masks.possible
    certain = masks.certain
  }

  /// Whether the columns alone decide that the slot matches.
  func isCertain(_ slot: Int) -> Bool { certain & (1 << LiveMask(slot)) != 0 }
}
