import LMDB

extension Tables {
  /// The words of each user's memories by time, some tens of memories to a record: a ``WordsBlock`` each.
  ///
  /// A key has the time and id of the record's first memory.
  enum Words: Table {
    static let name = "words"
    static let number = 13
    static let option = OptionalTables.words

    static func owner(_ key: WordsKey, _ value: RawSpan, secret: [UInt8]) throws -> EntryOwner {
      let view = try WordsView(value)
      return EntryOwner(user: key.user, memories: (0..<view.count).map { view.id($0) })
    }
  }
}

/// userKey ‖ createdAt ‖ MemoryID.
struct WordsKey: TableKey {
  let user: UserKey
  /// Milliseconds since 1970.
  let createdAt: Int64
  let id: MemoryID

  init(user: UserKey, createdAt: Int64, id: MemoryID) {
    self.user = user
    self.createdAt = createdAt
    self.id = id
  }

  var encoded: Key {
    var key = user.prefix
    key.append(createdAt)
    key.append(id)
    return key
  }

  init(decoding bytes: RawSpan) throws(StoreError) {
    try bytes.requireCount(40, Tables.Words.name)
    self.init(user: UserKey(bytes), createdAt: bytes.orderedInt64(at: 16), id: MemoryID(bytes, at: 24))
  }
}
