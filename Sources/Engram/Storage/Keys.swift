import LMDB

extension Key {
  mutating func append(_ user: UserKey) {
    append(user.high)
    append(user.low)
  }

  mutating func append(_ id: MemoryID) {
    append(id.high)
    append(id.low)
  }

  /// The two records of `meta`.
  static let store = Key(utf8: "store")
  static let state = Key(utf8: "state")

  init(utf8 text: String) {
    self.init()
    append(utf8: text)
  }

  /// `users`, and the prefix of everything that belongs to a user.
  static func user(_ user: UserKey) -> Key {
    var key = Key()
    key.append(user)
    return key
  }

  /// `contexts`: userKey ‖ recordType.
  static func context(_ user: UserKey, _ recordType: String) -> Key {
    var key = Key.user(user)
    key.append(utf8: recordType)
    return key
  }

  /// The prefix of the history of one context: userKey ‖ recordType ‖ 0. A record type never contains a zero byte.
  static func history(_ user: UserKey, _ recordType: String) -> Key {
    var key = Key.context(user, recordType)
    key.append(UInt8(0))
    return key
  }

  /// `history`: userKey ‖ recordType ‖ 0 ‖ version.
  static func history(_ user: UserKey, _ recordType: String, version: UInt64) -> Key {
    var key = Key.history(user, recordType)
    key.append(version)
    return key
  }

  /// `memories`.
  static func memory(_ id: MemoryID) -> Key {
    var key = Key()
    key.append(id)
    return key
  }

  /// `timeline`: userKey ‖ createdAt ‖ MemoryID.
  static func timeline(_ user: UserKey, _ createdAt: Int64, _ id: MemoryID) -> Key {
    var key = Key.user(user)
    key.append(createdAt)
    key.append(id)
    return key
  }

  /// `blocks` and `columns`: userKey ‖ block.
  static func block(_ block: BlockKey) -> Key {
    var key = Key.user(block.user)
    key.append(block.number)
    return key
  }

  /// `expiry`: time ‖ MemoryID.
  static func expiry(_ time: Int64, _ id: MemoryID) -> Key {
    var key = Key()
    key.append(time)
    key.append(id)
    return key
  }

  /// `dedupe`: userKey ‖ hash of the key.
  static func dedupe(_ user: UserKey, _ hash: UserKey) -> Key {
    var key = Key.user(user)
    key.append(hash)
    return key
  }

  /// `tokens`: 0 ‖ hash of the token.
  static func token(_ hash: UserKey) -> Key {
    var key = Key()
    key.append(UInt8(0))
    key.append(hash)
    return key
  }

  /// `tokens`: 1 ‖ batchSequence ‖ hash: the order in which they are dropped.
  static func tokenOrder(_ sequence: UInt64, _ hash: UserKey) -> Key {
    var key = Key()
    key.append(UInt8(1))
    key.append(sequence)
    key.append(hash)
    return key
  }

  /// `log`: batchSequence ‖ n.
  static func log(_ sequence: UInt64, _ index: UInt32) -> Key {
    var key = Key()
    key.append(sequence)
    key.append(index)
    return key
  }
}

extension MemoryID {
  /// Reads 16 bytes of a key or a value.
  init(_ bytes: RawSpan, at offset: Int) {
    self.init(high: bytes.bigEndian(at: offset), low: bytes.bigEndian(at: offset + 8))
  }
}
