import Formats
import VectorSearch

/// Stage 7 of a search: reads the records of the best hits, and compares each with its row and its user.
struct ResultReading: ~Escapable {
  private let reader: RecordReader
  private let rows: RowFile
  private let batchSequence: UInt64
  /// How long the search has taken so far.
  private let duration: Duration

  @_lifetime(copy reader)
  init(_ reader: RecordReader, _ rows: RowFile, batchSequence: UInt64, duration: Duration) {
    self.reader = reader
    self.rows = rows
    self.batchSequence = batchSequence
    self.duration = duration
  }

  /// - Throws: ``StoreError`` `.corrupted` if a row is not the one that its record was written with, or the memory is another user's.
  func results(_ search: RunningSearch) throws -> [SearchResult] {
    let query = search.plan.query
    let owners = Owners(search.plan.owners)
    return try search.hits.best.sorted().map { candidate in
      guard let record = try search.hits.records[candidate.id] ?? reader.memoryRecord(candidate.id),
        let reference = record.row, reference.row == candidate.payload
      else { throw StoreError(.corrupted, "row \(candidate.payload) and the record of memory \(candidate.id) disagree") }
      guard owners.include(record.memory.userID) else {
        throw StoreError(.corrupted, "memory \(candidate.id) is in the blocks of another user")
      }
      try rows.verify(row: reference.row, checksum: reference.checksum)
      return SearchResult(
        memory: record.memory, score: candidate.score,
        neighbors: try reader.neighbors(of: record.memory, atMost: query.neighbors, asOf: query.asOf),
        explanation: query.includesExplanation
          ? .init(
            metric: reader.store.metric, row: reference.row, rowsScored: search.rowsScored, rowsCoded: search.rowsCompared,
            rowsInScope: search.rowsInScope, tier: search.tier, isApproximate: search.isApproximate, bytesRead: search.bytesRead(rows),
            microseconds: duration.wholeMicroseconds, batchSequence: batchSequence, parts: nil) : nil)
    }
  }

  /// The users whose memories a search may return.
  private enum Owners {
    case all
    case one(String)
    case several(Set<Exact<String>>)

    init(_ users: [(key: UserKey, userID: String)]?) {
      guard let users else {
        self = .all
        return
      }
      self = users.count == 1 ? .one(users[0].userID) : .several(Set(users.map { Exact($0.userID) }))
    }

    func include(_ userID: String) -> Bool {
      switch self {
      case .all: true
      case .one(let owner): owner.hasSameBytes(as: userID)
      case .several(let owners): owners.contains(Exact(userID))
      }
    }
  }
}

extension Duration {
  var wholeMicroseconds: Int { Int(self / .microseconds(1)) }
}
