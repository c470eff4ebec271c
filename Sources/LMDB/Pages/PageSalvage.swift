package import Files

/// Lends the entries of a damaged data file that can still be read: first those that the trees reach, then those of lost leaves.
///
/// Nothing it lends is known to be right: the caller compares each entry with its ``RecordChecksum`` and says whether it takes it.
/// Pages that the free list names are left out, because they hold older states, deleted entries among them.
package struct PageSalvage: ~Copyable {
  /// Given an entry as it is stored, its checksum included; both spans live for the call. Says whether the entry is taken.
  package typealias Visitor<Failure: Error> = (_ database: String, _ key: RawSpan, _ value: RawSpan) throws(Failure) -> Bool
  /// Given an entry of a lost leaf, whose database is unknown. Says whether the entry is taken.
  package typealias OrphanVisitor<Failure: Error> = (_ page: UInt64, _ key: RawSpan, _ value: RawSpan) throws(Failure) -> Bool

  private let file: FileHandle
  private let meta: MetaPage
  private let databases: [String]
  private let optional: Set<String>
  private let ledger: PageLedger
  private var hasLentEntries = false
  private let wasFreeListSound: Bool
  /// For each database of which pages were skipped, the number of entries that LMDB recorded; nil if the database's record is missing.
  package private(set) var recordedEntries: [String: Int?] = [:]
  /// Whether the free list was walked without a problem and no tree met so far contradicts it. A page that it does not name and that no
  /// tree reaches was then lost.
  package var hasSoundFreeList: Bool { wasFreeListSound && !ledger.contradictsFreeList }

  /// Walks the free list. Nothing may commit as long as the value lives, or a reader slot must hold the state.
  ///
  /// - Parameters:
  ///   - meta: The state to read; its trees may be damaged.
  ///   - databases: The names of the databases that the file may have.
  ///   - optional: Those that may be missing.
  package init(
    _ file: consuming FileHandle, meta: MetaPage, databases: [String], optional: Set<String> = [], problemLimit: Int = 1000
  ) throws(FileError) {
    let ledger = PageLedger(meta, fileSizeBytes: try file.status().sizeBytes, problemLimit: problemLimit)
    var tree = TreeWalk("the free list", .freeList, ledger)
    FreeList.walk(&tree, file, meta, ledger)
    for difference in tree.differences(from: meta.freeList) { ledger.report(difference) }
    // Problems of the main tree's record say nothing about the free list.
    wasFreeListSound = ledger.problemCount == meta.mainProblems.count
    if !wasFreeListSound { ledger.free = PageBitmap(limit: ledger.pageLimit) }
    self.file = file
    self.meta = meta
    self.databases = databases
    self.optional = optional
    self.ledger = ledger
  }

  /// The problems found so far, a sentence each.
  package var problems: [String] { ledger.problems }
  package var omittedProblemCount: Int { ledger.omittedProblemCount }

  /// Lends the entries that the trees reach, database by database, in key order unless damaged. Skips pages that cannot be followed.
  package mutating func forEachEntry<Failure: Error>(_ visit: Visitor<Failure>) throws(Failure) {
    hasLentEntries = true
    var main = TreeWalk("the main tree", .main, ledger, purpose: .salvage)
    let records = MainTree.walk(&main, file, meta, databases, ledger)
    for name in databases {
      guard let record = records[name] else {
        if optional.contains(name) { continue }
        ledger.report("the database \(name) is missing")
        recordedEntries.updateValue(nil, forKey: name)
        continue
      }
      var tree = TreeWalk("database \(name)", .named, ledger, purpose: .salvage)
      try tree.walk(file, record) { (key, value) throws(Failure) in try visit(name, key, value) }
      if !tree.isComplete { recordedEntries[name] = Int(clamping: record.entries) }
    }
  }

  /// Lends the entries of leaves that are not free and that no tree reached, or of which no entry was taken. To be called after
  /// ``forEachEntry(_:)``.
  ///
  /// - Returns: False if the free list is damaged and nothing was lent: nothing distinguishes a lost leaf from a deleted one then.
  package mutating func forEachOrphan<Failure: Error>(_ visit: OrphanVisitor<Failure>) throws(Failure) -> Bool {
    precondition(hasLentEntries, "orphans are what the trees leave over: the entries come first")
    guard hasSoundFreeList else { return false }
    var tree = TreeWalk("a lost leaf", .named, ledger, purpose: .salvage)
    var start: UInt64 = 2
    while let page = ledger.used.firstAbsent(from: start, orIn: ledger.free) {
      start = page + 1
      switch header(of: page) {
      case .leaf:
        try tree.walk(file, TreeRecord(leaf: page)) { (key, value) throws(Failure) in try visit(page, key, value) }
      case .overflow(let pageCount):
        // What looks like a page inside of a value is part of the value.
        start = min(max(start, page + pageCount), ledger.used.firstPresent(from: page, orIn: ledger.free))
      case nil:
        break
      }
    }
    return true
  }

  private enum Header {
    case leaf
    case overflow(pageCount: UInt64)
  }

  /// The kind of a page according to its header; nil if it is neither kind, or damaged.
  private func header(of page: UInt64) -> Header? {
    var bytes = [UInt8](repeating: 0, count: TreePage.headerByteCount)
    // SAFETY: the buffer is the header's size and lives for the call.
    let unread = unsafe bytes.withUnsafeMutableBytes { unsafe ledger.read(file, page: page, into: $0) }
    guard unread == nil else { return nil }
    let header = unsafe TreePage(bytes.span.bytes)
    if header.overflowProblem(expecting: page) == nil { return .overflow(pageCount: header.overflowPageCount) }
    return header.number == page && header.flags == TreePage.leafFlag ? .leaf : nil
  }
}
