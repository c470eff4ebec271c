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

  /// The candidates of several queries.
  ///
  /// - Returns: One for each query, in order.
  static func of(_ block: borrowing ScannedBlock, _ conditions: [Condition]) throws -> [BlockCandidates] {
    var live = block.record.live
    let needsColumns = conditions.contains(where: \.needsColumns)
    guard block.record.hasExpiry || block.record.hasSuperseded || needsColumns else {
      return [BlockCandidates](repeating: BlockCandidates(inScope: live, possible: live, certain: .max), count: conditions.count)
    }
    let columns = try block.columns()
    for slot in 0..<block.record.used where columns.expiresAt(slot) <= block.now { live &= ~(1 << LiveMask(slot)) }
    var candidates: [BlockCandidates] = []
    candidates.reserveCapacity(conditions.count)
    for condition in conditions {
      let masks = condition.filter?.masks(columns) ?? .all
      let inScope = try condition.moment.included(live, columns, block.reader)
      candidates.append(BlockCandidates(inScope: inScope, possible: inScope & masks.possible, certain: masks.certain))
    }
    return candidates
  }

  /// Whether the columns alone decide that the slot matches.
  func isCertain(_ slot: Int) -> Bool { certain & (1 << LiveMask(slot)) != 0 }
}
