import VectorSearch

/// Stage 3 of a search: which slots of a block a query may return, by the block's columns alone.
struct BlockCandidates {
  /// Live, and not expired: what the scope holds.
  let inScope: LiveMask
  /// Of those, the slots that the filter does not exclude.
  let possible: LiveMask
  /// Slots that match the filter whatever their record says; may have bits outside of ``possible``.
  let certain: LiveMask

  /// The candidates of several queries.
  ///
  /// - Parameter filters: One for each query; nil matches everything.
  /// - Returns: One for each filter, in order.
  static func of(_ block: borrowing ScannedBlock, _ filters: [Filter?]) throws -> [BlockCandidates] {
    var live = block.record.live
    guard block.record.hasExpiry || filters.contains(where: { $0 != nil }) else {
      return [BlockCandidates](repeating: BlockCandidates(inScope: live, possible: live, certain: .max), count: filters.count)
    }
    let columns = try block.columns()
    for slot in 0..<block.record.used where columns.expiresAt(slot) <= block.now { live &= ~(1 << LiveMask(slot)) }
    var candidates: [BlockCandidates] = []
    candidates.reserveCapacity(filters.count)
    for filter in filters {
      let masks = filter?.masks(columns) ?? .all
      candidates.append(BlockCandidates(inScope: live, possible: live & masks.possible, certain: masks.certain))
    }
    return candidates
  }

  /// Whether the columns alone decide that the slot matches.
  func isCertain(_ slot: Int) -> Bool { certain & (1 << LiveMask(slot)) != 0 }
}
