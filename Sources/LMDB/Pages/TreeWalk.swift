import Files

/// How many pages and entries a walk met.
struct TreeCounts: Equatable {
  var branchPages: UInt64 = 0
  var leafPages: UInt64 = 0
  var overflowPages: UInt64 = 0
  var entries: UInt64 = 0
  /// Levels down to the deepest leaf.
  var depth = 0
}

/// Goes down one tree, page by page, and reports what is wrong with it to a ledger.
///
/// Every page is visited once, so that cycles end; the depth is limited to that of LMDB's cursors. A page that cannot be followed
/// is skipped with everything below it.
struct TreeWalk: ~Copyable {
  enum Purpose {
    /// Every page belongs to one tree and is not free.
    case verify
    /// Entries are lent as long as they can be read. If none of a page's keys lies within its bounds, the pointer to it is taken to be
    /// damaged, and the page is skipped. A leaf counts as used once one of its entries was taken.
    case salvage
  }

  /// Given key and value of an entry; says whether it is taken, which counts for ``Purpose/salvage`` only.
  typealias Visitor<Failure: Error> = (_ key: RawSpan, _ value: RawSpan) throws(Failure) -> Bool

  private struct Frame {
    let page: UInt64
    let nodeCount: Int
    var next = 0
    let bounds: KeyBounds
    /// Whether its keys are in order, so that they bound the keys below.
    let hasOrderedKeys: Bool
  }

  /// Byte ranges of keys in ``pages``; nil if there is no bound.
  private struct KeyBounds {
    var lower: Range<Int>?
    var upper: Range<Int>?
  }

  let name: String
  let kind: TreeKind
  let purpose: Purpose
  private let ledger: PageLedger
  private(set) var counts = TreeCounts()
  /// No page was skipped.
  private(set) var isComplete = true
  private var expectedDepth = 0
  private var lendsEntries = true
  private var hasReportedDepth = false
  /// The pages from the root down to the current one, one after the other.
  private var pages: [UInt8] = []
  private var frames: [Frame] = []
  private var places: NodePlaces
  private var run: OverflowRun
  /// For ``Purpose/salvage``: the pages that this walk visited. Several trees may reach a page; its entries tell which tree owns it.
  private var visited: PageBitmap
  private var rejectedPages: UInt64 = 0

  init(_ name: String, _ kind: TreeKind, _ ledger: PageLedger, purpose: Purpose = .verify) {
    self.name = name
    self.kind = kind
    self.ledger = ledger
    self.purpose = purpose
    places = NodePlaces(pageSizeBytes: ledger.pageSizeBytes)
    run = OverflowRun(ledger, claims: purpose == .verify)
    visited = PageBitmap(limit: purpose == .salvage ? ledger.pageLimit : 0)
  }

  /// Walks the tree that `record` describes.
  ///
  /// - Parameter lendsEntries: False if `visit` need not be called.
  mutating func walk<Failure: Error>(
    _ file: borrowing FileHandle, _ record: TreeRecord, lendsEntries: Bool = true, _ visit: Visitor<Failure>
  ) throws(Failure) {
    if record.isEmpty { return }
    expectedDepth = record.depth
    self.lendsEntries = lendsEntries
    try enter(file, record.root, KeyBounds(), visit)
    while !ledger.isStopped, let frame = frames.last {
      let level = frames.count - 1
      guard frame.next < frame.nodeCount else {
        frames.removeLast()
        continue
      }
      frames[level].next += 1
      guard let child = node(frame.next, level)?.child else {
        isComplete = false
        continue
      }
      try enter(file, child, bounds(frame, level), visit)
    }
  }

  /// The differences between the counts and LMDB's record; none if pages were skipped.
  func differences(from record: TreeRecord) -> [String] {
    guard isComplete else { return [] }
    let pairs = [
      ("branch pages", counts.branchPages, record.branchPages), ("leaf pages", counts.leafPages, record.leafPages),
      ("overflow pages", counts.overflowPages, record.overflowPages), ("entries", counts.entries, record.entries),
    ]
    return pairs.filter { $0.1 != $0.2 }.map { "\(name): has \($0.1) \($0.0), \($0.2) are recorded" }
  }

  // MARK: Pages

  private mutating func enter<Failure: Error>(
    _ file: borrowing FileHandle, _ page: UInt64, _ bounds: KeyBounds, _ visit: Visitor<Failure>
  ) throws(Failure) {
    let level = frames.count
    ledger.willRead()
    guard claim(page, level), load(file, page, level) else {
      isComplete = false
      return
    }
    let check = check(page, level, bounds)
    if purpose == .salvage, check.keyCount > 0, check.keysInBounds == 0 {
      // The right pointer to the page may still follow, so it may be visited again; bounded, because each rejection costs a read.
      rejectedPages += 1
      if rejectedPages <= ledger.pageLimit { visited.remove(page) }
      isComplete = false
      return
    }
    let (isBranch, nodeCount) = (view(level).isBranch, view(level).nodeCount)
    checkDepth(page, level, isBranch: isBranch)
    if isBranch {
      counts.branchPages += 1
      frames.append(Frame(page: page, nodeCount: nodeCount, bounds: bounds, hasOrderedKeys: check.isOrdered))
    } else {
      counts.leafPages += 1
      counts.entries += UInt64(nodeCount)
      counts.depth = max(counts.depth, level + 1)
      if check.hasOverflowValues || lendsEntries { try lend(file, page, level, nodeCount, visit) }
    }
  }

