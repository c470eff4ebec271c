import LMDB

extension Tables {
  /// The memory that has a user's dedupe key. A value is its ``MemoryID``.
  enum Dedupe: MemoryIndex {
    static let name = "dedupe"
    static let number = 9

    static func owner(_ key: DedupeKey, _ value: RawSpan, secret: [UInt8]) throws -> EntryOwner {
      EntryOwner(user: key.user, memory: try self.value(value))
    }

    /// - Throws: ``StoreError`` `.corrupted`.
    static func value(_ bytes: RawSpan) throws(StoreError) -> MemoryID {
      guard bytes.byteCount == 16 else { throw StoreError(.corrupted, "a record of dedupe has \(bytes.byteCount) bytes") }
      return MemoryID(bytes, at: 0)
    }

    static func forEachEntry(of memory: Memory, _ owner: IndexOwner, _ body: (DedupeKey, [UInt8]) throws -> Void) rethrows {
      guard let dedupeKey = memory.dedupeKey else { return }
      try body(DedupeKey(user: owner.key, hash: owner.key(of: dedupeKey)), memory.id.bytes)
    }
  }
}

/// userKey ‖ hash of the dedupe key.
struct DedupeKey: TableKey {
  let user: UserKey
  let hash: UserKey

  init(user: UserKey, hash: UserKey) {
    self.user = user
    self.hash = hash
  }

  var encoded: Key {
    var key = user.prefix
    key.append(hash)
    return key
  }

  init(decoding bytes: RawSpan) throws(StoreError) {
    try bytes.requireCount(32, Tables.Dedupe.name)
    self.init(user: UserKey(bytes), hash: UserKey(bytes, at: 16))
  }
}
