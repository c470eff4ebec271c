@testable import Engram
@testable import Files
@testable import LMDB

/// What the system and a directory tell: LMDB's list of readers, `/proc/locks`, the file `current`.
enum TableTarget {
  /// Nothing of the list may be overlooked: a reader that is not seen would lose its snapshot.
  static func readers(_ input: [UInt8]) throws {
    let text = String(decoding: input, as: UTF8.self)
    let table = ReaderTable(text: text)
    for slot in table.slots {
      try require(slot.processID > 0 && slot.transactionID ?? 0 >= 0, "\(slot) is no reader")
    }
    let lines = text.utf8.split(separator: 0x0A).count
    let headings = text.utf8.split(separator: 0x0A).filter { line in
      let fields = line.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) }
      return fields == ["pid", "thread", "txnid"] || ["(no", "active", "readers)"] == fields || ["(no", "reader", "locks)"] == fields
    }.count
    try require(
      table.slots.count + table.unreadableLines.count >= lines - headings && table.slots.count + table.unreadableLines.count <= lines,
      "of \(lines) lines \(table.slots.count) are readers, \(table.unreadableLines.count) unreadable")
    let more = ReaderTable(text: text + "\n      4242 7f00aa11 17\n")
    try require(more.slots == table.slots + [ReaderSlot(processID: 4242, thread: "7f00aa11", transactionID: 17)], "a reader is overlooked")
  }

  static func locks(_ input: [UInt8]) throws {
    let text = String(decoding: input, as: UTF8.self)
    let found = LockHolders.processes(in: text, major: 0xfd, minor: 1, inode: 77)
    try require(found.allSatisfy { $0 > 0 }, "a lock is held by process \(found)")
    let more = LockHolders.processes(in: text + "\n9: FLOCK  ADVISORY  WRITE 4242 fd:01:77 0 EOF\n", major: 0xfd, minor: 1, inode: 77)
    try require(more == found.union([4242]), "the holder of a lock is overlooked")
    let waiting = LockHolders.processes(in: text + "\n9: -> FLOCK  ADVISORY  WRITE 4242 fd:01:77 0 EOF\n", major: 0xfd, minor: 1, inode: 77)
    try require(waiting == found, "who waits for a lock is taken for its holder")
  }

  /// One number has one name, and one spelling in `current`.
  static func names(_ input: [UInt8]) throws {
    let text = String(decoding: input, as: UTF8.self)
    if let number = StorePaths.generationNumber(text) {
      try require("gen-\(number)\n".utf8.elementsEqual(text.utf8), "'\(text)' in current names generation \(number)")
    }
    if let number = StorePaths.generationNumber(directoryName: text) {
      try require("gen-\(number)".utf8.elementsEqual(text.utf8), "the directory '\(text)' is generation \(number)")
    }
    if (try? Limits.checkRecordType(text)) != nil {
      try require((1...64).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "'\(text)' is a record type")
    }
  }
}
