package import Files

/// Both meta pages of a data file. Commits write them in turn, so one of them has the last commit and the other the one before.
package struct MetaPair: Sendable, Equatable {
  /// The page size of Engram's stores. The second meta page is expected there if the first one does not give the page size.
  package static let usualPageSizeBytes = 4096

  package let first: MetaPage
  package let second: MetaPage

  package static func read(_ file: borrowing FileHandle) throws(FileError) -> MetaPair {
    let first = try MetaPage.read(file, slot: 0)
    return MetaPair(first: first, second: try MetaPage.read(file, slot: 1, pageSizeBytes: pageSizeBytes(of: first)))
  }

  /// How far from each other the two pages are.
  static func pageSizeBytes(of first: MetaPage) -> Int {
    first.headerProblems.isEmpty ? first.pageSizeBytes : usualPageSizeBytes
  }

  /// The page that LMDB uses: the one of the later transaction, sound or not.
  package var newest: MetaPage { second.transactionID > first.transactionID ? second : first }

  /// The sound page of the later transaction; nil if neither is sound.
  package var newestValid: MetaPage? {
    if newest.isValid { return newest }
    return [first, second].first(where: \.isValid)
  }

  /// The page that the given transaction wrote; nil if neither page is of this transaction.
  package func page(ofTransaction id: UInt64) -> MetaPage? { [first, second].first { $0.transactionID == id } }

  // MARK: Before LMDB opens the file

  /// Returns the reasons why LMDB must not open the file; none if the meta pages cannot make it crash.
  ///
  /// Covers what LMDB follows before it has read a page of a tree. A live writer in another process is tolerated.
  ///
  /// - Parameter pageSizeBytes: The only page size that is accepted.
  /// - Returns: One sentence per problem.
  /// - Complexity: A few reads; if the file ends before the last page, a walk of the free list.
  package static func validate(
    _ file: borrowing FileHandle, pageSizeBytes: Int = usualPageSizeBytes
  ) throws(FileError) -> [String] {
    var pair = try read(file)
    // A commit of another process can reuse pages during the walk, so a walk counts only if no commit happened meanwhile.
    for _ in 0..<100 {
      let problems = try pair.problemsBeforeOpening(file, pageSizeBytes: pageSizeBytes)
      if problems.isEmpty { return [] }
      let later = try read(file)
      if later == pair { return problems }
      pair = later
    }
    return []
  }

  private func problemsBeforeOpening(_ file: borrowing FileHandle, pageSizeBytes: Int) throws(FileError) -> [String] {
    let newest = newest
    // The trees of the older page are never followed, and the next commit overwrites that page.
    var problems = first.headerProblems + second.headerProblems + newest.contentProblems
    for page in [first, second] where page.headerProblems.isEmpty && page.pageSizeBytes != pageSizeBytes {
      problems.append("meta page \(page.slot): the page size is \(page.pageSizeBytes), not \(pageSizeBytes)")
    }
    // Both numbers start at 0, and each commit writes one page with the next number. Otherwise a commit may be hidden by an earlier one.
    let (low, high) = (min(first.transactionID, second.transactionID), newest.transactionID)
    if high != 0 || low != 0, high - low != 1 {
      problems.append("the meta pages are of transactions \(low) and \(high), which do not follow each other")
    }
    guard problems.isEmpty else { return problems }
    let size = try file.status().sizeBytes
    let needed = (newest.lastPage + 1) * UInt64(pageSizeBytes)
    if UInt64(size) >= needed { return [] }
    // Pages that a transaction took and gave back are never written: the file may end before them if all of them are free.
    let missing = UInt64(size / pageSizeBytes)...newest.lastPage
    let ledger = PageLedger(newest, fileSizeBytes: size)
    if ledger.problems.isEmpty {
      var tree = TreeWalk("the free list", .freeList, ledger)
      FreeList.walk(&tree, file, newest, ledger)
      if ledger.problems.isEmpty, missing.allSatisfy({ ledger.free.contains($0) }) { return [] }
    }
    return ["the file is truncated: it has \(size) bytes, its meta page says \(needed)"]
  }
}

extension MetaPage {
  /// Reads the meta page in `slot`, which is at the page size times the slot.
  ///
  /// A writer may be changing the page, so it is read until two readings agree, at most nine times.
  package static func read(
    _ file: borrowing FileHandle, slot: Int, pageSizeBytes: Int = MetaPair.usualPageSizeBytes
  ) throws(FileError) -> MetaPage {
    var bytes = try file.read(count: byteCount, at: slot * pageSizeBytes)
    for _ in 0..<8 {
      let again = try file.read(count: byteCount, at: slot * pageSizeBytes)
      if again == bytes { break }
      bytes = again
    }
    return MetaPage(slot: slot, bytes: bytes)
  }
}
