import LMDB

extension Tables {
  /// A ``BlockRecord`` for each run of a user's rows.
  enum Blocks: Table {
    static let name = "blocks"
    static let number = 6

    static func owner(_ key: BlockKey, _ value: RawSpan, secret: [UInt8]) -> EntryOwner { .user(key.user) }
  }

  /// What filters and results need of a block's rows: ``BlockColumns``.
  enum Columns: Table {
    static let name = "columns"
    static let number = 7

    static func owner(_ key: BlockKey, _ value: RawSpan, secret: [UInt8]) throws -> EntryOwner {
      let columns = try ColumnsView(value)
      return EntryOwner(user: key.user, memories: (0..<columns.count).map { columns.id($0) })
    }
  }
}

/// userKey ‖ number. A user's blocks are counted from zero in the order of allocation.
struct BlockKey: TableKey {
  let user: UserKey
  let number: UInt32

  init(user: UserKey, number: UInt32) {
    self.user = user
    self.number = number
  }

  var encoded: Key {
    var key = user.prefix
    key.append(number)
    return key
  }

  init(decoding bytes: RawSpan) throws(StoreError) {
    try bytes.requireCount(20, Tables.Blocks.name)
    self.init(user: UserKey(bytes), number: bytes.bigEndian(at: 16))
  }
}
