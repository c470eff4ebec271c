import LMDB

/// Where a walk over a table begins.
enum WalkStart<EntryKey: TableKey> {
  /// At the first entry in the direction of the walk.
  case end
  /// At this key; if it is missing, at the next one in the direction of the walk.
  case at(EntryKey)
  /// At the first entry after this key, in the direction of the walk.
  case after(EntryKey)
}

/// Typed reads: every key is encoded and decoded by its table.
extension RecordReader {
  /// Whether the table exists and is complete. An optional one for which that is false must not be read.
  func has(_ table: any Table.Type) throws -> Bool {
    try table.option.isEmpty || state().tables.isSuperset(of: table.option)
  }

  /// The value of `key`, without its checksum; nil if the key is missing.
  @_lifetime(copy self)
  func value<T: Table>(_ key: T.EntryKey, in table: T.Type) throws(LMDBError) -> RawSpan? {
    try view.value(key.encoded, in: schema[table])
  }

  func contains<T: Table>(_ key: T.EntryKey, in table: T.Type) throws(LMDBError) -> Bool {
    try view.contains(key.encoded, in: schema[table])
  }

  /// How many entries the table has.
  func entryCount(of table: (some Table).Type) throws(LMDBError) -> Int { try view.statistics(of: schema[table]).entries }

  /// Calls `body` with each entry whose key begins with `prefix`, in the order of keys, until it returns false.
  ///
  /// - Throws: ``StoreError`` `.corrupted` for a key of another shape, `LMDBError` for a damaged value, and what `body` throws.
  func walk<T: Table>(
    _ table: T.Type, prefix: Key = Key(), from start: WalkStart<T.EntryKey> = .end, backwards: Bool = false,
    _ body: (T.EntryKey, RawSpan) throws -> Bool
  ) throws {
    var cursor = try view.cursor(in: schema[table])
    var found = try cursor.begin(prefix, start, backwards: backwards)
    while found, cursor.key.hasPrefix(prefix.bytes) {
      if try !body(T.EntryKey(decoding: cursor.key), cursor.value()) { return }
      found = backwards ? try cursor.previous() : try cursor.next()
    }
  }

  /// As ``walk(_:prefix:from:backwards:_:)``, but without reading the values, so that a damaged value does not throw.
  func walkKeys<T: Table>(
    _ table: T.Type, prefix: Key = Key(), from start: WalkStart<T.EntryKey> = .end, backwards: Bool = false,
    _ body: (T.EntryKey) throws -> Bool
  ) throws {
    var cursor = try view.cursor(in: schema[table])
    var found = try cursor.begin(prefix, start, backwards: backwards)
    while found, cursor.key.hasPrefix(prefix.bytes) {
      if try !body(T.EntryKey(decoding: cursor.key)) { return }
      found = backwards ? try cursor.previous() : try cursor.next()
    }
  }

  /// The first key that begins with `prefix`, or with `backwards` the last one; nil if there is none.
  func firstKey<T: Table>(of table: T.Type, prefix: Key = Key(), backwards: Bool = false) throws -> T.EntryKey? {
    var first: T.EntryKey?
    try walkKeys(table, prefix: prefix, backwards: backwards) { key in
      first = key
      return false
    }
    return first
  }
}

extension Cursor {
  /// Moves to the first entry of a walk.
  ///
  /// - Returns: Whether there is one; it may lie outside of the prefix.
  fileprivate mutating func begin<EntryKey: TableKey>(
    _ prefix: Key, _ start: WalkStart<EntryKey>, backwards: Bool
  ) throws(LMDBError) -> Bool {
    switch start {
    case .end where !backwards: return try prefix.count == 0 ? first() : seek(to: prefix)
    case .end:
      guard prefix.count > 0, let end = prefix.successorOfPrefix() else { return try last() }
      return try seek(before: end)
    case .at(let key):
      let bytes = key.encoded
      guard try seek(to: bytes) else { return backwards ? try last() : false }
      return !backwards || self.key.equals(bytes.bytes) ? true : try previous()
    case .after(let key):
      let bytes = key.encoded
      if backwards { return try seek(before: bytes) }
      guard try seek(to: bytes) else { return false }
      return self.key.equals(bytes.bytes) ? try next() : true
    }
  }
}
