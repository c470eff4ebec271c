import CLMDB
import Checksums

/// A handle of one named database; opened once with the environment and valid as long as it.
package struct Database: Sendable {
  let handle: MDB_dbi
  /// XXH3-64 of the name: seeds the checksum of every value, so that a value moved to another database is seen.
  let seed: UInt64
  package let name: String

  init(handle: MDB_dbi, name: String) {
    self.handle = handle
    self.name = name
    seed = Self.seed(of: name)
  }

  static func seed(of name: String) -> UInt64 {
    // SAFETY: the array outlives the call.
    unsafe Array(name.utf8).withUnsafeBytes { unsafe XXH3.hash64($0) }
  }

  /// XXH3-64 of the value, seeded by XXH3-64 of the key, seeded by XXH3-64 of the database's name.
  func checksum(key: RawSpan, value: RawSpan) -> UInt64 {
    XXH3.hash64(value, seed: XXH3.hash64(key, seed: seed))
  }
}

/// What LMDB says about one database, in pages and entries.
package struct DatabaseStatistics: Sendable {
  package let entries: Int
  package let pages: Int
  package let depth: Int
  package let pageSizeBytes: Int

  package var sizeBytes: Int { pages * pageSizeBytes }
}
