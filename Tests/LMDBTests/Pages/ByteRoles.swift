/// The role of each byte of an undamaged file: whether a checker can notice a change of it.
struct ByteRoles {
  enum Role: UInt8 {
    /// Free pages, free space in pages, bytes between nodes, fields that LMDB never looks at.
    case meaningless
    /// A change need not break a rule: separators, transaction numbers, sizes that only have to be large enough.
    case loose
    /// Any change breaks a rule of the format.
    case structure
    /// Any change makes a structure wrong or a checksum of an entry.
    case content
  }

  private(set) var roles: [Role]
  /// The offset after the last byte that must not change.
  private(set) var rigidEnd = 0

  /// Whether a change of the byte certainly breaks a rule.
  func isRigid(_ offset: Int) -> Bool { roles[offset] == .structure || roles[offset] == .content }

  init(_ image: FileImage) {
    roles = [Role](repeating: .meaningless, count: image.bytes.count)
    addMeta(image)
    for page in image.allPages() {
      mark(page.offset..<page.offset + 16, .structure)
      for (index, node) in page.nodes.enumerated() {
        mark(node.pointerOffset..<node.pointerOffset + 2, .structure)
        if page.isBranch {
          mark(node.offset..<node.offset + 6, .structure)
          // Sizes are rounded up, so a size that is one byte larger may not be noticed.
          mark(node.offset + 6..<node.offset + 8, .loose)
          if index > 0 { mark(node.key, .loose) }
        } else {
          addLeaf(image, page, node)
        }
      }
    }
    rigidEnd = (roles.indices.last { isRigid($0) } ?? -1) + 1
  }

  private mutating func addMeta(_ image: FileImage) {
    let meta = image.meta
    mark(meta..<meta + 152, .structure)
    // Padding, bounds and address of a meta page are not used; the map may be larger.
    mark(meta + 8..<meta + 10, .meaningless)
    mark(meta + 12..<meta + 16, .meaningless)
    mark(meta + 24..<meta + 32, .meaningless)
    mark(meta + 32..<meta + 40, .loose)
    // With another transaction number it may no longer be the later page.
    mark(meta + 144..<meta + 152, .loose)
  }

  private mutating func addLeaf(_ image: FileImage, _ page: FileImage.Page, _ node: FileImage.Node) {
    let hasChecksums = page.tree != "the free list" && page.tree != "the main tree"
    mark(node.offset..<node.offset + 8, hasChecksums ? .content : .structure)
    mark(node.key, hasChecksums ? .content : page.tree == "the free list" ? .loose : .structure)
    mark(node.content, hasChecksums && node.flags == 0 ? .content : .structure)
    if page.tree == "the free list" { mark(node.offset..<node.offset + 4, .loose) }
    guard let run = image.run(node) else {
      if page.tree == "the free list" { addFreeList(image, node.content, node) }
      return
    }
    let start = Int(run.lowerBound) * FileImage.pageSize
    mark(start..<start + 16, .structure)
    let value = start + 16..<start + 16 + node.valueByteCount
    if hasChecksums { mark(value, .content) } else { addFreeList(image, value, node) }
  }

  private mutating func addFreeList(_ image: FileImage, _ value: Range<Int>, _ node: FileImage.Node) {
    let count = image.number(value.lowerBound, as: Int.self)
    mark(value, .meaningless)
    mark(value.lowerBound..<value.lowerBound + 8 * (count + 1), .structure)
  }

  private mutating func mark(_ range: Range<Int>, _ role: Role) {
    for offset in range { roles[offset] = role }
  }
}
