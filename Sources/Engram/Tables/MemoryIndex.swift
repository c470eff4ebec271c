import LMDB

/// A table whose entries follow from the memories alone, one memory at a time.
///
/// A new index is one file with its table, its key and this function, and one name in ``Tables/all``: adding, changing, deleting, copying
/// and erasing memories need no more, and a verification checks its values and keys. Row blocks are no index, because the place of a row
/// depends on what was stored before.
protocol MemoryIndex: Table {
  /// Calls `body` with each entry that the memory has in the table: none, one or several.
  static func forEachEntry(of memory: Memory, _ owner: IndexOwner, _ body: (EntryKey, [UInt8]) throws -> Void) rethrows
}

/// The user whose memory is indexed, and the store's secret, with which names are hashed to keys.
struct IndexOwner {
  let key: UserKey
  let secret: [UInt8]

  func key(of name: String) -> UserKey { UserKey(name, secret: secret) }
}

extension Tables {
  /// All indexes, in the order of their numbers.
  static let indexes = all.compactMap { $0 as? any MemoryIndex.Type }
}
