import LMDB

extension Tables {
  /// The present version of each context, in its ``ContextEnvelope``.
  enum Contexts: Table {
    static let name = "contexts"
    static let number = 2

    static func owner(_ key: ContextKey, _ value: RawSpan, secret: [UInt8]) -> EntryOwner { .user(key.user) }
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

  // Record types are ASCII: see `Limits.checkRecordType`. A damaged key may have other bytes, and is compared by bytes as well.
  static func == (left: Self, right: Self) -> Bool { left.user == right.user && left.recordType.utf8.elementsEqual(right.recordType.utf8) }

  func hash(into hasher: inout Hasher) {
    hasher.combine(user)
    for byte in recordType.utf8 { hasher.combine(byte) }
  }
}
