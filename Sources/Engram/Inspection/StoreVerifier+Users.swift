import LMDB

/// Users, contexts, and the store's own records.
extension StoreVerifier {
  mutating func checkMeta(_ cursor: borrowing Cursor) throws {
    let value = try cursor.value()
    if cursor.key.equals(Key.store.bytes) {
      let record = try StoreRecord(value)
      // The embedder may have been pinned since the store was opened.
      guard record.storeID == reader.store.storeID, record.generation == reader.store.generation,
        record.dimension == reader.store.dimension,
        record.metric == reader.store.metric, record.secret == reader.store.secret
      else { throw StoreError(.corrupted, "the store's own record has changed since it was opened") }
    } else if cursor.key.equals(Key.state.bytes) {
      _ = try StateRecord(value)
    } else {
      throw StoreError(.corrupted, "there is a record with the unknown key \(cursor.key.hexadecimal)")
    }
  }

  mutating func checkUser(_ cursor: borrowing Cursor) throws {
    guard cursor.key.byteCount == 16 else { throw StoreError(.corrupted, "a key has \(cursor.key.byteCount) bytes") }
    let key = UserKey(cursor.key)
    let user = try UserRecord(try cursor.value())
    guard reader.userKey(user.userID) == key else { throw StoreError(.corrupted, "'\(user.userID)' stands under another user's key") }
    let tally = tallies.removeValue(forKey: key) ?? Tally()
    func compare(_ name: String, _ counted: Int, _ found: Int) {
      if counted != found { report.add("users: '\(user.userID)' has \(counted) \(name) by its record, and \(found) by count") }
    }
    compare("contexts", user.contexts, tally.contexts)
    // A damaged record does not say whose it is.
    if damagedMemories.isEmpty {
      compare("memories", user.memories, tally.memories)
      compare("rows", user.rows, tally.rows)
      compare("live rows in blocks", user.rows, tally.liveSlots)
    }
  }

  mutating func checkContext(_ cursor: borrowing Cursor) throws {
    guard cursor.key.byteCount > 16 else { throw StoreError(.corrupted, "a key has \(cursor.key.byteCount) bytes") }
    report.contexts += 1
    let key = UserKey(cursor.key)
    tallies[key, default: Tally()].contexts += 1
    try checkEnvelope(cursor, key, cursor.key.text(from: 16))
  }

  mutating func checkHistory(_ cursor: borrowing Cursor) throws {
    let count = cursor.key.byteCount
    guard count > 25, cursor.key.bigEndian(at: count - 9, as: UInt8.self) == 0 else {
      throw StoreError(.corrupted, "a key has the wrong shape")
    }
    let recordType = cursor.key.extracting(0..<count - 9).text(from: 16)
    let key = UserKey(cursor.key)
    let version = try checkEnvelope(cursor, key, recordType)
    guard version == cursor.key.bigEndian(at: count - 8, as: UInt64.self) else {
      throw StoreError(.corrupted, "version \(version) of a \(recordType) stands under another number")
    }
    if try !reader.view.contains(.context(key, recordType), in: reader.schema.contexts) {
      throw StoreError(.corrupted, "version \(version) of a \(recordType) has no present one")
    }
  }

  /// - Returns: The version.
  @discardableResult
  private func checkEnvelope(_ cursor: borrowing Cursor, _ key: UserKey, _ recordType: String) throws -> UInt64 {
    try Limits.checkRecordType(recordType)
    return try ContextEnvelope.read(try cursor.value()) { header, record in
      guard reader.userKey(header.userID) == key else {
        throw StoreError(.corrupted, "the \(recordType) of '\(header.userID)' stands under another user's key")
      }
      guard header.version > 0, case .map = try record.readValue() else {
        throw StoreError(.corrupted, "the \(recordType) of '\(header.userID)' is not a map with a version")
      }
      return header.version
    }
  }

  mutating func checkToken(_ cursor: borrowing Cursor) throws {
    let kind = cursor.key.byteCount > 0 ? cursor.key.bigEndian(at: 0, as: UInt8.self) : 0xFF
    let schema = reader.schema
    switch (kind, cursor.key.byteCount) {
    case (0, 17):
      let sequence = try RecordCoding.decode(try cursor.value(), "a token") { reader throws(CBORError) in
        var sequence: UInt64?
        unsafe try RecordCoding.readMap(&reader) { key, reader throws(CBORError) in
          guard unsafe key.equals("sequence") else { return false }
          sequence = try reader.readUInt64()
          return true
        }
        return try reader.required(sequence, "sequence")
      }
      if try !reader.view.contains(.tokenOrder(sequence, UserKey(cursor.key, at: 1)), in: schema.tokens) {
        throw StoreError(.corrupted, "a token of batch \(sequence) is missing in the order of tokens")
      }
    case (1, 25):
      _ = try cursor.value()
      if try !reader.view.contains(.token(UserKey(cursor.key, at: 9)), in: schema.tokens) {
        throw StoreError(.corrupted, "the order of tokens names one that is missing")
      }
    default: throw StoreError(.corrupted, "a key has the wrong shape")
    }
  }

  mutating func checkLog(_ cursor: borrowing Cursor) throws {
    guard cursor.key.byteCount == 12 else { throw StoreError(.corrupted, "a key has \(cursor.key.byteCount) bytes") }
    _ = try LogRecord(try cursor.value())
    let sequence = cursor.key.bigEndian(at: 0, as: UInt64.self)
    guard sequence <= state.batchSequence else {
      throw StoreError(.corrupted, "there is an entry of batch \(sequence), the last one is \(state.batchSequence)")
    }
  }
}
