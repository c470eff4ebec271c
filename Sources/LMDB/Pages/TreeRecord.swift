/// LMDB's record of one tree (`MDB_db`): two are in a meta page, one per named database in the main tree.
struct TreeRecord: Sendable, Equatable {
  static let byteCount = 48
  /// The root of a tree without an entry.
  static let noPage = UInt64.max
  /// LMDB's cursors reach no further down (`CURSOR_STACK`).
  static let maximumDepth = 32

  let pad: UInt32
  let flags: UInt16
  let depth: Int
  let branchPages: UInt64
  let leafPages: UInt64
  let overflowPages: UInt64
  let entries: UInt64
  let root: UInt64

  init(_ bytes: RawSpan, at offset: Int) {
    pad = bytes.littleEndian(at: offset)
    flags = bytes.littleEndian(at: offset + 4)
    depth = Int(bytes.littleEndian(at: offset + 6, as: UInt16.self))
    branchPages = bytes.littleEndian(at: offset + 8)
    leafPages = bytes.littleEndian(at: offset + 16)
    overflowPages = bytes.littleEndian(at: offset + 24)
    entries = bytes.littleEndian(at: offset + 32)
    root = bytes.littleEndian(at: offset + 40)
  }

  /// A tree of a single leaf.
  init(leaf page: UInt64) {
    (pad, flags, depth, branchPages, leafPages, overflowPages, entries) = (0, 0, 1, 0, 1, 0, 0)
    root = page
  }

  var isEmpty: Bool { root == Self.noPage }

  /// What is wrong with the record by itself; empty for a sound one.
  ///
  /// - Parameters:
  ///   - name: The tree's name at the beginning of each sentence.
  ///   - flags: The only flags that it may have.
  ///   - lastPage: The highest page number that is in use.
  func problems(_ name: String, flags expected: UInt16, lastPage: UInt64) -> [String] {
    var problems: [String] = []
    if flags != expected { problems.append("\(name): the flags are 0x\(String(flags, radix: 16)), not 0x\(String(expected, radix: 16))") }
    if isEmpty {
      if depth != 0 || branchPages != 0 || leafPages != 0 || overflowPages != 0 || entries != 0 {
        problems.append("\(name): there is no root, but a depth, pages or entries are recorded")
      }
    } else {
      if !(2...max(lastPage, 2)).contains(root) || root > lastPage {
        problems.append("\(name): the root is page \(root), outside of 2 to \(lastPage)")
      }
      if !(1...Self.maximumDepth).contains(depth) {
        problems.append("\(name): the depth is \(depth), outside of 1 to \(Self.maximumDepth)")
      }
    }
    return problems
  }
}
