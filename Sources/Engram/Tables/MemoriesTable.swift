import LMDB

extension Tables {
  /// A ``MemoryRecord`` for each memory.
  enum Memories: Table {
    static let name = "memories"
    static let number = 4

    static func owner(_ key: MemoryID, _ value: RawSpan, secret: [UInt8]) throws -> EntryOwner {
      EntryOwner(user: UserKey(try MemoryRecord(value, id: key).memory.userID, secret: secret), memory: key)
    }
  }
}

extension MemoryID: TableKey {
  var encoded: Key {
    var key = Key()
    key.append(self)
    return key
  }

  init(decoding bytes: RawSpan) throws(StoreError) {
    try bytes.requireCount(16, Tables.Memories.name)
    self.init(bytes, at: 0)
  }
}
