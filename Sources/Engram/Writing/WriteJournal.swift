import LMDB

/// The old values of what one body changed: if a body throws, it alone is undone, and the other bodies of its batch stay.
struct WriteJournal {
  /// In the order of the changes; undone backwards.
  var values: [(database: Database, key: Key, old: [UInt8]?)] = []
  /// As they were when the body first used them; nil: they did not exist.
  var users: [UserKey: UserRecord?] = [:]
  var blocks: [BlockKey: WriteBatch.Block?] = [:]
  let state: StateRecord
  let logCount: Int
  let tokenCount: Int
  let rowMark: Int
}
