import LMDB

extension Tables {
  /// A ``UserRecord`` for each user who has a memory or a context.
  enum Users: Table {
    static let name = "users"
    static let number = 1

    static func owner(_ key: UserKey, _ value: RawSpan, secret: [UInt8]) -> EntryOwner { .user(key) }
  }
}

extension UserKey: TableKey {
  var encoded: Key { prefix }

  init(decoding bytes: RawSpan) throws(StoreError) {
    try bytes.requireCount(16, Tables.Users.name)
    self.init(bytes)
  }
}
