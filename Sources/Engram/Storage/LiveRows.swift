import LMDB
import Synchronization
import VectorSearch

/// The live rows of all users at one commit: a search of many rows then walks memory, and not the records of `blocks`, each with a step of
/// a cursor, a checksum and a decoding.
///
/// Immutable. ``advanced(_:_:)`` makes the list of a later commit from it and from the log; both share what did not change.
///
/// - Complexity: made in O(blocks log blocks), a third of a microsecond each; 80 bytes a block.
final class LiveRows: Sendable {
  let batchSequence: UInt64
  private let contents: Contents
  /// How many records of `blocks` were read to make this list.
  let blocksRead: Int
  private let flatSpans = Mutex<[RowSpan]?>(nil)

  /// A larger list is not kept in memory.
  static var largestCount: Int { 1 << 18 }

  struct Contents {
    /// Those that have live rows.
    var blocks = SortedPieces<LiveBlock>()
    /// The same in the order of their rows.
    var byRow = SortedPieces<BlockPlace>()
    /// Those whose columns a search must look at, because rows of them expire or are superseded.
    var others = SortedPieces<BlockPlace>()
    /// The live rows without those of ``others``: a span for each chunk of 128 rows that has any.
    var spans = SortedPieces<RowSpan>()
    /// How many rows ``spans`` has.
    var count = 0
  }

  init(batchSequence: UInt64, _ contents: Contents, blocksRead: Int) {
    self.batchSequence = batchSequence
    self.contents = contents
    self.blocksRead = blocksRead
  }

  /// Reads all blocks; nil if there are too many.
  ///
  /// - Throws: ``StoreError`` `.corrupted`.
  convenience init?(_ reader: borrowing RecordReader, _ state: StateRecord) throws {
    guard try reader.entryCount(of: Tables.Blocks.self) <= Self.largestCount else { return nil }
    var blocks: [LiveBlock] = []
    var blocksRead = 0
    try reader.walk(Tables.Blocks.self) { key, value in
      let record = try BlockRecord(value, rowsHigh: state.rowsHigh)
      blocksRead += 1
      if record.live != 0 { blocks.append(LiveBlock(key, record)) }
      return true
    }
    self.init(batchSequence: state.batchSequence, Contents(blocks, rowsHigh: state.rowsHigh), blocksRead: blocksRead)
  }

  /// The list of a later commit; nil if the log does not have all changes since this one, or so many that reading all blocks is faster.
  ///
  /// - Parameter limit: The most entries of the log to read; nil: as many as pay.
  /// - Throws: ``StoreError`` `.corrupted`.
  func advanced(_ reader: borrowing RecordReader, _ state: StateRecord, limit: Int? = nil) throws -> LiveRows? {
    let limit = min(limit ?? .max, max(64, blockCount / 16))
    guard let changes = try LiveRowChanges(since: batchSequence, reader, state, limit: limit) else { return nil }
    var (contents, blocksRead) = (contents, 0)
    try changes.apply(to: &contents, reader, state, &blocksRead)
    return contents.blocks.count > Self.largestCount
      ? nil : LiveRows(batchSequence: state.batchSequence, contents, blocksRead: blocksRead)
  }

  var blockCount: Int { contents.blocks.count }
  /// How many rows ``spans`` has.
  var count: Int { contents.count }
  /// The live rows without those of ``others``, in the order of the file.
  var spans: [RowSpan] {
    flatSpans.withLock { spans in
      if let spans { return spans }
      let made = contents.spans.elements
      spans = made
      return made
    }
  }
  /// The blocks whose columns a search must look at, because rows of them expire or are superseded; in the order of their rows.
  var others: [LiveBlock] { contents.others.elements.compactMap { contents.blocks[$0.key] } }

  /// All blocks that have live rows, in the order of their keys.
  var blocks: [LiveBlock] { contents.blocks.elements }

  /// Appends the user's blocks that have live rows, in the order of their keys.
  func append(blocksOf user: UserKey, to blocks: inout [LiveBlock]) { contents.forEachBlock(of: user) { blocks.append($0) } }

  /// The block that has a live row.
  func block(of row: Int) -> LiveBlock? { contents.byRow.last(upTo: row).flatMap { contents.blocks[$0.key] } }
}

/// A block with live rows: 48 bytes.
struct LiveBlock: Ordered, Equatable {
  let live: LiveMask
  private let user: UserKey
  let firstRow: Int
  private let number: UInt32
  let used: UInt8
  private let capacity: UInt8
  private let hasExpiry: Bool
  private let hasSuperseded: Bool

  init(_ key: BlockKey, _ record: BlockRecord) {
    live = record.live
    user = key.user
    firstRow = record.firstRow
    number = key.number
    used = UInt8(record.used)
    capacity = UInt8(record.capacity)
    hasExpiry = record.hasExpiry
    hasSuperseded = record.hasSuperseded
  }

