import LMDB
import VectorSearch

/// Stage 2 of a search that needs no columns: the live rows of a scope in the order of the row file, for ``RowScan`` and ``UnitRowScan``.
struct ScopeRows {
  /// The live rows without those of ``others``.
  let spans: [RowSpan]
  /// How many rows ``spans`` has.
  let count: Int
  /// The blocks whose columns a search must look at, because rows of them expire or are superseded.
  let others: [LiveBlock]
  private let source: Source

  private enum Source {
    case list(LiveRows)
    /// In the order of their rows.
    case blocks([LiveBlock])
  }

  /// Rows between two blocks that one span may include: comparing their codes costs less than another span.
  private static let largestGap = 8

  /// - Parameters:
  ///   - users: Each once; nil: all.
  ///   - rowCount: How many rows they have.
  /// - Returns: Nil if the scope is all users and has too many blocks for a list.
  /// - Complexity: O(1) for all users and O(blocks) for others if there is a list of the commit, see ``LiveRowsCache``.
  /// - Throws: ``StoreError`` `.corrupted`.
  init?(of users: [UserKey]?, rowCount: Int, _ reader: RecordReader, _ state: StateRecord) throws {
    guard let codes = reader.generation.codes else { return nil }
    if let users {
      try self.init(of: users, rowCount, codes.liveRows, reader, state)
    } else if let list = try codes.liveRows.list(reader, state) {
      self.init(list)
    } else {
      return nil
    }
  }

  /// The rows of some users by a walk over their blocks.
  ///
  /// - Complexity: O(blocks of the users).
  init(walking users: [UserKey], _ reader: RecordReader, _ state: StateRecord) throws {
    var blocks: [LiveBlock] = []
    try BlockScan(reader, rowsHigh: state.rowsHigh).forEachBlock(of: users) { blocks.append(LiveBlock($0.key, $0.record)) }
    self.init(blocks)
  }

  private init(_ list: LiveRows) {
    (spans, count, others, source) = (list.spans, list.count, list.others, .list(list))
  }

  private init(of users: [UserKey], _ rowCount: Int, _ lists: LiveRowsCache, _ reader: RecordReader, _ state: StateRecord) throws {
    var blocks: [LiveBlock] = []
    if let list = try lists.listUnlessWalkIsCheaper(reader, state, rowCount: rowCount) {
      for user in users { list.append(blocksOf: user, to: &blocks) }
    } else {
      try BlockScan(reader, rowsHigh: state.rowsHigh).forEachBlock(of: users) { blocks.append(LiveBlock($0.key, $0.record)) }
      lists.noteWalk(ofBlocks: blocks.count)
    }
    self.init(blocks)
  }

  private init(_ blocks: [LiveBlock]) {
    // A user's blocks are in this order already.
    let isSorted = zip(blocks, blocks.dropFirst()).allSatisfy { $0.firstRow < $1.firstRow }
    let blocks = isSorted ? blocks : blocks.sorted { $0.firstRow < $1.firstRow }
    var spans: [RowSpan] = []
    var others: [LiveBlock] = []
    var count = 0
    spans.reserveCapacity(blocks.count)
    var (firstRow, end, live): (Int, Int, LiveMask) = (0, 0, 0)
    for block in blocks {
      if block.needsColumns {
        others.append(block)
        continue
      }
      count += block.live.nonzeroBitCount
      let blockEnd = block.firstRow + Int(block.used)
      if live != 0, block.firstRow >= end, block.firstRow - end <= Self.largestGap, blockEnd - firstRow <= RowFile.blockCapacity {
        live |= block.live << LiveMask(block.firstRow - firstRow)
      } else {
        if live != 0 { spans.append(RowSpan(firstRow: firstRow, live: live)) }
        (firstRow, live) = (block.firstRow, block.live)
      }
      end = blockEnd
    }
    if live != 0 { spans.append(RowSpan(firstRow: firstRow, live: live)) }
    (self.spans, self.count, self.others, source) = (spans, count, others, .blocks(blocks))
  }

  /// The block that has a live row.
  func block(of row: Int) -> LiveBlock? {
    switch source {
    case .list(let list): return list.block(of: row)
    case .blocks(let blocks):
      var (low, high) = (0, blocks.count)
      while low < high {
        let middle = (low + high) / 2
        if blocks[middle].firstRow <= row { low = middle + 1 } else { high = middle }
      }
      return low == 0 ? nil : blocks[low - 1]
    }
  }
}
