import Formats
import LMDB

/// Checks users, contexts, tokens, the log and the store's own records.
extension StoreVerifier {
  mutating func checkMeta(_ key: MetaKey, _ value: RawSpan) throws {
    switch key {
    case .store:
      let record = try StoreRecord(value)
      // The embedder may have been pinned since the store was opened.
      guard record.storeID == reader.store.storeID, record.generation == reader.store.generation,
        record.dimension == reader.store.dimension,
        record.metric == reader.store.metric, record.secret == reader.store.secret
      else { throw StoreError(.corrupted, "the store's own record has changed since it was opened") }
      features = record.features
    case .state: _ = try StateRecord(value)
    }
  }

  mutating func checkUser(_ key: UserKey, _ value: RawSpan) throws {
    let user = try UserRecord(value)
    guard reader.userKey(user.userID) == key else { throw StoreError(.corrupted, "'\(user.userID)' is under another user's key") }
    let number = self.number(of: key)
    users.elements[number].hasRecord = true
    let tally = users.elements[number]
    func compare(_ name: String, _ counted: Int, _ found: Int) {
      if counted != found { report.add("users: '\(user.userID)' has \(counted) \(name) by its record, and \(found) by count") }
    }
    compare("contexts", user.contexts, tally.contexts)
    // A damaged record of a memory does not tell its user, whose counts would differ.
    if damagedMemories.isEmpty {
      compare("memories", user.memories, tally.memories)
      compare("rows", user.rows, tally.rows)
      compare("live rows in blocks", user.rows, tally.liveSlots)
    }
  }

  mutating func checkContext(_ key: ContextKey, _ value: RawSpan) throws {
    report.contexts += 1
    users.elements[number(of: key.user)].contexts += 1
    try checkEnvelope(key, value)
  }

  mutating func checkHistory(_ key: HistoryKey, _ value: RawSpan) throws {
    switch key {
    case .context(let key): try checkVersion(key, value)
    case .memory(let key): try checkVersion(key, value)
    }
  }

  private func checkVersion(_ key: ContextVersionKey, _ value: RawSpan) throws {
    let recordType = key.context.recordType
    let version = try checkEnvelope(key.context, value)
    guard version == key.version else { throw StoreError(.corrupted, "version \(version) of a \(recordType) is under another number") }
    if try !reader.contains(key.context, in: Tables.Contexts.self) {
      throw StoreError(.corrupted, "version \(version) of a \(recordType) has no present one")
    }
  }

  /// - Returns: The version.
  @discardableResult
  private func checkEnvelope(_ key: ContextKey, _ value: RawSpan) throws -> UInt64 {
    let recordType = key.recordType
    try Limits.checkRecordType(recordType)
    return try ContextEnvelope.read(value) { header, record in
      guard reader.userKey(header.userID) == key.user else {
        throw StoreError(.corrupted, "the \(recordType) of '\(header.userID)' is under another user's key")
      }
      guard header.version > 0, case .map = try record.readValue() else {
        throw StoreError(.corrupted, "the \(recordType) of '\(header.userID)' is not a map with a version")
      }
      return header.version
    }
  }

  mutating func checkToken(_ key: TokenKey, _ value: RawSpan) throws {
    switch key {
    case .token(let hash):
      let sequence = try RecordCoding.decode(value, "a token") { reader throws(CBORError) in
        var sequence: UInt64?
        unsafe try RecordCoding.readMap(&reader) { key, reader throws(CBORError) in
          guard unsafe key.equals("sequence") else { return false }
          sequence = try reader.readUInt64()
          return true
        }
        return try reader.required(sequence, "sequence")
      }
      if try !reader.contains(.order(sequence: sequence, hash), in: Tables.Tokens.self) {
        throw StoreError(.corrupted, "a token of batch \(sequence) is missing in the order of tokens")
      }
    case .order(_, let hash):
      if try !reader.contains(.token(hash), in: Tables.Tokens.self) {
        throw StoreError(.corrupted, "the order of tokens names one that is missing")
      }
    }
  }

  mutating func checkLog(_ key: LogKey, _ value: RawSpan) throws {
    _ = try LogRecord(value)
    guard key.sequence <= state.batchSequence else {
      throw StoreError(.corrupted, "there is an entry of batch \(key.sequence), the last one is \(state.batchSequence)")
    }
  }
}
