import LMDB

extension Tables {
  /// Earlier versions of contexts, in their envelopes, and of memories, in records without a row.
  enum History: Table {
    static let name = "history"
    static let number = 3

    static func owner(_ key: HistoryKey, _ value: RawSpan, secret: [UInt8]) -> EntryOwner {
      switch key {
      case .context(let version): .user(version.context.user)
      case .memory(let version): EntryOwner(user: version.memory.user, memory: version.memory.id)
      }
    }
  }
}

/// A version of a context, or one of a memory. The byte after the user key tells them apart: a record type never begins with the byte 1.
enum HistoryKey: TableKey {
  case context(ContextVersionKey)
  case memory(MemoryVersionKey)

  var encoded: Key {
    switch self {
    case .context(let version): version.encoded
    case .memory(let version): version.encoded
    }
  }

  init(decoding bytes: RawSpan) throws(StoreError) {
    if bytes.byteCount > 16, bytes.bigEndian(at: 16, as: UInt8.self) == MemoryVersions.mark {
      self = .memory(try MemoryVersionKey(decoding: bytes))
    } else {
      self = .context(try ContextVersionKey(decoding: bytes))
    }
  }

  var version: UInt64 {
    switch self {
    case .context(let key): key.version
    case .memory(let key): key.version
    }
  }
}

/// userKey ‖ recordType ‖ 0 ‖ version.
struct ContextVersionKey: TableKey {
  let context: ContextKey
  let version: UInt64

  init(_ context: ContextKey, version: UInt64) {
    self.context = context
    self.version = version
  }

  var encoded: Key {
    var key = context.versionPrefix
    key.append(version)
    return key
  }

  init(decoding bytes: RawSpan) throws(StoreError) {
    let count = bytes.byteCount
    guard count > 25, bytes.bigEndian(at: count - 9, as: UInt8.self) == 0 else {
      throw StoreError(.corrupted, "a key of history has the wrong shape")
    }
    context = try ContextKey(decoding: bytes.extracting(0..<count - 9))
    version = bytes.bigEndian(at: count - 8)
  }
}

/// The earlier versions of one memory.
struct MemoryVersions: Hashable, Sendable {
  /// The byte between the user key and the id.
  static let mark: UInt8 = 1

  let user: UserKey
  let id: MemoryID

  /// What the keys of the versions begin with.
  var prefix: Key {
    var key = user.prefix
    key.append(Self.mark)
    key.append(id)
    return key
  }
}

/// userKey ‖ 1 ‖ id ‖ version.
struct MemoryVersionKey: TableKey {
  let memory: MemoryVersions
  let version: UInt64

  init(_ memory: MemoryVersions, version: UInt64) {
    self.memory = memory
    self.version = version
  }

  var encoded: Key {
    var key = memory.prefix
    key.append(version)
    return key
  }

  init(decoding bytes: RawSpan) throws(StoreError) {
    guard bytes.byteCount == 41, bytes.bigEndian(at: 16, as: UInt8.self) == MemoryVersions.mark else {
      throw StoreError(.corrupted, "a key of history has the wrong shape")
    }
    memory = MemoryVersions(user: UserKey(bytes), id: MemoryID(bytes, at: 17))
    version = bytes.bigEndian(at: 33)
  }
}
