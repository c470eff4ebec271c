import LMDB

extension Tables {
  /// The present version of each context, in its ``ContextEnvelope``.
  enum Contexts: Table {
    static let name = "contexts"
    static let number = 2

    static func owner(_ key: ContextKey, _ value: RawSpan, secret: [UInt8]) -> EntryOwner { .user(key.user) }
  }

  /// Earlier versions of contexts, in their envelopes.
  enum History: Table {
    static let name = "history"
    static let number = 3

    static func owner(_ key: ContextVersionKey, _ value: RawSpan, secret: [UInt8]) -> EntryOwner { .user(key.context.user) }
  }
}

/// userKey ‖ recordType.
struct ContextKey: TableKey {
  let user: UserKey
  let recordType: String

  init(user: UserKey, recordType: String) {
    self.user = user
    self.recordType = recordType
  }

  var encoded: Key {
    var key = user.prefix
    key.append(utf8: recordType)
    return key
  }

  init(decoding bytes: RawSpan) throws(StoreError) {
    guard bytes.byteCount > 16 else { throw StoreError(.corrupted, "a key of contexts has \(bytes.byteCount) bytes") }
    self.init(user: UserKey(bytes), recordType: bytes.text(from: 16))
  }

  /// What the keys of the context's earlier versions begin with: a record type never contains a zero byte.
  var versionPrefix: Key {
    var key = encoded
    key.append(UInt8(0))
    return key
  }

  // Record types are ASCII: see `Limits.checkRecordType`. What a damaged key has instead is compared by bytes all the same.
  static func == (left: Self, right: Self) -> Bool { left.user == right.user && left.recordType.utf8.elementsEqual(right.recordType.utf8) }

  func hash(into hasher: inout Hasher) {
    hasher.combine(user)
    for byte in recordType.utf8 { hasher.combine(byte) }
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