  var key: BlockKey { BlockKey(user: user, number: number) }
  var order: BlockKey { key }
  /// Whether a search must look at its columns.
  var needsColumns: Bool { hasExpiry || hasSuperseded }

  var record: BlockRecord {
    var record = BlockRecord(firstRow: firstRow, capacity: Int(capacity))
    (record.used, record.live) = (Int(used), live)
    (record.hasExpiry, record.hasSuperseded) = (hasExpiry, hasSuperseded)
    return record
  }
}

/// Where a block's rows begin.
struct BlockPlace: Ordered, Equatable {
  let firstRow: Int
  let key: BlockKey

  var order: Int { firstRow }
}

extension RowSpan: Ordered {
  var order: Int { firstRow }
}

extension BlockKey: Comparable {
  static func < (left: BlockKey, right: BlockKey) -> Bool {
    left.user == right.user ? left.number < right.number : left.user < right.user
  }
}

extension LiveRows.Contents {
  /// - Parameter blocks: In the order of their keys.
  init(_ blocks: [LiveBlock], rowsHigh: Int) {
    self.blocks = SortedPieces(blocks)
    let places = blocks.map { BlockPlace(firstRow: $0.firstRow, key: $0.key) }
    byRow = SortedPieces(places.sorted { $0.firstRow < $1.firstRow })
    others = SortedPieces(zip(places, blocks).filter(\.1.needsColumns).map(\.0).sorted { $0.firstRow < $1.firstRow })
    var chunks = [LiveMask](repeating: 0, count: (rowsHigh + CodeFile.chunkRows - 1) / CodeFile.chunkRows)
    for block in blocks where !block.needsColumns {
      count += block.live.nonzeroBitCount
      block.forEachChunk { chunk, live in chunks[chunk] |= live }
    }
    spans = SortedPieces(
      chunks.indices.filter { chunks[$0] != 0 }.map { RowSpan(firstRow: $0 * CodeFile.chunkRows, live: chunks[$0]) })
  }

  func forEachBlock(of user: UserKey, _ body: (LiveBlock) -> Void) {
    blocks.forEach(from: BlockKey(user: user, number: 0)) { block in
      guard block.key.user == user else { return false }
      body(block)
      return true
    }
  }

  /// Replaces a block by its present state.
  ///
  /// - Parameter record: Nil, or one without live rows: there is none any more.
  mutating func set(_ key: BlockKey, _ record: BlockRecord?) {
    if let old = blocks[key] {
      let new = record.map { LiveBlock(key, $0) }
      if old == new { return }
      if !old.needsColumns {
        count -= old.live.nonzeroBitCount
        old.forEachChunk { chunk, live in change(chunk) { $0 & ~live } }
      }
      others.remove(old.firstRow)
      if record?.firstRow != old.firstRow || record?.live == 0 { byRow.remove(old.firstRow) }
    }
    guard let record, record.live != 0 else { return blocks.remove(key) }
    let new = LiveBlock(key, record)
    blocks.put(new)
    byRow.put(BlockPlace(firstRow: new.firstRow, key: key))
    if new.needsColumns {
      others.put(BlockPlace(firstRow: new.firstRow, key: key))
    } else {
      count += new.live.nonzeroBitCount
      new.forEachChunk { chunk, live in change(chunk) { $0 | live } }
    }
  }

  private mutating func change(_ chunk: Int, _ change: (LiveMask) -> LiveMask) {
    let firstRow = chunk * CodeFile.chunkRows
    let live = change(spans[firstRow]?.live ?? 0)
    if live == 0 { spans.remove(firstRow) } else { spans.put(RowSpan(firstRow: firstRow, live: live)) }
  }
}

extension LiveBlock {
  /// Calls `body` with each chunk of 128 rows in which the block has live rows, and these: bit i is row i of the chunk.
  fileprivate func forEachChunk(_ body: (_ chunk: Int, _ live: LiveMask) -> Void) {
    let (chunk, place) = firstRow.quotientAndRemainder(dividingBy: CodeFile.chunkRows)
    let first = live << LiveMask(place)
    if first != 0 { body(chunk, first) }
    let rest = place == 0 ? 0 : live >> LiveMask(CodeFile.chunkRows - place)
    if rest != 0 { body(chunk + 1, rest) }
  }
}

extension BlockRecord {
  /// - Parameter rowsHigh: The number of rows at this instant.
  /// - Throws: ``StoreError`` `.corrupted`, also for a block beyond the last row: the map of the rows continues after the end of the file,
  ///   where an access raises a signal.
  init(_ value: RawSpan, rowsHigh: Int) throws(StoreError) {
    try self.init(value)
    guard firstRow + used <= rowsHigh else {
      throw StoreError(.corrupted, "a block of a user begins at row \(firstRow), the store has \(rowsHigh)")
    }
  }
}
