import Formats
import VectorSearch

/// Stage 7 of a search: reads the records of the best hits, and compares each with its row and its user.
struct ResultReading: ~Escapable {
  private let reader: RecordReader
  private let rows: RowFile
  private let batchSequence: UInt64

  @_lifetime(copy reader)
  init(_ reader: RecordReader, _ rows: RowFile, batchSequence: UInt64) {
    self.reader = reader
    self.rows = rows
    self.batchSequence = batchSequence
  }

  /// - Throws: ``StoreError`` `.corrupted` if a row is not the one that its record was written with, or the memory is another user's.
  func results(_ search: RunningSearch) throws -> [SearchResult] {
    let query = search.plan.query
    let owners = reader.users(of: query.scope).map { users in Set(users.map { Exact($0.userID) }) }
    return try search.hits.best.sorted().map { candidate in
      guard let record = try candidate.payload.record ?? reader.memoryRecord(candidate.id),
        let reference = record.row, reference.row == candidate.payload.row
      else { throw StoreError(.corrupted, "row \(candidate.payload.row) and the record of memory \(candidate.id) disagree") }
      if let owners, !owners.contains(Exact(record.memory.userID)) {
        throw StoreError(.corrupted, "memory \(candidate.id) is in the blocks of another user")
      }
      try rows.verify(row: reference.row, checksum: reference.checksum)
      return SearchResult(
        memory: record.memory, score: candidate.score,
        neighbors: try reader.neighbors(of: record.memory, atMost: query.neighbors, asOf: query.asOf),
        explanation: query.includesExplanation
          ? .init(
            metric: reader.store.metric, row: reference.row, rowsScored: search.rowsScored, rowsCoded: search.rowsCompared,
            rowsInScope: search.rowsInScope,
            batchSequence: batchSequence, parts: nil) : nil)
    }
  }
}
