import VectorSearch

/// Stage 3 of a search: which slots of a block a query may return, by the block's columns alone.
struct BlockCandidates {
  /// Live, not expired, and not superseded unless the query asks for those, too: what the scope holds.
  let inScope: LiveMask
  /// Of those, the slots that the filter does not exclude.
  let possible: LiveMask
  /// Slots that match the filter whatever their record says; may have bits outside of ``possible``.
  let certain: LiveMask

  /// What a query asks of a memory.
  struct Condition {
    /// Nil matches everything.
    let filter: Filter?
    let includesSuperseded: Bool
  }

  /// The candidates of several queries.
  ///
  /// - Returns: One for each query, in order.
  static func of(_ block: borrowing ScannedBlock, _ conditions: [Condition]) throws -> [BlockCandidates] {
    var live = block.record.live
    guard block.record.hasExpiry || block.record.hasSuperseded || conditions.contains(where: { $0.filter != nil }) else {
      return [BlockCandidates](repeating: BlockCandidates(inScope: live, possible: live, certain: .max), count: conditions.count)
    }
    let columns = try block.columns()
    for slot in 0..<block.record.used where columns.expiresAt(slot) <= block.now { live &= ~(1 << LiveMask(slot)) }
    var candidates: [BlockCandidates] = []
    candidates.reserveCapacity(conditions.count)
    for condition in conditions {
      let masks = condition.filter?.masks(columns) ?? .all
      let inScope = condition.includesSuperseded ? live : live & ~columns.superseded
      candidates.append(BlockCandidates(inScope: inScope, possible: inScope & masks.possible, certain: masks.certain))
    }
    return candidates
  }

  /// Whether the columns alone decide that the slot matches.
  func isCertain(_ slot: Int) -> Bool { certain & (1 << LiveMask(slot)) != 0 }
}
