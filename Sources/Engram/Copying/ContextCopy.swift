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
    let contexts = try copy(
      withPrefix: .user(key), from: reader.schema.contexts, to: transaction.batch.schema.contexts, &bytes, &transaction)
    _ = try copy(withPrefix: .user(key), from: reader.schema.history, to: transaction.batch.schema.history, &bytes, &transaction)
    try count(contexts, key, userID, &transaction)
    return contexts
  }

  /// Brings one context of the target up to the reader's instant.
  func copy(_ userID: String, _ recordType: String, _ transaction: inout WriteTransaction) throws {
    let key = reader.userKey(userID)
    let name = Key.context(key, recordType)
    let schema = transaction.batch.schema
    if try transaction.batch.reader.view.contains(name, in: schema.contexts) {
      try transaction.batch.delete(name, in: schema.contexts)
      try count(-1, key, userID, &transaction)
    }
    try transaction.trimHistory(key, recordType, newest: .max, keeping: 0)
    guard let value = try reader.view.value(name, in: reader.schema.contexts) else { return }
    try transaction.batch.put(name, unsafe value.withUnsafeBytes { unsafe Array($0) }, in: schema.contexts)
    var bytes = 0
    _ = try copy(withPrefix: .history(key, recordType), from: reader.schema.history, to: schema.history, &bytes, &transaction)
    try count(1, key, userID, &transaction)
  }

  private func copy(
    withPrefix prefix: Key, from source: Database, to target: Database, _ bytes: inout Int, _ transaction: inout WriteTransaction
  ) throws -> Int {
    var count = 0
    var cursor = try reader.view.cursor(in: source)
    var found = try cursor.seek(to: prefix)
    while found, cursor.key.hasPrefix(prefix.bytes) {
      let value = try cursor.valueBytes()
      try transaction.batch.put(Key(cursor.key), value, in: target)
      bytes -= value.count
      count += 1
      found = try cursor.next()
    }
    return count
  }

  private func count(_ change: Int, _ key: UserKey, _ userID: String, _ transaction: inout WriteTransaction) throws {
    if change == 0 { return }
    try transaction.batch.updateUser(key, userID) { user, _ in user.contexts += change }
    transaction.batch.countContexts(change)
  }
}
