import Files

/// A data file in memory, and a naive reader of it that trusts every byte: the reference for the walker, and the way a test finds the bytes
/// to damage.
struct FileImage {
  static let pageSize = 4096
  static let noPage = UInt64.max

  struct Node {
    let offset: Int
    let key: Range<Int>
    let flags: UInt16
    /// The child page; branches only.
    let child: UInt64
    let valueByteCount: Int
    /// The bytes of the value in the page itself.
    let content: Range<Int>
    /// The offset of the node's own entry in the page's array of nodes.
    let pointerOffset: Int
  }

  struct Page {
    let tree: String
    let number: UInt64
    let level: Int
    let isBranch: Bool
    let nodes: [Node]
    var offset: Int { Int(number) * FileImage.pageSize }
  }

  var bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  init(path: String) throws {
    let file = try FileHandle(path: path, access: .read)
    self.init(try file.read(count: file.status().sizeBytes, at: 0))
  }

  func write(to path: String) throws {
    let file = try FileHandle(path: path, access: .create)
    try file.truncate(to: 0)
    try file.write(bytes, at: 0)
  }

  func number<Integer: FixedWidthInteger>(_ offset: Int, as type: Integer.Type = Integer.self) -> Integer {
    bytes[offset..<offset + Integer.bitWidth / 8].reversed().reduce(0) { $0 << 8 | Integer($1) }
  }

  mutating func set<Integer: FixedWidthInteger>(_ value: Integer, at offset: Int) {
    for index in 0..<Integer.bitWidth / 8 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> Integer(index * 8)) }
  }

  // MARK: The last commit

  /// The offset of the meta page of the last commit.
  var meta: Int { number(144, as: UInt64.self) > number(Self.pageSize + 144, as: UInt64.self) ? 0 : Self.pageSize }
  var lastPage: UInt64 { number(meta + 136) }
  var transactionID: UInt64 { number(meta + 144) }
  var freeListRecord: Int { meta + 40 }
  var mainRecord: Int { meta + 88 }
  /// The root of the tree whose record is at `record`.
  func root(_ record: Int) -> UInt64 { number(record + 40) }

  /// Every tree: its name, and the offset of its record.
  func trees() -> [(name: String, record: Int)] {
    let named = pages("the main tree", root(mainRecord)).filter { !$0.isBranch }.flatMap(\.nodes)
    return [("the free list", freeListRecord), ("the main tree", mainRecord)]
      + named.map { (String(decoding: bytes[$0.key], as: UTF8.self), $0.content.lowerBound) }
  }

  func record(of name: String) -> Int? { trees().first { $0.name == name }?.record }

  /// The branches and leaves of every tree.
  func allPages() -> [Page] { trees().flatMap { pages($0.name, root($0.record)) } }

  func pages(of name: String) -> [Page] { record(of: name).map { pages(name, root($0)) } ?? [] }

  func leaves(of name: String) -> [Page] { pages(of: name).filter { !$0.isBranch } }

  func page(_ tree: String, _ number: UInt64, level: Int = 1) -> Page {
    let offset = Int(number) * Self.pageSize
    let isBranch = self.number(offset + 10, as: UInt16.self) == 1
    let count = (Int(self.number(offset + 12, as: UInt16.self)) - 16) / 2
    return Page(
      tree: tree, number: number, level: level, isBranch: isBranch,
      nodes: (0..<count).map { node(offset, offset + 16 + 2 * $0, isBranch: isBranch) })
  }

  private func node(_ page: Int, _ pointer: Int, isBranch: Bool) -> Node {
    let offset = page + Int(number(pointer, as: UInt16.self))
    let key = offset + 8..<offset + 8 + Int(number(offset + 6, as: UInt16.self))
    let flags: UInt16 = number(offset + 4)
    let valueByteCount = isBranch ? 0 : Int(number(offset, as: UInt32.self))
    let content = isBranch ? 0 : flags & 1 != 0 ? 8 : valueByteCount
    return Node(
      offset: offset, key: key, flags: isBranch ? 0 : flags, child: number(offset, as: UInt64.self) & 0xFFFF_FFFF_FFFF,
      valueByteCount: valueByteCount, content: key.upperBound..<key.upperBound + content, pointerOffset: pointer)
  }

  private func pages(_ tree: String, _ root: UInt64, level: Int = 1) -> [Page] {
    if root == Self.noPage { return [] }
    let page = page(tree, root, level: level)
    return [page] + (page.isBranch ? page.nodes.flatMap { pages(tree, $0.child, level: level + 1) } : [])
  }

  /// The pages outside of its leaf that hold the value of `node`; nil if the leaf holds it.
  func run(_ node: Node) -> Range<UInt64>? {
    guard node.flags & 1 != 0 else { return nil }
    let first: UInt64 = number(node.content.lowerBound)
    return first..<first + UInt64(number(Int(first) * Self.pageSize + 12, as: UInt32.self))
  }

  /// The value of a leaf's node, in the leaf or in overflow pages.
  func value(_ node: Node) -> [UInt8] {
    guard let run = run(node) else { return Array(bytes[node.content]) }
    let start = Int(run.lowerBound) * Self.pageSize + 16
    return Array(bytes[start..<start + node.valueByteCount])
  }

  /// The key of a leaf's node followed by its value.
  func entry(_ node: Node) -> [UInt8] { Array(bytes[node.key]) + value(node) }

  /// The offsets of the page numbers in the free list, eight bytes each.
  func freeEntryOffsets() -> [Int] {
    leaves(of: "the free list").flatMap(\.nodes).flatMap { node in
      let start = run(node).map { Int($0.lowerBound) * Self.pageSize + 16 } ?? node.content.lowerBound
      return (0..<number(start, as: Int.self)).map { start + 8 + 8 * $0 }
    }
  }
}
