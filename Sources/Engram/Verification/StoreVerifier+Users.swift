import Formats
import LMDB

/// Users, contexts, and the store's own records.
extension StoreVerifier {
  mutating func checkMeta(_ entry: StoredEntry) throws {
    if entry.key.equals(Key.store.bytes) {
      let record = try StoreRecord(entry.value)
      // The embedder may have been pinned since the store was opened.
      guard record.storeID == reader.store.storeID, record.generation == reader.store.generation,
        record.dimension == reader.store.dimension,
        record.metric == reader.store.metric, record.secret == reader.store.secret
      else { throw StoreError(.corrupted, "the store's own record has changed since it was opened") }
    } else if entry.key.equals(Key.state.bytes) {
      _ = try StateRecord(entry.value)
    } else {
      throw StoreError(.corrupted, "there is a record with the unknown key \(entry.key.hexadecimal)")
    }
  }

  mutating func checkUser(_ entry: StoredEntry) throws {
    guard entry.key.byteCount == 16 else { throw StoreError(.corrupted, "a key has \(entry.key.byteCount) bytes") }
    let key = UserKey(entry.key)
    let user = try UserRecord(entry.value)
    guard reader.userKey(user.userID) == key else { throw StoreError(.corrupted, "'\(user.userID)' stands under another user's key") }
    let number = self.number(of: key)
    users.elements[number].hasRecord = true
    let tally = users.elements[number]
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

  mutating func checkContext(_ entry: StoredEntry) throws {
    guard entry.key.byteCount > 16 else { throw StoreError(.corrupted, "a key has \(entry.key.byteCount) bytes") }
    report.contexts += 1
    let key = UserKey(entry.key)
    users.elements[number(of: key)].contexts += 1
    try checkEnvelope(entry, key, entry.key.text(from: 16))
  }

  mutating func checkHistory(_ entry: StoredEntry) throws {
    let count = entry.key.byteCount
    guard count > 25, entry.key.bigEndian(at: count - 9, as: UInt8.self) == 0 else {
      throw StoreError(.corrupted, "a key has the wrong shape")
    }
    let recordType = entry.key.extracting(0..<count - 9).text(from: 16)
    let key = UserKey(entry.key)
    let version = try checkEnvelope(entry, key, recordType)
    guard version == entry.key.bigEndian(at: count - 8, as: UInt64.self) else {
      throw StoreError(.corrupted, "version \(version) of a \(recordType) stands under another number")
    }
    if try !reader.view.contains(.context(key, recordType), in: reader.schema.contexts) {
      throw StoreError(.corrupted, "version \(version) of a \(recordType) has no present one")
    }
  }

  /// - Returns: The version.
  @discardableResult
  private func checkEnvelope(_ entry: StoredEntry, _ key: UserKey, _ recordType: String) throws -> UInt64 {
    try Limits.checkRecordType(recordType)
    return try ContextEnvelope.read(entry.value) { header, record in
      guard reader.userKey(header.userID) == key else {
        throw StoreError(.corrupted, "the \(recordType) of '\(header.userID)' stands under another user's key")
      }
      guard header.version > 0, case .map = try record.readValue() else {
        throw StoreError(.corrupted, "the \(recordType) of '\(header.userID)' is not a map with a version")
      }
      return header.version
    }
  }

  mutating func checkToken(_ entry: StoredEntry) throws {
    let kind = entry.key.byteCount > 0 ? entry.key.bigEndian(at: 0, as: UInt8.self) : 0xFF
    let schema = reader.schema
    switch (kind, entry.key.byteCount) {
    case (0, 17):
      let sequence = try RecordCoding.decode(entry.value, "a token") { reader throws(CBORError) in
        var sequence: UInt64?
        unsafe try RecordCoding.readMap(&reader) { key, reader throws(CBORError) in
          guard unsafe key.equals("sequence") else { return false }
          sequence = try reader.readUInt64()
          return true
        }
        return try reader.required(sequence, "sequence")
      }
      if try !reader.view.contains(.tokenOrder(sequence, UserKey(entry.key, at: 1)), in: schema.tokens) {
        throw StoreError(.corrupted, "a token of batch \(sequence) is missing in the order of tokens")
      }
    case (1, 25):
      if try !reader.view.contains(.token(UserKey(entry.key, at: 9)), in: schema.tokens) {
        throw StoreError(.corrupted, "the order of tokens names one that is missing")
      }
    default: throw StoreError(.corrupted, "a key has the wrong shape")
    }
  }

  mutating func checkLog(_ entry: StoredEntry) throws {
    guard entry.key.byteCount == 12 else { throw StoreError(.corrupted, "a key has \(entry.key.byteCount) bytes") }
    _ = try LogRecord(entry.value)
    let sequence = entry.key.bigEndian(at: 0, as: UInt64.self)
    guard sequence <= state.batchSequence else {
      throw StoreError(.corrupted, "there is an entry of batch \(sequence), the last one is \(state.batchSequence)")
    }
  }
}
