import LMDB

/// What one body changed, as it was before: a body that throws is undone, and the other bodies of its batch stay.
struct WriteJournal {
  /// In the order of the changes; undone backwards.
  var values: [(database: Database, key: Key, old: [UInt8]?)] = []
  /// As they were at the body's first touch.
  var users: [UserKey: UserRecord?] = [:]
  var blocks: [BlockKey: WriteBatch.Block?] = [:]
  let state: StateRecord
  let logCount: Int
  let tokenCount: Int
  let rowMark: Int
}
