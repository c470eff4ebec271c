import Foundation

/// An undamaged data file in memory, and a naive reader of its last commit, with which a test finds the bytes to damage.
struct DataFileImage {
  static let pageSize = 4096

  struct Node {
    let key: Range<Int>
    /// The bytes of the value in the page itself; for a large value, those of the number of the page where it begins.
    let content: Range<Int>
    let isOverflow: Bool
    let valueByteCount: Int
    let child: UInt64
  }

  struct Page {
    let number: UInt64
    let isBranch: Bool
    let nodes: [Node]
    var range: Range<Int> { Int(number) * DataFileImage.pageSize..<(Int(number) + 1) * DataFileImage.pageSize }
  }

  var bytes: [UInt8]

  func number<Integer: FixedWidthInteger>(_ offset: Int, as type: Integer.Type = Integer.self) -> Integer {
    bytes[offset..<offset + Integer.bitWidth / 8].reversed().reduce(0) { $0 << 8 | Integer($1) }
  }

  /// Where the meta page of the last commit begins.
  var meta: Int { number(144, as: UInt64.self) > number(Self.pageSize + 144, as: UInt64.self) ? 0 : Self.pageSize }

  /// The pages of a database, or of the tree whose root is given.
  func pages(of database: String) -> [Page] {
    let record = pages(from: number(meta + 88 + 40)).flatMap(\.nodes).first { String(decoding: bytes[$0.key], as: UTF8.self) == database }
    return record.map { pages(from: number($0.content.lowerBound + 40)) } ?? []
  }

  var mainPages: [Page] { pages(from: number(meta + 88 + 40)) }
  var freeListPages: [Page] { pages(from: number(meta + 40 + 40)) }

  func leaves(of database: String) -> [Page] { pages(of: database).filter { !$0.isBranch } }

  /// The bytes of a value, in the node's page or in overflow pages.
  func value(_ node: Node) -> Range<Int> {
    guard node.isOverflow else { return node.content }
    let start = number(node.content.lowerBound, as: Int.self) * Self.pageSize + 16
    return start..<start + node.valueByteCount
  }

  private func pages(from root: UInt64) -> [Page] {
    if root == .max { return [] }
    let page = page(root)
    return [page] + (page.isBranch ? page.nodes.flatMap { pages(from: $0.child) } : [])
  }

  private func page(_ number: UInt64) -> Page {
    let offset = Int(number) * Self.pageSize
    let isBranch = self.number(offset + 10, as: UInt16.self) == 1
    let count = (self.number(offset + 12, as: UInt16.self) - 16) / 2
    return Page(
      number: number, isBranch: isBranch,
      nodes: (0..<Int(count)).map { node(offset + Int(self.number(offset + 16 + 2 * $0, as: UInt16.self)), isBranch: isBranch) })
  }

  private func node(_ offset: Int, isBranch: Bool) -> Node {
    let key = offset + 8..<offset + 8 + Int(number(offset + 6, as: UInt16.self))
    let isOverflow = !isBranch && number(offset + 4, as: UInt16.self) & 1 != 0
    let size = isBranch ? 0 : Int(number(offset, as: UInt32.self))
    return Node(
      key: key, content: key.upperBound..<key.upperBound + (isOverflow ? 8 : size), isOverflow: isOverflow, valueByteCount: size,
      child: number(offset, as: UInt64.self) & 0xFFFF_FFFF_FFFF)
  }
}
