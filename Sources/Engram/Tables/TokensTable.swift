import LMDB

extension Tables {
  /// The tokens of writes: each by its hash, with its record, and once more in the order in which they are dropped.
  enum Tokens: Table {
    static let name = "tokens"
    static let number = 10

    static func owner(_ key: TokenKey, _ value: RawSpan, secret: [UInt8]) -> EntryOwner { .nobody }
  }
}

enum TokenKey: TableKey {
  /// 0 ‖ hash of the token.
  case token(UserKey)
  /// 1 ‖ batchSequence ‖ hash. The value is empty.
  case order(sequence: UInt64, UserKey)

  /// What the keys of the order begin with.
  static var orderPrefix: Key {
    var key = Key()
    key.append(UInt8(1))
    return key
  }

  var encoded: Key {
    var key = Key()
    switch self {
    case .token(let hash):
      key.append(UInt8(0))
      key.append(hash)
    case .order(let sequence, let hash):
      key.append(UInt8(1))
      key.append(sequence)
      key.append(hash)
    }
    return key
  }

  init(decoding bytes: RawSpan) throws(StoreError) {
    let kind = bytes.byteCount > 0 ? bytes.bigEndian(at: 0, as: UInt8.self) : 0xFF
    switch (kind, bytes.byteCount) {
    case (0, 17): self = .token(UserKey(bytes, at: 1))
    case (1, 25): self = .order(sequence: bytes.bigEndian(at: 1), UserKey(bytes, at: 9))
    default: throw StoreError(.corrupted, "a key of tokens has the wrong shape")
    }
  }
}
