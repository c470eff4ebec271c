import LMDB

/// Copies contexts and their history as they are, byte by byte.
struct ContextCopy: ~Escapable {
  private let reader: RecordReader

  @_lifetime(copy reader)
  init(_ reader: RecordReader) { self.reader = reader }

  /// Copies all contexts of a user who has none in the target.
  ///
  /// - Returns: How many there were.
  func copyAll(of key: UserKey, _ userID: String, _ bytes: inout Int, _ transaction: inout WriteTransaction) throws -> Int {
    var names: [ContextKey] = []
    try copy(Tables.Contexts.self, withPrefix: key.prefix, &bytes, &transaction) { names.append($0) }
    for name in names { try copy(Tables.History.self, withPrefix: name.versionPrefix, &bytes, &transaction) }
    try count(names.count, key, userID, &transaction)
    return names.count
  }

  /// Brings one context of the target up to the reader's instant.
  func copy(_ userID: String, _ recordType: String, _ transaction: inout WriteTransaction) throws {
    let name = ContextKey(user: reader.userKey(userID), recordType: recordType)
    if try transaction.batch.reader.contains(name, in: Tables.Contexts.self) {
      try transaction.batch.delete(name, in: Tables.Contexts.self)
      try count(-1, name.user, userID, &transaction)
    }
    try transaction.trimHistory(name.versionPrefix, newest: .max, keeping: 0)
    guard let value = try reader.value(name, in: Tables.Contexts.self) else { return }
    try transaction.batch.put(name, unsafe value.withUnsafeBytes { unsafe Array($0) }, in: Tables.Contexts.self)
    var bytes = 0
    try copy(Tables.History.self, withPrefix: name.versionPrefix, &bytes, &transaction)
    try count(1, name.user, userID, &transaction)
  }

  private func copy<T: Table>(
    _ table: T.Type, withPrefix prefix: Key, _ bytes: inout Int, _ transaction: inout WriteTransaction,
    _ copied: (T.EntryKey) -> Void = { _ in }
  ) throws {
    try reader.walk(table, prefix: prefix) { key, value in
      try transaction.batch.put(key, unsafe value.withUnsafeBytes { unsafe Array($0) }, in: table)
      bytes -= value.byteCount
      copied(key)
      return true
    }
  }

  private func count(_ change: Int, _ key: UserKey, _ userID: String, _ transaction: inout WriteTransaction) throws {
    if change == 0 { return }
    try transaction.batch.updateUser(key, userID) { user, _ in user.contexts += change }
    transaction.batch.countContexts(change)
  }
}
