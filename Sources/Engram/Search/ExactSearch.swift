import Formats
import Foundation
import LMDB
import VectorSearch

/// Exact search: every live row in scope that the filter does not exclude is scored by `cblas_sdot`, block by block.
///
/// A user's search walks that user's blocks only, so its cost does not depend on anybody else's rows. The filter is decided by
/// the block's columns where that is possible; a record is read only for a row whose score could still enter the result.
struct ExactSearch: ~Escapable {
  private let reader: RecordReader
  private let rows: RowFile
  private let state: StateRecord
  /// Called once for about 64 MiB of rows; what it throws ends the search.
  private let check: () throws -> Void

  /// - Parameter check: The current task, unless another one waits for the search.
  @_lifetime(copy reader)
  init(_ reader: RecordReader, check: @escaping () throws -> Void = { try Task.checkCancellation() }) throws {
    rows = try reader.generation.requireRows()
    state = try reader.state()
    try rows.cover(rowCount: state.rowsHigh)
    self.reader = reader
    self.check = check
  }

  /// One query in the course of a search.
  private struct Running {
    let embedding: [Float]
    let user: UserKey?
    let filter: Filter?
    var best: TopK<MemoryID, Hit>
    var rowsScored = 0
    var rowsInScope = 0
  }

  /// Where a candidate was found, and its record if the filter had to look at it.
  private struct Hit {
    let row: Int
    let record: MemoryRecord?
  }

  /// Runs all queries in one pass over each scope.
  ///
  /// - Returns: For each query, in order, its results.
  func results(_ queries: [SearchQuery]) throws -> [[SearchResult]] {
    var running = try queries.map { query in
      try Limits.check(query)
      return Running(
        embedding: try VectorPreparation.prepare(query.embedding.values, dimension: rows.header.dimension, metric: rows.header.metric),
        user: try userKey(query.scope), filter: query.filter,
        best: TopK(limit: query.limit, threshold: query.threshold ?? -.infinity))
    }
    try scan(&running)
    return try zip(queries, running).map { query, running in try results(query, running, state.batchSequence) }
  }

  /// The key of the scope's user; nil for all users.
  private func userKey(_ scope: SearchScope) throws -> UserKey? {
    guard case .user(let userID) = scope else { return nil }
    try Limits.checkUserID(userID)
    return reader.userKey(userID)
  }

  /// Some milliseconds of work.
  private static let bytesPerCheck = 64 << 20

  private func scan(_ running: inout [Running]) throws {
    var indexesByUser: [UserKey?: [Int]] = [:]
    for (index, query) in running.enumerated() { indexesByUser[query.user, default: []].append(index) }
    var bytes = 0
    for (user, indexes) in indexesByUser {
      var cursor = try reader.view.cursor(in: reader.schema.blocks)
      let prefix = user.map { Key.user($0) } ?? Key()
      var found = try user == nil ? cursor.first() : cursor.seek(to: prefix)
      while found, cursor.key.hasPrefix(prefix.bytes) {
        guard cursor.key.byteCount == 20 else { throw StoreError(.corrupted, "a key of blocks has \(cursor.key.byteCount) bytes") }
        let block = try BlockRecord(try cursor.value())
        // The map goes on behind the end of the file, where a touch is a signal.
        guard block.firstRow + block.used <= state.rowsHigh else {
          throw StoreError(.corrupted, "a block of a user begins at row \(block.firstRow), the store has \(state.rowsHigh)")
        }
        if block.live != 0 {
          let key = BlockKey(user: UserKey(cursor.key), number: cursor.key.bigEndian(at: 16))
          try scan(block, key, &running, indexes)
          bytes += block.used * rows.header.strideBytes * indexes.count
          if bytes >= Self.bytesPerCheck {
            bytes = 0
            try check()
          }
        }
        found = try cursor.next()
      }
    }
  }

  private func scan(_ block: BlockRecord, _ key: BlockKey, _ running: inout [Running], _ indexes: [Int]) throws {
    var live = block.live
    var masks = [FilterMasks](repeating: .all, count: indexes.count)
    if block.hasExpiry || indexes.contains(where: { running[$0].filter != nil }) {
      let columns = try columns(of: block, key)
      for slot in 0..<block.used where columns.expiresAt(slot) <= reader.now { live &= ~(1 << LiveMask(slot)) }
      for (place, index) in indexes.enumerated() { masks[place] = running[index].filter?.masks(columns) ?? .all }
    }
    for (place, index) in indexes.enumerated() {
      let candidates = live & masks[place].possible
      running[index].rowsInScope += live.nonzeroBitCount
      running[index].rowsScored += candidates.nonzeroBitCount
      var admitted: [(slot: Int, score: Float)] = []
      let query = running[index].embedding
      let bound = running[index].best.bound
      rows.forEachScore(query: query.span, firstRow: block.firstRow, live: candidates) { slot, score in
        if score >= bound { admitted.append((slot, score)) }
      }
      // Most blocks of a long scan hold nothing that could still enter, and their columns are never read.
      if admitted.isEmpty { continue }
      let columns = try columns(of: block, key)
      for (slot, score) in admitted where running[index].best.admits(score) {
        let id = columns.id(slot)
        var record: MemoryRecord?
        if masks[place].certain & (1 << LiveMask(slot)) == 0, let filter = running[index].filter {
          record = try reader.memoryRecord(id)
          guard let memory = record?.memory, filter.matches(memory) else { continue }
        }
        running[index].best.insert(score: score, id: id, payload: Hit(row: block.firstRow + slot, record: record))
      }
    }
  }

  @_lifetime(copy self)
  private func columns(of block: BlockRecord, _ key: BlockKey) throws -> ColumnsView {
    guard let value = try reader.view.value(.block(key), in: reader.schema.columns) else {
      throw StoreError(.corrupted, "block \(key.number) of a user has no columns")
    }
    let columns = try ColumnsView(value)
    guard columns.count == block.used else { throw StoreError(.corrupted, "block \(key.number) of a user and its columns disagree") }
    return columns
  }

  /// Reads the records of the best, and checks that each row is the one its record was written with.
  private func results(_ query: SearchQuery, _ running: Running, _ sequence: UInt64) throws -> [SearchResult] {
    try running.best.sorted().map { candidate in
      guard let record = try candidate.payload.record ?? reader.memoryRecord(candidate.id),
        let reference = record.row, reference.row == candidate.payload.row
      else { throw StoreError(.corrupted, "row \(candidate.payload.row) and the record of memory \(candidate.id) disagree") }
      if case .user(let userID) = query.scope, !record.memory.userID.hasSameBytes(as: userID) {
        throw StoreError(.corrupted, "memory \(candidate.id) stands in the blocks of another user")
      }
      try rows.verify(row: reference.row, checksum: reference.checksum)
      return SearchResult(
        memory: record.memory, score: candidate.score,
        explanation: query.explains
          ? .init(
            metric: reader.store.metric, row: reference.row, rowsScored: running.rowsScored, rowsInScope: running.rowsInScope,
            batchSequence: sequence) : nil)
    }
  }
}
