import VectorSearch

/// Stage 6 of a search: keeps the best of the scored slots. Reads a record only if the columns leave the filter undecided and the score
/// could still enter.
struct BestHits {
  /// The row of a memory that was found, and its record if the filter had to read it.
  struct Hit {
    let row: Int
    let record: MemoryRecord?
  }

  private let filter: Filter?
  private(set) var best: TopK<MemoryID, Hit>

  init(_ query: SearchQuery) {
    filter = query.filter
    best = TopK(limit: query.limit, threshold: query.threshold ?? -.infinity)
  }

  /// The least score that could still enter.
  var bound: Float { best.bound }

  /// The same for rows that no filter concerns.
  ///
  /// - Parameter firstRow: The row of slot 0.
  mutating func add(_ scored: [ScoredSlot], firstRow: Int, _ rows: LiveRows, _ reader: RecordReader) throws {
    for hit in scored where best.admits(hit.score) {
      let row = firstRow + hit.slot
      let block = rows.block(of: row)
      let id = try ScannedBlock(reader, block.record, block.key).columns().id(row - block.record.firstRow)
      best.insert(score: hit.score, id: id, payload: Hit(row: row, record: nil))
    }
  }

  mutating func add(
    _ scored: [ScoredSlot], of block: borrowing ScannedBlock, _ candidates: BlockCandidates, _ reader: borrowing RecordReader
  ) throws {
    // Most blocks of a long scan hold nothing that could still enter, and their columns are never read.
    if scored.isEmpty { return }
    let columns = try block.columns()
    for hit in scored where best.admits(hit.score) {
      let id = columns.id(hit.slot)
      var record: MemoryRecord?
      if let filter, !candidates.isCertain(hit.slot) {
        record = try reader.memoryRecord(id)
        guard let memory = record?.memory, filter.matches(memory) else { continue }
      }
      best.insert(score: hit.score, id: id, payload: Hit(row: block.record.firstRow + hit.slot, record: record))
    }
  }
}
