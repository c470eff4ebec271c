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

  /// Adds rows of a scan, which no filter concerns.
  ///
  /// - Parameter check: Called now and then: many rows may have the same score.
  mutating func add(_ entries: [BestRows.Entry], _ rows: LiveRows, _ reader: RecordReader, check: () throws -> Void) throws {
    for (number, entry) in entries.enumerated() where best.admits(entry.score) {
      if number % 1024 == 1023 { try check() }
      let block = rows.block(of: entry.row)
      let id = try ScannedBlock(reader, block.record, block.key).columns().id(entry.row - block.record.firstRow)
      best.insert(score: entry.score, id: id, payload: Hit(row: entry.row, record: nil))
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
