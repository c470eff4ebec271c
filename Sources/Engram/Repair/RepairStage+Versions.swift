import LMDB

extension RepairStage {
  /// Replaces each lost context by its newest earlier version.
  mutating func promoteVersions(_ notes: RepairNotes) throws {
    let headless = try read { reader in try Self.versionsWithoutContext(reader) }
    guard !headless.isEmpty else { return }
    try change { _, transaction in
      for name in headless { try Self.promote(name, &transaction, notes) }
    }
  }

  private static func versionsWithoutContext(_ reader: borrowing RecordReader) throws -> [ContextKey] {
    var names: [ContextKey] = []
    var last: ContextKey?
    try reader.walkKeys(Tables.History.self) { entry in
      // A version of a memory is copied with its memory; without the memory it is dropped.
      guard case .context(let key) = entry else { return true }
      if key.context == last { return true }
      last = key.context
      if try !reader.contains(key.context, in: Tables.Contexts.self) { names.append(key.context) }
      return true
    }
    return names
  }

  private static func promote(_ name: ContextKey, _ transaction: inout WriteTransaction, _ notes: RepairNotes) throws {
    guard let newest = try newestVersion(name, transaction.batch.reader) else { return }
    try transaction.batch.put(name, newest.value, in: Tables.Contexts.self)
    try transaction.batch.delete(.context(ContextVersionKey(name, version: newest.version)), in: Tables.History.self)
    try transaction.batch.updateUser(name.user, newest.userID) { user, _ in user.contexts += 1 }
    transaction.batch.countContexts(1)
    notes.lose("the \(name.recordType) of '\(newest.userID)' is lost: version \(newest.version), the newest that is sound, takes its place")
  }

  private static func newestVersion(_ name: ContextKey, _ reader: borrowing RecordReader) throws -> SalvagedEntry.Context? {
    var newest: SalvagedEntry.Context?
    try reader.walk(Tables.History.self, prefix: name.versionPrefix, backwards: true) { _, value in
      let bytes = unsafe value.withUnsafeBytes { unsafe Array($0) }
      newest = try ContextEnvelope.read(value) { header, _ in
        SalvagedEntry.Context(userID: header.userID, recordType: name.recordType, version: header.version, value: bytes)
      }
      return false
    }
    return newest
  }
}
