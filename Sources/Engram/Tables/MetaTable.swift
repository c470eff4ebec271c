import LMDB

extension Tables {
  /// What the store is, and its counts.
  enum Meta: Table {
    static let name = "meta"
    static let number = 0

    static func owner(_ key: MetaKey, _ value: RawSpan, secret: [UInt8]) -> EntryOwner { .nobody }
  }
}

/// The records of `meta`.
enum MetaKey: String, TableKey {
  /// A ``StoreRecord``.
  case store
  /// A ``StateRecord``.
  case state

  var encoded: Key {
    var key = Key()
    key.append(utf8: rawValue)
    return key
  }

  init(decoding bytes: RawSpan) throws(StoreError) {
    guard let key = Self(rawValue: bytes.text(from: 0)) else {
      throw StoreError(.corrupted, "there is a record with the unknown key \(bytes.hexadecimal)")
    }
    self = key
  }
}
