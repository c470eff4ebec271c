import LMDB

extension Tables {
  /// Each session's memories by time. The values are empty.
  enum Sessions: MemoryIndex {
    static let name = "sessions"
    static let number = 12
    static let option = OptionalTables.sessions

    static func owner(_ key: SessionKey, _ value: RawSpan, secret: [UInt8]) -> EntryOwner { EntryOwner(user: key.user, memory: key.id) }

    static func forEachEntry(of memory: Memory, _ owner: IndexOwner, _ body: (SessionKey, [UInt8]) throws -> Void) rethrows {
      guard let sessionID = memory.sessionID else { return }
      try body(
        SessionKey(user: owner.key, session: owner.key(of: sessionID), createdAt: memory.createdAt.milliseconds, id: memory.id), [])
    }
  }
}

/// userKey ‖ hash of the session ‖ createdAt ‖ MemoryID.
struct SessionKey: TableKey {
  let user: UserKey
  /// In case two sessions have the same hash, a read compares the name in the record.
  let session: UserKey
  /// Milliseconds since 1970.
  let createdAt: Int64
  let id: MemoryID

  init(user: UserKey, session: UserKey, createdAt: Int64, id: MemoryID) {
    self.user = user
    self.session = session
    self.createdAt = createdAt
    self.id = id
  }

  /// What the keys of a session's memories begin with.
  static func prefix(_ user: UserKey, _ session: UserKey) -> Key {
    var key = user.prefix
    key.append(session)
    return key
  }

  var encoded: Key {
    var key = Self.prefix(user, session)
    key.append(createdAt)
    key.append(id)
    return key
  }

  init(decoding bytes: RawSpan) throws(StoreError) {
    try bytes.requireCount(56, Tables.Sessions.name)
    self.init(user: UserKey(bytes), session: UserKey(bytes, at: 16), createdAt: bytes.orderedInt64(at: 32), id: MemoryID(bytes, at: 40))
  }
}
