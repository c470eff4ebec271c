import Files

/// The tree that lists the free pages: for each transaction, the pages that it freed.
enum FreeList {
  /// Walks the free list and notes its pages as free. Must be the first walk of a pass: the other trees are compared with it.
  static func walk(_ tree: inout TreeWalk, _ file: borrowing FileHandle, _ meta: MetaPage, _ ledger: PageLedger) {
    tree.walk(file, meta.freeList) { key, value in
      guard key.byteCount == 8 else { return true }
      let transaction: UInt64 = key.littleEndian(at: 0)
      if transaction == 0 || transaction > meta.transactionID {
        ledger.report("the free list: has pages of transaction \(transaction), the last one is \(meta.transactionID)")
      }
      add(value, transaction, ledger)
      return true
    }
  }

  /// Notes the pages of one record: their count, and their numbers, the highest first. The record may be longer than what it lists.
  private static func add(_ value: RawSpan, _ transaction: UInt64, _ ledger: PageLedger) {
    let place = "the free list, pages of transaction \(transaction)"
    let room = value.byteCount / 8
    guard room > 0, value.byteCount % 8 == 0 else {
      ledger.report("\(place): the record has \(value.byteCount) bytes")
      return
    }
    let count: UInt64 = value.littleEndian(at: 0)
    guard count < UInt64(room) else {
      ledger.report("\(place): the record has room for \(room - 1) pages and lists \(count)")
      return
    }
    var previous = UInt64.max
    for index in 0..<Int(count) {
      let page: UInt64 = value.littleEndian(at: 8 + index * 8)
      if page >= previous { ledger.report("\(place): page \(page) follows page \(previous)") }
      previous = page
      if !ledger.isTreePage(page) {
        ledger.report("\(place): page \(page) lies outside of the file's pages")
      } else if ledger.used.contains(page) {
        ledger.report("\(place): page \(page) is used and free")
      } else if !ledger.free.insert(page) {
        ledger.report("\(place): page \(page) is free twice")
      }
    }
  }
}
