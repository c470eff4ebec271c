/// The three sorts of tree in a file.
enum TreeKind {
  /// Keys are native 64-bit transaction ids, values lists of pages.
  case freeList
  /// Values are the records of named databases, and nothing else in Engram's stores.
  case main
  case named

  /// LMDB lets a branch of the free list have a single node, and stops at one elsewhere.
  var leastBranchNodes: Int { self == .freeList ? 1 : 2 }

  func permits(flags: UInt16) -> Bool {
    self == .main ? flags == TreeNode.treeFlag : flags & ~TreeNode.overflowFlag == 0
  }

  func permits(keyByteCount: Int) -> Bool {
    self == .freeList ? keyByteCount == 8 : (1...511).contains(keyByteCount)
  }

  func precedes(_ first: RawSpan, _ second: RawSpan) -> Bool {
    guard self == .freeList, first.byteCount == 8, second.byteCount == 8 else { return first.precedes(second) }
    return first.littleEndian(at: 0, as: UInt64.self) < second.littleEndian(at: 0, as: UInt64.self)
  }
}

/// What was found in the nodes of one page.
struct NodeCheck {
  /// Nodes that begin and end inside the page.
  var readableNodes = 0
  /// Whether the keys ascend and have permitted sizes.
  var isOrdered = true
  var hasOverflowValues = false
  /// Nodes whose key counts: all of a leaf, all but the first of a branch.
  var keyCount = 0
  /// How many of these keys lie within the bounds that the parent gives.
  var keysInBounds = 0

  /// Looks at every node of a page with a sound header.
  ///
  /// - Parameters:
  ///   - lower: The lowest key that the parent allows; nil if there is no bound.
  ///   - upper: The first key that is too large; nil if there is no bound.
  ///   - places: Scratch space.
  ///   - report: Given each problem and the index of its node, nil for the page as a whole.
  init(
    _ page: TreePage, _ kind: TreeKind, lower: RawSpan?, upper: RawSpan?, places: inout NodePlaces, report: (Int?, String) -> Void
  ) {
    let isBranch = page.isBranch
    var previous: TreeNode?
    var first: TreeNode?
    var byteCount = 0
    places.clear()
    for index in 0..<page.nodeCount {
      guard let node = page.node(index, isBranch: isBranch) else {
        report(index, "lies outside of the page or at an odd place")
        continue
      }
      readableNodes += 1
      byteCount += node.end - node.start
      places.toggle(node.start)
      places.toggle(node.end)
      if !isBranch {
        if node.isOverflow { hasOverflowValues = true }
        if !kind.permits(flags: node.flags) { report(index, "has the flags 0x\(String(node.flags, radix: 16))") }
      }
      // LMDB ignores the first key of a branch.
      if isBranch && index == 0 { continue }
      guard kind.permits(keyByteCount: node.keyByteCount) else {
        report(index, "has a key of \(node.keyByteCount) bytes")
        isOrdered = false
        continue
      }
      keyCount += 1
      if let previous, !kind.precedes(page.key(previous), page.key(node)) {
        report(index, "has a key that is not above the one before it")
        isOrdered = false
      }
      if first == nil { first = node }
      previous = node
    }
    if readableNodes == page.nodeCount, byteCount != page.bytes.byteCount - page.upper || !places.areOnly(page.upper, page.bytes.byteCount)
    {
      report(nil, "has nodes that overlap or leave gaps")
    }
    keysInBounds = keyCount
    guard let first, let previous else { return }
    let begins = Self.isKey(of: first, in: page, kind, atLeast: lower)
    if isOrdered, begins, Self.isKey(of: previous, in: page, kind, below: upper) { return }
    countKeysInBounds(page, kind, lower, upper)
    if keysInBounds < keyCount {
      report(nil, "has \(keyCount - keysInBounds) of \(keyCount) keys outside of the bounds that its parent gives")
    }
  }

  private mutating func countKeysInBounds(_ page: TreePage, _ kind: TreeKind, _ lower: RawSpan?, _ upper: RawSpan?) {
    keysInBounds = 0
    let isBranch = page.isBranch
    for index in (isBranch ? 1 : 0)..<page.nodeCount {
      guard let node = page.node(index, isBranch: isBranch), kind.permits(keyByteCount: node.keyByteCount) else { continue }
      if Self.isKey(of: node, in: page, kind, atLeast: lower), Self.isKey(of: node, in: page, kind, below: upper) { keysInBounds += 1 }
    }
  }

  /// The first key of a leaf may equal the separator above it. That of a branch must be greater, or no key would fit its first child.
  private static func isKey(of node: TreeNode, in page: TreePage, _ kind: TreeKind, atLeast lower: RawSpan?) -> Bool {
    guard let lower else { return true }
    return page.isBranch ? kind.precedes(lower, page.key(node)) : !kind.precedes(page.key(node), lower)
  }

  private static func isKey(of node: TreeNode, in page: TreePage, _ kind: TreeKind, below upper: RawSpan?) -> Bool {
    guard let upper else { return true }
    return kind.precedes(page.key(node), upper)
  }
}

/// Where nodes begin and end in a page, as sets of places that are toggled.
///
/// If the sizes of the nodes add up to the space between two places, and all their beginnings and ends but these two cancel each
/// other out, the nodes fill the space without an overlap: they form a path between the places, and no byte is left over.
struct NodePlaces {
  private var words: [UInt64]

  init(pageSizeBytes: Int) { words = [UInt64](repeating: 0, count: pageSizeBytes / 128 + 1) }

  mutating func clear() { for index in words.indices { words[index] = 0 } }

  /// - Parameter place: Even, at most the page size.
  mutating func toggle(_ place: Int) { words[place / 128] ^= 1 << (UInt64(place) / 2 % 64) }

  /// Whether these two places, and no others, were toggled an odd number of times.
  mutating func areOnly(_ first: Int, _ second: Int) -> Bool {
    toggle(first)
    toggle(second)
    return words.allSatisfy { $0 == 0 }
  }
}
