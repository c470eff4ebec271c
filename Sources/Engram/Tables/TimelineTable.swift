import LMDB

extension Tables {
  /// Each user's memories by time. The values are empty.
  enum Timeline: MemoryIndex {
    static let name = "timeline"
    static let number = 5

    static func owner(_ key: TimelineKey, _ value: RawSpan, secret: [UInt8]) -> EntryOwner { EntryOwner(user: key.user, memory: key.id) }

    static func forEachEntry(of memory: Memory, _ owner: IndexOwner, _ body: (TimelineKey, [UInt8]) throws -> Void) rethrows {
      try body(TimelineKey(user: owner.key, createdAt: memory.createdAt.milliseconds, id: memory.id), [])
    }
  }
}

/// userKey ‖ createdAt ‖ MemoryID: a memory among those of its user by time.
struct TimelineKey: TableKey {
  let user: UserKey
  /// Milliseconds since 1970.
  let createdAt: Int64
  let id: MemoryID

  init(user: UserKey, createdAt: Int64, id: MemoryID) {
    self.user = user
    self.createdAt = createdAt
    self.id = id
  }

  var encoded: Key {
    var key = user.prefix
    key.append(createdAt)
    key.append(id)
    return key
  }

  init(decoding bytes: RawSpan) throws(StoreError) {
    try bytes.requireCount(40, "\(Tables.Timeline.name) or \(Tables.Words.name)")
    self.init(user: UserKey(bytes), createdAt: bytes.orderedInt64(at: 16), id: MemoryID(bytes, at: 24))
  }
}
