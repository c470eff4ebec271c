import Files

/// The pages of one large value, read into a buffer that the next value reuses.
struct OverflowRun {
  private let ledger: PageLedger
  /// If true, each page may belong to one value only. If false, values may share pages within the budgets, which the file's size bounds.
  private let claims: Bool
  private var budgetBytes: Int
  /// Pages of runs that may still be visited if ``claims`` is false: damaged run sizes cannot waste more.
  private var budgetPages: UInt64
  private var first: UInt64 = 0
  /// The pages of the run, perhaps more than its value needs: LMDB keeps them all when a transaction makes the value smaller.
  private(set) var pageCount: UInt64 = 0
  private var buffer: [UInt8] = []
  private var valueByteCount = 0

  init(_ ledger: PageLedger, claims: Bool) {
    self.ledger = ledger
    self.claims = claims
    budgetPages = ledger.pageLimit * 64
    budgetBytes = ledger.fileSizeBytes.multipliedReportingOverflow(by: 2).overflow ? .max : ledger.fileSizeBytes * 2
  }

  /// The value that was read last.
  var value: RawSpan {
    @_lifetime(borrow self)
    get { unsafe buffer.span.bytes.extracting(0..<valueByteCount) }
  }

  /// Reads the value of `valueByteCount` bytes that begins in page `first`.
  ///
  /// - Parameter place: Names the owner of the value in the problem that is reported.
  /// - Returns: Whether ``value`` is that value now.
  mutating func read(_ file: borrowing FileHandle, _ first: UInt64, valueByteCount: Int, of place: @autoclosure () -> String) -> Bool {
    // At most 2^32 bytes: no overflow. LMDB rounds so, too (`OVPAGES`).
    let needed = UInt64((TreePage.headerByteCount - 1 + valueByteCount) / ledger.pageSizeBytes + 1)
    guard ledger.isTreePage(first), needed <= ledger.pageLimit - first else {
      ledger.report("\(place()): the value of \(valueByteCount) bytes at page \(first) leads out of the file's pages")
      return false
    }
    if let problem = readHeader(file, first, needed) ?? claim(first) ?? readValue(file, first, valueByteCount) {
      ledger.report("\(place()): \(problem)")
      return false
    }
    return true
  }

  /// Marks the pages of the last value as used, so that they do not count as lost.
  func markUsed() {
    for page in first..<first + pageCount { _ = ledger.use(page) }
  }

  private mutating func readHeader(_ file: borrowing FileHandle, _ page: UInt64, _ needed: UInt64) -> String? {
    if let unread = fill(file, page, offset: 0, count: TreePage.headerByteCount) { return unread }
    let (problem, count) = Self.examine(buffer, page)
    if let problem { return "overflow page \(page) \(problem)" }
    if count < needed { return "the \(count) pages from page \(page) on are fewer than the \(needed) that the value takes" }
    if count > ledger.pageLimit - page { return "the \(count) pages from page \(page) on lead out of the file's pages" }
    // At most 2^32 pages of 2^16 bytes: no overflow.
    guard ledger.hasBytes(page, offset: 0, count: Int(count) * ledger.pageSizeBytes) else {
      return "the \(count) pages from page \(page) on lie behind the end of the file"
    }
    (first, pageCount) = (page, count)
    return nil
  }

  private static func examine(_ buffer: [UInt8], _ page: UInt64) -> (problem: String?, pageCount: UInt64) {
    let header = unsafe TreePage(buffer.span.bytes.extracting(0..<TreePage.headerByteCount))
    return (header.overflowProblem(expecting: page), header.overflowPageCount)
  }

  private mutating func claim(_ page: UInt64) -> String? {
    if !claims {
      guard pageCount <= budgetPages else { return "too many values share the pages from page \(page) on" }
      budgetPages -= pageCount
    }
    var problem: String?
    for page in first..<first + pageCount {
      if ledger.free.contains(page) {
        ledger.contradictsFreeList = true
        problem = problem ?? "overflow page \(page) is used and free"
      }
      if claims, !ledger.use(page) { return "overflow page \(page) is used twice" }
    }
    return problem
  }

  private mutating func readValue(_ file: borrowing FileHandle, _ page: UInt64, _ count: Int) -> String? {
    if !claims {
      guard count <= budgetBytes else { return "too many values share the overflow page \(page)" }
      budgetBytes -= count
    }
    if let unread = fill(file, page, offset: TreePage.headerByteCount, count: count) { return unread }
    valueByteCount = count
    return nil
  }

  private mutating func fill(_ file: borrowing FileHandle, _ page: UInt64, offset: Int, count: Int) -> String? {
    // Before the buffer grows: a size that the file does not have is refused.
    guard ledger.hasBytes(page, offset: offset, count: count) else { return "page \(page) lies behind the end of the file" }
    if buffer.count < count { buffer = [UInt8](repeating: 0, count: count) }
    let ledger = ledger
    return unsafe buffer.withUnsafeMutableBytes { buffer in
      // SAFETY: the buffer has at least `count` bytes.
      unsafe ledger.read(file, page: page, offset: offset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
    }
  }
}
