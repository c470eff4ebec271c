import LMDB

/// Stage 2 of a search: the blocks of a scope that have live rows, in the order of their keys.
///
/// A user's blocks have consecutive keys, so a search of one user reads no blocks of others.
struct BlockScan: ~Escapable {
  private let reader: RecordReader
  private let rowsHigh: Int

  /// - Parameter rowsHigh: The number of rows at this instant; no row beyond is read.
  @_lifetime(copy reader)
  init(_ reader: RecordReader, rowsHigh: Int) {
    self.reader = reader
    self.rowsHigh = rowsHigh
  }

  /// - Parameter users: Nil: all users.
  /// - Throws: ``StoreError`` `.corrupted`; what `body` throws.
  func forEachBlock(of users: [UserKey]?, _ body: (borrowing ScannedBlock) throws -> Void) throws {
    guard let users else { return try forEachBlock(prefix: Key(), body) }
    for user in users { try forEachBlock(prefix: user.prefix, body) }
  }

  private func forEachBlock(prefix: Key, _ body: (borrowing ScannedBlock) throws -> Void) throws {
    try reader.walk(Tables.Blocks.self, prefix: prefix) { key, value in
      let record = try BlockRecord(value, rowsHigh: rowsHigh)
      if record.live != 0 { try body(ScannedBlock(reader, record, key)) }
      return true
    }
  }
}

/// The block that a scan has reached.
struct ScannedBlock: ~Escapable {
  let reader: RecordReader
  let key: BlockKey
  let record: BlockRecord

  @_lifetime(copy reader)
  init(_ reader: RecordReader, _ record: BlockRecord, _ key: BlockKey) {
    self.reader = reader
    self.record = record
    self.key = key
  }

  /// Milliseconds since 1970 at the instant of the search.
  var now: Int64 { reader.now }

  /// The columns of the block, which each call looks up: most blocks of a long scan do not need them.
  @_lifetime(copy self)
  func columns() throws -> ColumnsView {
    guard let value = try reader.value(key, in: Tables.Columns.self) else {
      throw StoreError(.corrupted, "block \(key.number) of a user has no columns")
    }
    let columns = try ColumnsView(value)
    guard columns.count == record.used else { throw StoreError(.corrupted, "block \(key.number) of a user and its columns disagree") }
    return columns
  }
}
