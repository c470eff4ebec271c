import VectorSearch

/// Stage 6 of a search: keeps the best of the scored slots.
///
/// If the columns leave the filter undecided, a record decides. Such candidates are collected, and their records are read in descending
/// order of scores, until a score cannot enter any more: see ``settle(_:)``.
struct BestHits {
  private struct Undecided {
    let score: Float
    let row: Int
    let id: MemoryID
  }

  private let filter: Filter?
  private var undecided: [Undecided] = []
  /// With so many undecided candidates, their records are read.
  private var undecidedLimit = Self.leastUndecided
  /// Records that were read because the columns left the filter undecided.
  private(set) var recordsRead = 0
  private var recordsMatched = 0
  /// The memories with their rows. Candidates have no references, so that moving them in the heap counts none.
  private(set) var best: TopK<MemoryID, Int>
  /// The records of these memories that the filter had to read, and of some that are not among the best any more.
  private(set) var records: [MemoryID: MemoryRecord] = [:]

  init(_ query: SearchQuery) {
    filter = query.filter
    best = TopK(limit: query.limit, threshold: query.threshold ?? -.infinity)
  }

  private static let leastUndecided = 64
  private static let mostUndecided = 1 << 16
  /// How many times the candidates among which the results are expected are collected. With few, records are read in vain because the
  /// bound is low; with many, embeddings are compared in vain.
  private static let undecidedShare = 4.0

  /// The least score that could still enter.
  var bound: Float { best.bound }

  /// Adds rows of a scan, which no filter concerns.
  ///
  /// - Parameter check: Called now and then: many rows may have the same score.
  mutating func add(_ entries: [BestRows.Entry], _ rows: ScopeRows, _ reader: RecordReader, check: () throws -> Void) throws {
    for (number, entry) in entries.enumerated() where best.admits(entry.score) {
      if number % 1024 == 1023 { try check() }
      guard let block = rows.block(of: entry.row), (0..<Int(block.used)).contains(entry.row - block.firstRow) else {
        throw StoreError(.corrupted, "row \(entry.row) is in no block, or in several")
      }
      let id = try ScannedBlock(reader, block.record, block.key).columns().id(entry.row - block.firstRow)
      best.insert(score: entry.score, id: id, payload: entry.row)
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
      let row = block.record.firstRow + hit.slot
      if filter == nil || candidates.isCertain(hit.slot) {
        best.insert(score: hit.score, id: id, payload: row)
      } else {
        undecided.append(Undecided(score: hit.score, row: row, id: id))
      }
    }
    if undecided.count >= undecidedLimit { try settle(reader) }
  }

  /// Reads the records of undecided candidates as long as they could enter. To be called at the end.
  ///
  /// - Throws: ``StoreError`` `.corrupted`.
  mutating func settle(_ reader: borrowing RecordReader) throws {
    guard let filter, !undecided.isEmpty else { return }
    undecided.sort { $0.score > $1.score }
    for candidate in undecided {
      if !best.admits(candidate.score) { break }
      recordsRead += 1
      guard let record = try reader.memoryRecord(candidate.id), filter.matches(record.memory) else { continue }
      recordsMatched += 1
      if best.insert(score: candidate.score, id: candidate.id, payload: candidate.row) { records[candidate.id] = record }
    }
    // A limit may be the greatest integer.
    if records.count / 4 > best.limit {
      let kept = Set(best.sorted().map(\.id))
      records = records.filter { kept.contains($0.key) }
    }
    undecided.removeAll(keepingCapacity: true)
    // The rarer the matches, the more candidates are collected before the next time.
    let share = Double(recordsMatched + 1) / Double(recordsRead + 2)
    let wanted = Self.undecidedShare * Double(best.limit) / share
    undecidedLimit = Int(min(max(wanted, Double(Self.leastUndecided)), Double(Self.mostUndecided)))
  }
}
