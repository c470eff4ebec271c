import LMDB
import VectorSearch

/// The live rows of all users at one commit, in the order of the row file: a search of all users then walks rows, and not the records of
/// `blocks`, of which a store of many users has one for every few rows.
///
/// - Complexity: made in O(blocks log blocks), a third of a microsecond each; 64 bytes a block.
final class LiveRows: Sendable {
  struct Block: Sendable {
    let key: BlockKey
    let record: BlockRecord
  }

  let batchSequence: UInt64
  /// In the order of their rows.
  let blocks: [Block]
  /// The live rows without those of ``others``: a span for each chunk of 128 rows that has any.
  let spans: [RowSpan]
  /// The numbers of the blocks whose columns a search must look at, because rows of them expire or are superseded.
  let others: [Int]
  /// How many rows ``spans`` has.
  let count: Int

  static var chunkRows: Int { CodeFile.chunkRows }
  /// A larger list is not kept in memory.
  static var largestCount: Int { 1 << 18 }

  /// Nil if there are too many blocks.
  ///
  /// - Throws: ``StoreError`` `.corrupted`.
  init?(_ reader: borrowing RecordReader, _ state: StateRecord) throws {
    guard try reader.entryCount(of: Tables.Blocks.self) <= Self.largestCount else { return nil }
    batchSequence = state.batchSequence
    var blocks: [Block] = []
    var chunks = [LiveMask](repeating: 0, count: (state.rowsHigh + Self.chunkRows - 1) / Self.chunkRows)
    var count = 0
    try reader.walk(Tables.Blocks.self) { key, value in
      let record = try BlockRecord(value)
      guard record.firstRow + record.used <= state.rowsHigh else { throw StoreError.blockBeyondEnd(record, rowsHigh: state.rowsHigh) }
      guard record.live != 0 else { return true }
      blocks.append(Block(key: key, record: record))
      if record.hasExpiry || record.hasSuperseded { return true }
      let (chunk, place) = record.firstRow.quotientAndRemainder(dividingBy: Self.chunkRows)
      chunks[chunk] |= record.live << LiveMask(place)
      let rest = place == 0 ? 0 : record.live >> LiveMask(Self.chunkRows - place)
      if rest != 0 { chunks[chunk + 1] |= rest }
      count += record.live.nonzeroBitCount
      return true
    }
    blocks.sort { $0.record.firstRow < $1.record.firstRow }
    self.blocks = blocks
    spans = chunks.indices.filter { chunks[$0] != 0 }.map { RowSpan(firstRow: $0 * Self.chunkRows, live: chunks[$0]) }
    self.count = count
    others = blocks.indices.filter { blocks[$0].record.hasExpiry || blocks[$0].record.hasSuperseded }
  }

  /// The block that has a live row.
  func block(of row: Int) -> Block {
    var (low, high) = (0, blocks.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if blocks[middle].record.firstRow <= row { low = middle } else { high = middle }
    }
    return blocks[low]
  }
}

extension StoreError {
  static func blockBeyondEnd(_ block: BlockRecord, rowsHigh: Int) -> StoreError {
    StoreError(.corrupted, "a block of a user begins at row \(block.firstRow), the store has \(rowsHigh)")
  }
}
