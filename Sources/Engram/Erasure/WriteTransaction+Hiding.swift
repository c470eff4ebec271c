import Formats
import LMDB

/// The first half of an erasure: one commit deletes all the data, and records that the files must be rebuilt.
extension WriteTransaction {
  /// Deletes all memories, contexts and history of a user.
  ///
  /// - Parameter leavesTraces: Whether a search of the files has found something of a user without records.
  mutating func hide(user userID: String, leavesTraces: Bool, in receipt: inout ErasureReceipt) throws {
    let key = batch.reader.userKey(userID)
    var ids: [MemoryID] = []
    // Memories that have expired and are not swept yet are deleted, too.
    try RecordReader(batch.transaction.view, batch.generation, now: .min).forEachMemory(of: userID, newestFirst: false, after: nil) {
      ids.append($0.memory.id)
      return true
    }
    for id in ids { try hide(try batch.reader.memoryRecord(id), in: &receipt) }
    try batch.reader.walkKeys(Tables.History.self, prefix: key.prefix) { _ in
      receipt.versions += 1
      return true
    }
    for type in try recordTypes(of: key) where try deleteContext(type, userID) { receipt.contexts += 1 }
    if receipt.hadNoRecords, !leavesTraces, try !mayHoldTraces(of: userID) {
      receipt.isRebuilt = false
      receipt.hiddenBy = batch.state.batchSequence
      receipt.hiddenAt = .init(milliseconds: batch.now)
    } else {
      markErasure(in: &receipt)
    }
  }

  /// Whether the files may hold something of a user without records: an erasure is pending, rows are dead, pages were freed, or the log
  /// names the user.
  private func mayHoldTraces(of userID: String) throws -> Bool {
    // There was no commit yet: the free pages are from the creation of the files.
    if batch.state.batchSequence == 0 { return false }
    if batch.state.pendingErasure > 0 || batch.state.rowsDead > 0 { return true }
    if try batch.transaction.view.hasFreedPages { return true }
    var isNamed = false
    try batch.reader.walk(Tables.Log.self) { _, value in
      isNamed = try LogRecord(value).userID.hasSameBytes(as: userID)
      return !isNamed
    }
    return isNamed
  }

  /// Deletes memories, and requires a rebuild in any case: a memory that does not exist any more may still be in the files.
  ///
  /// - Parameter userID: Memories of another user count as absent; nil: memories of any user are deleted.
  mutating func hide(memories ids: [MemoryID], of userID: String?, in receipt: inout ErasureReceipt) throws {
    for id in ids {
      let record = if let userID { try batch.reader.memoryRecord(id, of: userID) } else { try batch.reader.memoryRecord(id) }
      try hide(record, in: &receipt)
    }
    markErasure(in: &receipt)
  }

  private mutating func hide(_ record: MemoryRecord?, in receipt: inout ErasureReceipt) throws {
    guard let record else { return }
    try batch.reader.forEachVersion(of: record.memory) { _, _ in
      receipt.versions += 1
      return true
    }
    try remove(record)
    receipt.memories += 1
    if record.row != nil { receipt.embeddings += 1 }
  }

  private mutating func markErasure(in receipt: inout ErasureReceipt) {
    batch.state.pendingErasure = batch.state.batchSequence + 1
    receipt.hiddenBy = batch.state.pendingErasure
    receipt.hiddenAt = .init(milliseconds: batch.now)
  }

  private func recordTypes(of key: UserKey) throws -> [String] {
    var types: [String] = []
    try batch.reader.walkKeys(Tables.Contexts.self, prefix: key.prefix) { name in
      types.append(name.recordType)
      return true
    }
    return types
  }
}
