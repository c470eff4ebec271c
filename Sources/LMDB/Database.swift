import CLMDB

/// A handle of one named database; opened once with the environment and valid as long as the environment is open.
package struct Database: Sendable {
  let handle: MDB_dbi
  let checksum: RecordChecksum
  package let name: String

  init(handle: MDB_dbi, name: String) {
    self.handle = handle
    self.name = name
    checksum = RecordChecksum(database: name)
  }
}

/// LMDB's statistics of one database, in pages and entries.
package struct DatabaseStatistics: Sendable {
  package let entries: Int
  package let pages: Int
  package let depth: Int
  package let pageSizeBytes: Int

  package var sizeBytes: Int { pages * pageSizeBytes }
}
