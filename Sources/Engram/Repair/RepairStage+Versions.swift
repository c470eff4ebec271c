import LMDB

extension RepairStage {
  /// Makes the newest earlier version of each context that is lost the present one.
  mutating func promoteVersions(_ notes: RepairNotes) throws {
    let headless = try read { reader in try Self.versionsWithoutContext(reader) }
    guard !headless.isEmpty else { return }
    try change { _, transaction in
      for name in headless { try Self.promote(name, &transaction, notes) }
    }
  }

  private static func versionsWithoutContext(_ reader: borrowing RecordReader) throws -> [ContextName] {
    var names: [ContextName] = []
    var cursor = try reader.view.cursor(in: reader.schema.history)
    var found = try cursor.first()
    while found {
      let (user, recordType) = (UserKey(cursor.key), cursor.key.extracting(0..<cursor.key.byteCount - 9).text(from: 16))
      if try !reader.view.contains(.context(user, recordType), in: reader.schema.contexts) {
        names.append(ContextName(user: user, recordType: recordType))
      }
      guard let next = Key.history(user, recordType).successorOfPrefix() else { break }
      found = try cursor.seek(to: next)
    }
    return names
  }

  private static func promote(_ name: ContextName, _ transaction: inout WriteTransaction, _ notes: RepairNotes) throws {
    guard let newest = try newestVersion(name, transaction.batch.reader) else { return }
    let schema = transaction.batch.schema
    try transaction.batch.put(.context(name.user, name.recordType), newest.value, in: schema.contexts)
    try transaction.batch.delete(.history(name.user, name.recordType, version: newest.version), in: schema.history)
    try transaction.batch.updateUser(name.user, newest.userID) { user, _ in user.contexts += 1 }
    transaction.batch.countContexts(1)
    notes.lose("the \(name.recordType) of '\(newest.userID)' is lost: version \(newest.version), the newest that is sound, takes its place")
  }

  private static func newestVersion(_ name: ContextName, _ reader: borrowing RecordReader) throws -> SalvagedEntry.Context? {
    let prefix = Key.history(name.user, name.recordType)
    guard let end = prefix.successorOfPrefix() else { return nil }
    var cursor = try reader.view.cursor(in: reader.schema.history)
    guard try cursor.seek(before: end), cursor.key.hasPrefix(prefix.bytes) else { return nil }
    let value = try cursor.valueBytes()
    return try ContextEnvelope.read(unsafe value.span.bytes) { header, _ in
      SalvagedEntry.Context(userID: header.userID, recordType: name.recordType, version: header.version, value: value)
    }
  }
}
