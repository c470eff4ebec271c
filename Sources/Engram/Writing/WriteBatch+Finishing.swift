import Formats
import LMDB
import Synchronization

/// Stores what the batch has kept in memory, directly before the commit.
extension WriteBatch {
  /// Steps 4 to 6 of the commit: rows to the file and to the disk, and users, blocks, columns, log and state into the transaction.
  ///
  /// - Parameter source: The state that a copy has caught up with; nil for a commit of the batch's own changes.
  /// - Throws: ``RowFlushFailure`` if the rows could not be flushed, whatever else has failed.
  mutating func finish(adopting source: StateRecord? = nil) throws {
    do {
      try storeAll(adopting: source)
    } catch let failure as RowFlushFailure {
      throw failure
    } catch {
      if let lost = staging?.abandon() { throw RowFlushFailure(error: lost) }
      throw error
    }
  }

  private mutating func storeAll(adopting source: StateRecord?) throws {
    try staging?.begin(rowCount: state.rowsHigh)
    if let source {
      state.batchSequence = source.batchSequence
      state.lastCommit = source.lastCommit
      state.lastBoot = source.lastBoot
      state.expiryMark = source.expiryMark
    } else {
      state.batchSequence += 1
      // Not the later of `now` and the last commit: a clock that was wrong at the last commit may have been set back.
      state.lastCommit = now
      if let boot {
        state.lastBoot = boot
        try markExpired(at: StoreInstant(wall: now, boot: boot))
      }
    }
    try writeWords()
    try writeBlocks()
    for (key, record) in users {
      if let record {
        try putUnjournaled(key, encoded { record.encode(into: &$0) }, in: Tables.Users.self)
      } else {
        try deleteUnjournaled(key, in: Tables.Users.self)
      }
    }
    try writeLog()
    try writeTokens()
    try writeRows()
    if source == nil { adoptFlushedCodes() }
    let state = state
    try putUnjournaled(.state, encoded { state.encode(into: &$0) }, in: Tables.Meta.self)
  }

  /// Sets the mark that expired memories were found, if this commit has to: see ``StateRecord/expiryStep(first:at:)``. If the wall clock
  /// was set back, the mark is set back too: memories that are not expired at this commit must be found expired again.
  private mutating func markExpired(at now: StoreInstant) throws {
    if let mark = state.expiryMark, mark.wall > now.wall { state.expiryMark = StoreInstant(wall: now.wall, boot: mark.boot) }
    guard state.expiryStep(first: try reader.firstExpiry(), at: now) == .mark else { return }
    state.expiryMark = now
  }

  /// Names the last batch of which all codes are on the disk.
  mutating func adoptFlushedCodes() {
    guard state.codesThrough > 0, let codes = generation.codes else { return }
    let flushed = codes.flushedThrough.load(ordering: .acquiring)
    guard flushed > state.codesThrough else { return }
    state.codesThrough = flushed
    codes.unnamedRows.store(0, ordering: .relaxed)
  }

  /// On return all rows of the batch are on the disk.
  private mutating func writeRows() throws {
    try staging?.finish(rowCount: state.rowsHigh)
    if let failure = staging?.codesFailure {
      generation.codes?.giveUp(failure)
      state.loseCodes()
    }
    do {
      try staging?.flush()
    } catch {
      throw RowFlushFailure(error: error)
    }
  }

  mutating func writeBlocks() throws {
    var bytes: [UInt8] = []
    for (key, block) in blocks {
      guard let block else {
        try deleteUnjournaled(key, in: Tables.Blocks.self)
        try deleteUnjournaled(key, in: Tables.Columns.self)
        continue
      }
      bytes.removeAll(keepingCapacity: true)
      block.record.encode(into: &bytes)
      try putUnjournaled(key, bytes, in: Tables.Blocks.self)
      bytes.removeAll(keepingCapacity: true)
      block.columns.encode(into: &bytes)
      try putUnjournaled(key, bytes, in: Tables.Columns.self)
    }
    blocks.removeAll(keepingCapacity: true)
  }

  private mutating func writeLog() throws {
    if log.count > Self.logLimit {
      log = [LogRecord(operation: .overflow, userID: "")]
      try trimLog(to: 0)
    }
    for (index, record) in log.enumerated() {
      try putUnjournaled(
        LogKey(sequence: state.batchSequence, index: UInt32(index)), encoded { record.encode(into: &$0) }, in: Tables.Log.self)
    }
    state.logCount += log.count
    // 1024 entries at a time, so that few batches trim and none trims many.
    if state.logCount > Self.logLimit { try trimLog(to: Self.logLimit - 1024) }
  }

  /// Removes the oldest entries of the log until at most `limit` are left.
  private mutating func trimLog(to limit: Int) throws {
    while state.logCount > limit {
      guard let oldest = try reader.firstKey(of: Tables.Log.self) else { return }
      try deleteUnjournaled(oldest, in: Tables.Log.self)
      state.logCount -= 1
      // A batch that lost an entry is incomplete: the log begins after it.
      state.logFirst = oldest.sequence + 1
    }
  }

  private mutating func writeTokens() throws {
    for token in tokens {
      let hash = UserKey(token, secret: store.secret)
      let sequence = state.batchSequence
      let value = encoded { writer in
        writer.map(count: 2)
        writer.key("token")
        writer.text(token)
        writer.key("sequence")
        writer.unsigned(sequence)
      }
      try putUnjournaled(.token(hash), value, in: Tables.Tokens.self)
      try putUnjournaled(.order(sequence: sequence, hash), [], in: Tables.Tokens.self)
      state.tokens += 1
    }
    while state.tokens > Self.tokenLimit,
      case .order(let sequence, let hash)? = try reader.firstKey(of: Tables.Tokens.self, prefix: TokenKey.orderPrefix)
    {
      try deleteUnjournaled(.order(sequence: sequence, hash), in: Tables.Tokens.self)
      try deleteUnjournaled(.token(hash), in: Tables.Tokens.self)
      state.tokens -= 1
    }
  }
}
