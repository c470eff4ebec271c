import LMDB

extension Tables {
  /// The memories that expire, by time. A value is the owner's ``UserKey``.
  enum Expiry: MemoryIndex {
    static let name = "expiry"
    static let number = 8

    static func owner(_ key: ExpiryKey, _ value: RawSpan, secret: [UInt8]) throws -> EntryOwner {
      EntryOwner(user: try self.value(value), memory: key.id)
    }

    /// - Throws: ``StoreError`` `.corrupted`.
    static func value(_ bytes: RawSpan) throws(StoreError) -> UserKey {
      guard bytes.byteCount == 16 else { throw StoreError(.corrupted, "a record of expiry has \(bytes.byteCount) bytes") }
      return UserKey(bytes)
    }

    static func encoded(_ owner: UserKey) -> [UInt8] {
      var bytes: [UInt8] = []
      bytes.appendBigEndian(owner.high)
      bytes.appendBigEndian(owner.low)
      return bytes
    }

    static func forEachEntry(of memory: Memory, _ owner: IndexOwner, _ body: (ExpiryKey, [UInt8]) throws -> Void) rethrows {
      guard let expiresAt = memory.expiresAt else { return }
      try body(ExpiryKey(expiresAt: expiresAt.milliseconds, id: memory.id), encoded(owner.key))
    }
  }
}

/// time ‖ MemoryID.
struct ExpiryKey: TableKey {
  /// Milliseconds since 1970.
  let expiresAt: Int64
  let id: MemoryID

  init(expiresAt: Int64, id: MemoryID) {
    self.expiresAt = expiresAt
    self.id = id
  }

  var encoded: Key {
    var key = Key()
    key.append(expiresAt)
    key.append(id)
    return key
  }

  init(decoding bytes: RawSpan) throws(StoreError) {
    try bytes.requireCount(24, Tables.Expiry.name)
    self.init(expiresAt: bytes.orderedInt64(at: 0), id: MemoryID(bytes, at: 8))
  }
}