  /// Notes that the page is reached; false if it must not be followed.
  private mutating func claim(_ page: UInt64, _ level: Int) -> Bool {
    let parent = frames.last.map { ", page \($0.page)" } ?? ""
    if level >= TreeRecord.maximumDepth {
      ledger.report("\(name)\(parent): the tree is deeper than \(TreeRecord.maximumDepth) levels")
      return false
    }
    guard ledger.isTreePage(page) else {
      ledger.report("\(name)\(parent): leads to page \(page), outside of the file's pages")
      return false
    }
    guard purpose == .verify ? ledger.use(page) : visited.insert(page) else {
      ledger.report("\(name)\(parent): page \(page) is used twice")
      return false
    }
    guard ledger.free.contains(page) else { return true }
    ledger.contradictsFreeList = true
    ledger.report("\(name)\(parent): page \(page) is used and free")
    // A free page may hold an older state of the same keys.
    return purpose == .verify
  }

  /// Reads a page into its level's place and checks its header.
  private mutating func load(_ file: borrowing FileHandle, _ page: UInt64, _ level: Int) -> Bool {
    let size = ledger.pageSizeBytes
    if pages.count < (level + 1) * size { pages += [UInt8](repeating: 0, count: size) }
    let ledger = ledger
    let unread = unsafe pages.withUnsafeMutableBytes { buffer in
      // SAFETY: the buffer ends at or behind the end of the level's page.
      unsafe ledger.read(file, page: page, into: UnsafeMutableRawBufferPointer(rebasing: buffer[level * size..<(level + 1) * size]))
    }
    if let unread {
      ledger.report("\(name): \(unread)")
      return false
    }
    if let problem = view(level).treeProblem(expecting: page, leastBranchNodes: kind.leastBranchNodes) {
      ledger.report("\(name): page \(page) \(problem)")
      return false
    }
    return true
  }

  private mutating func check(_ page: UInt64, _ level: Int, _ bounds: KeyBounds) -> NodeCheck {
    Self.check(pages, level, ledger.pageSizeBytes, kind, bounds, &places) { [ledger, name] node, problem in
      ledger.report("\(name), page \(page)\(node.map { ", node \($0)" } ?? ""): \(problem)")
    }
  }

  private static func check(
    _ pages: [UInt8], _ level: Int, _ size: Int, _ kind: TreeKind, _ bounds: KeyBounds, _ places: inout NodePlaces,
    report: (Int?, String) -> Void
  ) -> NodeCheck {
    let bytes = unsafe pages.span.bytes
    return NodeCheck(
      TreePage(bytes.extracting(level * size..<(level + 1) * size)), kind,
      lower: key(bounds.lower, in: bytes), upper: key(bounds.upper, in: bytes), places: &places, report: report)
  }

  private mutating func checkDepth(_ page: UInt64, _ level: Int, isBranch: Bool) {
    guard isBranch != (level + 1 < expectedDepth), !hasReportedDepth else { return }
    hasReportedDepth = true
    let what = isBranch ? "a branch" : "a leaf"
    ledger.report("\(name): page \(page) is \(what) at level \(level + 1) of a tree of depth \(expectedDepth)")
  }

  // MARK: Entries

  private mutating func lend<Failure: Error>(
    _ file: borrowing FileHandle, _ page: UInt64, _ level: Int, _ nodeCount: Int, _ visit: Visitor<Failure>
  ) throws(Failure) {
    var isTaken = kind != .named
    for index in 0..<nodeCount {
      guard let node = node(index, level), kind.permits(flags: node.flags) else { continue }
      if node.isOverflow {
        let first: UInt64 = view(level).content(node).littleEndian(at: 0)
        guard run.read(file, first, valueByteCount: node.valueByteCount, of: "\(name), page \(page), node \(index)") else {
          isComplete = false
          continue
        }
        counts.overflowPages += run.pageCount
      }
      guard lendsEntries else { continue }
      let view = view(level)
      if node.isOverflow {
        guard try visit(view.key(node), run.value) else { continue }
        if purpose == .salvage { run.markUsed() }
      } else {
        guard try visit(view.key(node), view.content(node)) else { continue }
      }
      isTaken = true
    }
    if purpose == .salvage, isTaken { _ = ledger.use(page) }
  }

  // MARK: What is in the pages

  @_lifetime(borrow self)
  private func view(_ level: Int) -> TreePage {
    let size = ledger.pageSizeBytes
    return unsafe TreePage(pages.span.bytes.extracting(level * size..<(level + 1) * size))
  }

  @_lifetime(copy pages)
  private static func key(_ range: Range<Int>?, in pages: RawSpan) -> RawSpan? {
    guard let range else { return nil }
    return pages.extracting(range)
  }

  private func node(_ index: Int, _ level: Int) -> TreeNode? {
    let page = view(level)
    return page.node(index, isBranch: page.isBranch)
  }

  /// The bounds of the keys below the node that `frame` comes to next.
  private func bounds(_ frame: Frame, _ level: Int) -> KeyBounds {
    var bounds = frame.bounds
    guard frame.hasOrderedKeys else { return bounds }
    let start = level * ledger.pageSizeBytes
    func range(_ node: TreeNode) -> Range<Int> { start + node.keyStart..<start + node.keyStart + node.keyByteCount }
    if frame.next > 0, let node = node(frame.next, level) { bounds.lower = range(node) }
    if frame.next + 1 < frame.nodeCount, let node = node(frame.next + 1, level) { bounds.upper = range(node) }
    return bounds
  }
}
