import Checksums
import LMDB

/// The databases of a store, and the secret that turns a userID into a key. FileFormat.md has the byte tables.
final class Schema: Sendable {
  let meta, users, contexts, history, memories, timeline, blocks, columns, expiry, dedupe, tokens, log: Database

  static let names = [
    "meta", "users", "contexts", "history", "memories", "timeline", "blocks", "columns", "expiry", "dedupe", "tokens", "log",
  ]

  init(_ environment: Environment) {
    let databases = environment.databases
    precondition(databases.map(\.name) == Self.names, "the environment was opened with other databases")
    meta = databases[0]
    users = databases[1]
    contexts = databases[2]
    history = databases[3]
    memories = databases[4]
    timeline = databases[5]
    blocks = databases[6]
    columns = databases[7]
    expiry = databases[8]
    dedupe = databases[9]
    tokens = databases[10]
    log = databases[11]
  }
}

/// XXH3-128 of a userID (or another name) under the store's secret: no personal data stands in a key. Every value that a user key
/// leads to holds the full userID, and every read compares it.
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

  /// Reads the first 16 bytes of a key.
  init(_ key: RawSpan, at offset: Int = 0) {
    self.init(high: key.bigEndian(at: offset), low: key.bigEndian(at: offset + 8))
  }
}

/// A block of a user: the number counts from zero in the order of allocation.
struct BlockKey: Hashable, Sendable {
  let user: UserKey
  let number: UInt32
}
