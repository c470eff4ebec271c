import LMDB

extension Tables {
  /// What the last commits changed: a ``LogRecord`` for each change.
  enum Log: Table {
    static let name = "log"
    static let number = 11

    static func owner(_ key: LogKey, _ value: RawSpan, secret: [UInt8]) throws -> EntryOwner {
      let record = try LogRecord(value)
      return EntryOwner(user: UserKey(record.userID, secret: secret), memory: record.memoryID)
    }
  }
}

/// batchSequence ‖ n.
struct LogKey: TableKey {
  let sequence: UInt64
  let index: UInt32

  init(sequence: UInt64, index: UInt32) {
    self.sequence = sequence
    self.index = index
  }

  var encoded: Key {
    var key = Key()
    key.append(sequence)
    key.append(index)
    return key
  }

  init(decoding bytes: RawSpan) throws(StoreError) {
    try bytes.requireCount(12, Tables.Log.name)
    self.init(sequence: bytes.bigEndian(at: 0), index: bytes.bigEndian(at: 8))
  }
}
