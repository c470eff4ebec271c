import Files
import TestSupport

@testable import LMDB

/// A data file that LMDB wrote, changed here and there: the walk over its pages, the salvage of them, and LMDB itself if the walk finds
/// nothing.
enum PageTarget {
  nonisolated(unsafe) private static let file = PageFile.make()

  static func run(_ input: [UInt8]) throws {
    // SAFETY: targets run one after the other.
    let file = unsafe file
    try file.change(input)
    defer { file.restore() }
    let before = try MetaPair.validate(file.open())
    let pair = try MetaPair.read(file.open())
    var (found, mismatches): (PageFile.Contents, Int) = ([:], 0)
    let report = PageWalker(try file.open(), databases: PageFile.databases).walk(pair.newest) { database, key, value in
      guard let checksum = file.checksum(database, key, value) else { return mismatches += 1 }
      found[database, default: []].insert(checksum)
    }
    try require(report.bytesRead <= file.sizeBytes * 2 + 8192, "\(report.bytesRead) bytes are read of \(file.sizeBytes)")
    try checkTruth(found, file)
    try salvage(pair, file)
    if file.isChanged, report.isClean, before.isEmpty, mismatches == 0 {
      if Int(pair.newest.transactionID) == file.transactionID, !file.hasMovedPages {
        try require(found == file.contents, "a clean walk of the last commit finds other contents")
      }
      try file.checkOrdinaryUse(found)
    }
  }

  /// Nothing is taken for right that was never stored.
  private static func checkTruth(_ found: PageFile.Contents, _ file: PageFile) throws {
    for (database, entries) in found {
      try require(file.everStored[database]?.isSuperset(of: entries) == true, "a value of \(database) was never stored")
    }
  }

  private static func salvage(_ pair: MetaPair, _ file: PageFile) throws {
    let newest = pair.newestValid ?? pair.newest
    for meta in newest == pair.first || !file.isChanged ? [newest] : [newest, pair.first] {
      var salvage = try PageSalvage(file.open(), meta: meta, databases: PageFile.databases)
      var (taken, lent): (PageFile.Contents, Int) = ([:], 0)
      salvage.forEachEntry { database, key, value in
        lent += 1
        guard let checksum = file.checksum(database, key, value) else { return false }
        taken[database, default: []].insert(checksum)
        return true
      }
      _ = salvage.forEachOrphan { _, key, value in
        lent += 1
        for database in PageFile.databases {
          guard let checksum = file.checksum(database, key, value) else { continue }
          taken[database, default: []].insert(checksum)
          return true
        }
        return false
      }
      // A page of 4096 bytes has room for 204 entries of the smallest size, and each page is lent once by each pass.
      try require(lent <= 204 * 2 * (file.sizeBytes / 4096 + 1) * PageFile.databases.count, "\(lent) entries are lent")
      try checkTruth(taken, file)
    }
  }
}
