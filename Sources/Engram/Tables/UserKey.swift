import Checksums
import LMDB

/// XXH3-128 of a userID (or another name) under the store's secret, so that no key contains personal data. The records of users, contexts
/// and memories hold the full userID, and reads compare it.
struct UserKey: Hashable, Sendable {
  let high: UInt64
  let low: UInt64

  init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  init(_ name: String, secret: [UInt8]) {
    let hash = XXH3.hash128(name, secret: secret)
    self.init(high: hash.high, low: hash.low)
  }

  /// One half is enough: the key is a hash itself.
  func hash(into hasher: inout Hasher) { hasher.combine(low) }

  /// Both halves.
  var number: UInt128 { UInt128(high) << 64 | UInt128(low) }

  /// Reads 16 bytes of a key or a value.
  init(_ bytes: RawSpan, at offset: Int = 0) {
    self.init(high: bytes.bigEndian(at: offset), low: bytes.bigEndian(at: offset + 8))
  }

  static func < (left: UserKey, right: UserKey) -> Bool { (left.high, left.low) < (right.high, right.low) }

  /// The bytes with which the keys of all entries of the user begin.
  var prefix: Key {
    var key = Key()
    key.append(self)
    return key
  }
}

extension Key {
  mutating func append(_ user: UserKey) {
    append(user.high)
    append(user.low)
  }

  mutating func append(_ id: MemoryID) {
    append(id.high)
    append(id.low)
  }
}

extension MemoryID {
  /// Reads 16 bytes of a key or a value.
  init(_ bytes: RawSpan, at offset: Int) {
    self.init(high: bytes.bigEndian(at: offset), low: bytes.bigEndian(at: offset + 8))
  }
}

extension RawSpan {
  /// The bytes from `offset` on, decoded as UTF-8; invalid ones become U+FFFD.
  func text(from offset: Int) -> String {
    let part = extracting(min(offset, byteCount)..<byteCount)
    return unsafe part.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
  }
}
