/// A page of a tree, or the first of an overflow run, as it is in the file. Nothing in it is trusted.
struct TreePage: ~Escapable {
  static let headerByteCount = 16
  static let nodeHeaderByteCount = 8
  static let branchFlag: UInt16 = 1
  static let leafFlag: UInt16 = 2
  static let overflowFlag: UInt16 = 4

  /// Exactly one page, or only its header, if that suffices for the caller.
  let bytes: RawSpan

  @_lifetime(copy bytes)
  init(_ bytes: RawSpan) { self.bytes = bytes }

  var number: UInt64 { bytes.littleEndian(at: 0) }
  private var pad: UInt16 { bytes.littleEndian(at: 8) }
  var flags: UInt16 { bytes.littleEndian(at: 10) }
  var isBranch: Bool { flags == Self.branchFlag }
  private var lower: Int { Int(bytes.littleEndian(at: 12, as: UInt16.self)) }
  /// Where the nodes begin.
  var upper: Int { Int(bytes.littleEndian(at: 14, as: UInt16.self)) }
  /// Meaningful if ``treeProblem(expecting:leastBranchNodes:)`` found nothing.
  var nodeCount: Int { (lower - Self.headerByteCount) / 2 }

  /// What is wrong with the header of a branch or leaf page; nil for a sound one.
  func treeProblem(expecting expected: UInt64, leastBranchNodes: Int) -> String? {
    if number != expected { return "calls itself page \(number)" }
    if flags != Self.branchFlag && flags != Self.leafFlag {
      return "has the flags 0x\(String(flags, radix: 16)), not those of a branch or a leaf"
    }
    if pad != 0 { return "has \(pad) in its padding" }
    if lower < Self.headerByteCount || lower > upper || upper > bytes.byteCount || lower & 1 != 0 || upper & 1 != 0 {
      return "has free space from \(lower) to \(upper), which cannot be"
    }
    let least = isBranch ? leastBranchNodes : 1
    if nodeCount < least { return "has \(nodeCount) nodes, fewer than \(least)" }
    return nil
  }

  /// What is wrong with the header of the first page of an overflow run; nil for a sound one.
  func overflowProblem(expecting expected: UInt64) -> String? {
    if number != expected { return "calls itself page \(number)" }
    if flags != Self.overflowFlag { return "has the flags 0x\(String(flags, radix: 16)), not those of an overflow page" }
    return pad == 0 ? nil : "has \(pad) in its padding"
  }

  /// How many pages an overflow run says that it has.
  var overflowPageCount: UInt64 { UInt64(bytes.littleEndian(at: 12, as: UInt32.self)) }

  /// The node at `index`, which must be below ``nodeCount`` of a page with a sound header; nil if it does not fit into the page.
  func node(_ index: Int, isBranch: Bool) -> TreeNode? {
    let start = Int(bytes.littleEndian(at: Self.headerByteCount + 2 * index, as: UInt16.self))
    guard start >= upper, start & 1 == 0, start <= bytes.byteCount - Self.nodeHeaderByteCount else { return nil }
    let header: UInt64 = bytes.littleEndian(at: start)
    let node = TreeNode(header: header, start: start, isBranch: isBranch)
    // Numbers below 2^33: no overflow.
    return node.end <= bytes.byteCount ? node : nil
  }

  @_lifetime(copy self)
  func key(_ node: TreeNode) -> RawSpan { bytes.extracting(node.keyStart..<node.keyStart + node.keyByteCount) }

  /// What follows the key: a value, or the number of the page where it begins.
  @_lifetime(copy self)
  func content(_ node: TreeNode) -> RawSpan { bytes.extracting(node.contentStart..<node.contentStart + node.contentByteCount) }
}

/// Where the parts of a node lie in its page.
struct TreeNode {
  static let overflowFlag: UInt16 = 1
  static let treeFlag: UInt16 = 2

  let start: Int
  let keyByteCount: Int
  /// Of a leaf's node: ``overflowFlag`` for a value in pages of its own, ``treeFlag`` for the record of a named database.
  let flags: UInt16
  /// Of a branch's node: the page below.
  let child: UInt64
  /// Of a leaf's node: the size of the value, wherever it lies.
  let valueByteCount: Int
  let contentByteCount: Int

  init(header: UInt64, start: Int, isBranch: Bool) {
    self.start = start
    keyByteCount = Int(header >> 48)
    if isBranch {
      flags = 0
      child = header & 0xFFFF_FFFF_FFFF
      valueByteCount = 0
      contentByteCount = 0
    } else {
      flags = UInt16(truncatingIfNeeded: header >> 32)
      child = 0
      valueByteCount = Int(header & 0xFFFF_FFFF)
      contentByteCount = flags & Self.overflowFlag != 0 ? 8 : valueByteCount
    }
  }

  var keyStart: Int { start + TreePage.nodeHeaderByteCount }
  var contentStart: Int { keyStart + keyByteCount }
  /// Rounded up: nodes begin at even places.
  var end: Int { (contentStart + contentByteCount + 1) & ~1 }
  var isOverflow: Bool { flags & Self.overflowFlag != 0 }
}
