import Formats
import LMDB
import VectorSearch

/// The users whose blocks may have changed since a commit, by the log.
struct LiveRowChanges {
  private struct Change {
    let userID: String
    /// Memories that were stored.
    var ids: [MemoryID] = []
    /// Whether a memory was deleted: the log does not have its row.
    var hasDeleted = false
  }

  private var users: [UserKey: Change] = [:]

  /// - Parameter limit: The most entries of the log to read.
  /// - Returns: Nil if there are more, or the log does not have all changes.
  /// - Throws: ``StoreError`` `.corrupted`.
  init?(since sequence: UInt64, _ reader: borrowing RecordReader, _ state: StateRecord, limit: Int) throws {
    if state.batchSequence < sequence || state.logFirst > sequence + 1 { return nil }
    var left = limit
    var isComplete = true
    var users: [UserKey: Change] = [:]
    let secret = reader.generation.secret
    try reader.walk(Tables.Log.self, from: .at(LogKey(sequence: sequence + 1, index: 0))) { _, value in
      let entry = try LogRecord(value)
      left -= 1
      isComplete = entry.operation != .overflow && left >= 0
      if entry.operation == .putMemory || entry.operation == .deleteMemory {
        let key = UserKey(entry.userID, secret: secret)
        if entry.operation == .putMemory, let id = entry.memoryID {
          users[key, default: Change(userID: entry.userID)].ids.append(id)
        } else {
          users[key, default: Change(userID: entry.userID)].hasDeleted = true
        }
      }
      return isComplete
    }
    if !isComplete { return nil }
    self.users = users
  }

  /// Brings a list up to date.
  ///
  /// - Parameter blocksRead: Is increased by the number of records of `blocks` that were read.
  /// - Complexity: O(memories that were stored), and for a user of whom a row was removed O(blocks of the user).
  /// - Throws: ``StoreError`` `.corrupted`.
  func apply(
    to contents: inout LiveRows.Contents, _ reader: borrowing RecordReader, _ state: StateRecord, _ blocksRead: inout Int
  ) throws {
    for (user, change) in users where try !Self.add(change, of: user, to: &contents, reader, state, &blocksRead) {
      try Self.replaceBlocks(of: user, in: &contents, reader, state, &blocksRead)
    }
  }

  /// Reads the blocks of the memories that were stored.
  ///
  /// A slot is used once, so a block changes by a row that is added, in which case the log has its memory, and by one that is removed. If
  /// all blocks with added rows are read and the user has as many rows as the blocks, no row was removed from another block.
  ///
  /// - Returns: False if other blocks of the user have changed as well.
  private static func add(
    _ change: Change, of user: UserKey, to contents: inout LiveRows.Contents, _ reader: borrowing RecordReader, _ state: StateRecord,
    _ blocksRead: inout Int
  ) throws -> Bool {
    guard !change.hasDeleted, let rowCount = try reader.user(user, change.userID)?.rows else { return false }
    var blocks: [UInt32: BlockRecord] = [:]
    for id in Set(change.ids) {
      guard let record = try reader.memoryRecord(id), record.memory.userID.hasSameBytes(as: change.userID) else { return false }
      guard let place = record.row else { continue }
      if blocks[place.block] == nil {
        guard let value = try reader.value(BlockKey(user: user, number: place.block), in: Tables.Blocks.self) else { return false }
        blocks[place.block] = try BlockRecord(value, rowsHigh: state.rowsHigh)
        blocksRead += 1
      }
      guard let block = blocks[place.block], (block.firstRow..<block.firstRow + block.used).contains(place.row),
        block.live & 1 << LiveMask(place.row - block.firstRow) != 0
      else { return false }
    }
    for (number, record) in blocks { contents.set(BlockKey(user: user, number: number), record) }
    var count = 0
    contents.forEachBlock(of: user) { count += $0.live.nonzeroBitCount }
    return count == rowCount
  }

  private static func replaceBlocks(
    of user: UserKey, in contents: inout LiveRows.Contents, _ reader: borrowing RecordReader, _ state: StateRecord,
    _ blocksRead: inout Int
  ) throws {
    var gone: Set<UInt32> = []
    contents.forEachBlock(of: user) { gone.insert($0.key.number) }
    var changed: [(BlockKey, BlockRecord)] = []
    try reader.walk(Tables.Blocks.self, prefix: user.prefix) { key, value in
      changed.append((key, try BlockRecord(value, rowsHigh: state.rowsHigh)))
      gone.remove(key.number)
      return true
    }
    blocksRead += changed.count
    // First those that are gone: another block may begin at the row of one of them.
    for number in gone { contents.set(BlockKey(user: user, number: number), nil) }
    for (key, record) in changed { contents.set(key, record) }
  }
}
