/// One of the two meta pages at the beginning of a data file, each of which describes one commit. Read and checked without LMDB,
/// which trusts its content (a page size of zero ends the process).
package struct MetaPage: Sendable, Equatable {
  /// The bytes in use, those of the page header included.
  static let byteCount = 152
  /// The offset of the transaction's number, which has 8 bytes.
  static let transactionOffset = 144
  /// More pages than any map of Engram holds; bounds what a checker allocates for a crafted file.
  static let maximumPageCount: UInt64 = 1 << 30
  private static let metaFlag: UInt16 = 8
  /// `MDB_INTEGERKEY`: the free list's keys are native integers.
  private static let freeListFlags: UInt16 = 8

  /// Which of the two it is: 0 or 1.
  package let slot: Int
  package let pageSizeBytes: Int
  package let mapSizeBytes: UInt64
  /// The highest page number that is in use.
  package let lastPage: UInt64
  /// The commit that wrote the page.
  package let transactionID: UInt64
  let freeList: TreeRecord
  let main: TreeRecord
  /// Reasons why LMDB cannot read the page as the meta page of this slot, a sentence each.
  let headerProblems: [String]
  /// Problems of the fields about the commit, the file's size and the free list, a sentence each.
  let commitProblems: [String]
  /// Problems of the fields about the main tree, a sentence each.
  let mainProblems: [String]

  var contentProblems: [String] { commitProblems + mainProblems }
  package var problems: [String] { headerProblems + contentProblems }
  package var isValid: Bool { problems.isEmpty }

  /// Parses a meta page. If `bytes` is too short, the missing bytes count as zeros, and that is a problem.
  package init(slot: Int, bytes: [UInt8]) {
    precondition(slot == 0 || slot == 1, "a file has two meta pages")
    let padded = bytes + [UInt8](repeating: 0, count: max(0, Self.byteCount - bytes.count))
    unsafe self.init(slot: slot, padded.span.bytes, readByteCount: bytes.count)
  }

  private init(slot: Int, _ page: RawSpan, readByteCount: Int) {
    self.slot = slot
    freeList = TreeRecord(page, at: 40)
    main = TreeRecord(page, at: 88)
    mapSizeBytes = page.littleEndian(at: 32)
    lastPage = page.littleEndian(at: 136)
    transactionID = page.littleEndian(at: Self.transactionOffset)
    // The page size has no field of its own: LMDB stores it in the padding of the free list's record.
    pageSizeBytes = Int(freeList.pad)
    let name = "meta page \(slot)"
    if readByteCount < Self.byteCount {
      headerProblems = ["\(name): the file ends after \(readByteCount) of its \(Self.byteCount) bytes"]
      (commitProblems, mainProblems) = ([], [])
      return
    }
    headerProblems = Self.headerProblems(name, slot, page, pageSizeBytes)
    var (problems, mainProblems): ([String], [String]) = ([], [])
    if lastPage < 1 || lastPage >= Self.maximumPageCount {
      problems.append("\(name): the last page is \(lastPage), outside of 1 to \(Self.maximumPageCount - 1)")
    } else {
      problems += freeList.problems("\(name), free list", flags: Self.freeListFlags, lastPage: lastPage)
      mainProblems = main.problems("\(name), main tree", flags: 0, lastPage: lastPage)
      if main.pad != 0 { mainProblems.append("\(name), main tree: the padding is \(main.pad), not 0") }
      let (needed, overflows) = (lastPage + 1).multipliedReportingOverflow(by: UInt64(pageSizeBytes))
      if overflows || mapSizeBytes < needed {
        problems.append("\(name): the map of \(mapSizeBytes) bytes is smaller than \(lastPage + 1) pages")
      }
    }
    // LMDB finds the meta page of a transaction by the transaction's lowest bit; in a new file, both have the number 0.
    if transactionID != 0, transactionID & 1 != UInt64(slot) {
      problems.append("\(name): the transaction is \(transactionID), which belongs to the other meta page")
    }
    if transactionID > UInt64(Int.max) { problems.append("\(name): the transaction \(transactionID) is too large") }
    commitProblems = problems
    self.mainProblems = mainProblems
  }

  private static func headerProblems(_ name: String, _ slot: Int, _ page: RawSpan, _ pageSizeBytes: Int) -> [String] {
    var problems: [String] = []
    let number: UInt64 = page.littleEndian(at: 0)
    let flags: UInt16 = page.littleEndian(at: 10)
    let (magic, version): (UInt32, UInt32) = (page.littleEndian(at: 16), page.littleEndian(at: 20))
    if number != UInt64(slot) { problems.append("\(name): the page calls itself page \(number)") }
    if flags != metaFlag { problems.append("\(name): the page's flags are 0x\(String(flags, radix: 16)), not those of a meta page") }
    if magic != 0xBEEF_C0DE { problems.append("\(name): the magic number is 0x\(String(magic, radix: 16)), not 0xbeefc0de") }
    if version != 1 { problems.append("\(name): the version is \(version), not 1") }
    if !(512...65_536).contains(pageSizeBytes) || pageSizeBytes & (pageSizeBytes - 1) != 0 {
      problems.append("\(name): the page size is \(pageSizeBytes), not a power of two from 512 to 65536")
    }
    return problems
  }
}
