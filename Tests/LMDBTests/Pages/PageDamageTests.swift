import LMDB
import TestSupport
import Testing

/// Each kind of damage to a page has its own message.
@Suite struct PageDamageTests {
  let sample: SampleFile

  init() throws {
    sample = try SampleFile()
    #expect(try sample.problems { _ in } == [])
  }

  private var leaf: FileImage.Page { get throws { try #require(sample.image.leaves(of: "main").dropFirst().first) } }
  private var branch: FileImage.Page { get throws { try #require(sample.image.pages(of: "main").first { $0.isBranch }) } }
  private var large: (page: FileImage.Page, node: FileImage.Node) {
    get throws {
      for page in sample.image.leaves(of: "main") {
        if let node = page.nodes.first(where: { $0.flags == 1 }) { return (page, node) }
      }
      return try #require(nil)
    }
  }

  private func expect(
    _ problem: String, sourceLocation: SourceLocation = #_sourceLocation, after change: (inout FileImage) throws -> Void
  ) throws {
    let problems = try sample.problems(change)
    #expect(problems.contains { $0.contains(problem) }, "\(problems.prefix(5))", sourceLocation: sourceLocation)
  }

  // MARK: Page headers

  @Test func aPageThatCallsItselfAnother() throws {
    let page = try leaf
    try expect("database main: page \(page.number) calls itself page 99") { $0.set(UInt64(99), at: page.offset) }
  }

  @Test(arguments: [0, 3, 4, 8, 0x12, 0x22, 0x42, 0x4002, 0x8002] as [UInt16]) func aPageThatIsNoLeaf(flags: UInt16) throws {
    let page = try leaf
    try expect("page \(page.number) has the flags 0x\(String(flags, radix: 16)), not those of a branch or a leaf") {
      $0.set(flags, at: page.offset + 10)
    }
  }

  @Test func padding() throws {
    let page = try leaf
    try expect("database main: page \(page.number) has 512 in its padding") { $0.set(UInt16(512), at: page.offset + 8) }
  }

  @Test func boundsOfTheFreeSpaceThatCannotBe() throws {
    let page = try leaf
    let (lower, upper): (UInt16, UInt16) = (sample.image.number(page.offset + 12), sample.image.number(page.offset + 14))
    for value in [0, 14, upper + 2, lower + 1, .max] {
      try expect("page \(page.number) has free space from \(value) to \(upper), which cannot be") { $0.set(value, at: page.offset + 12) }
    }
    for value in [0, lower - 2, upper + 1, 4098] {
      try expect("page \(page.number) has free space from \(lower) to \(value), which cannot be") { $0.set(value, at: page.offset + 14) }
    }
    try expect("page \(page.number) has 0 nodes, fewer than 1") { $0.set(UInt16(16), at: page.offset + 12) }
    try expect("page \(page.number): has nodes that overlap or leave gaps") { $0.set(lower - 2, at: page.offset + 12) }
    try expect("page \(page.number): has nodes that overlap or leave gaps") { $0.set(upper - 2, at: page.offset + 14) }
    let root = try branch
    try expect("page \(root.number) has 1 nodes, fewer than 2") { $0.set(UInt16(18), at: root.offset + 12) }
  }

  // MARK: Nodes

  @Test func aNodeOutsideOfItsPage() throws {
    let page = try leaf
    let node = page.nodes[2]
    for value in [0, 15, 4090, 4095, 4096, .max] as [UInt16] {
      try expect("page \(page.number), node 2: lies outside of the page or at an odd place") { $0.set(value, at: node.pointerOffset) }
    }
    try expect("page \(page.number), node 2: lies outside of the page") { $0.set(UInt16(4000), at: node.offset + 6) }
    try expect("page \(page.number), node 2: lies outside of the page") { $0.set(UInt32.max, at: node.offset) }
  }

  @Test func nodesThatOverlap() throws {
    let page = try leaf
    try expect("page \(page.number): has nodes that overlap or leave gaps") {
      $0.set(UInt16(page.nodes[3].offset - page.offset), at: page.nodes[2].pointerOffset)
    }
    try expect("page \(page.number): has nodes that overlap or leave gaps") {
      $0.set(UInt32(page.nodes[2].valueByteCount - 2), at: page.nodes[2].offset)
    }
    try expect("page \(page.number): has nodes that overlap or leave gaps") {
      $0.set(UInt16(page.nodes[2].key.count - 2), at: page.nodes[2].offset + 6)
    }
  }

  @Test func aKeyWithoutBytes() throws {
    let page = try leaf
    try expect("page \(page.number), node 2: has a key of 0 bytes") { $0.set(UInt16(0), at: page.nodes[2].offset + 6) }
    // The lowest node is used, because a longer key still fits into the page there.
    let lowest = try #require(page.nodes.indices.min { page.nodes[$0].offset < page.nodes[$1].offset })
    try expect("page \(page.number), node \(lowest): has a key of 600 bytes") { $0.set(UInt16(600), at: page.nodes[lowest].offset + 6) }
  }

  @Test(arguments: [2, 3, 4, 5, 8, 0x100, 0x8000] as [UInt16]) func flagsThatNoNodeHas(flags: UInt16) throws {
    let page = try leaf
    try expect("page \(page.number), node 2: has the flags 0x\(String(flags, radix: 16))") {
      $0.set(flags, at: page.nodes[2].offset + 4)
    }
  }

  @Test func keysOutOfOrder() throws {
    let page = try leaf
    let (first, second) = (page.nodes[2], page.nodes[3])
    try expect("page \(page.number), node 3: has a key that is not above the one before it") { image in
      for (left, right) in zip(first.key, second.key) { image.bytes.swapAt(left, right) }
    }
    try expect("page \(page.number), node 3: has a key that is not above the one before it") { image in
      for (left, right) in zip(first.key, second.key) { image.bytes[right] = image.bytes[left] }
    }
  }

  @Test func keysThatBelongElsewhere() throws {
    let page = try leaf
    try expect("page \(page.number): has 1 of \(page.nodes.count) keys outside of the bounds that its parent gives") {
      $0.bytes[page.nodes[0].key.lowerBound] = 0
    }
    try expect("page \(page.number): has 1 of \(page.nodes.count) keys outside of the bounds that its parent gives") {
      $0.bytes[try #require(page.nodes.last).key.lowerBound] = 255
    }
    let root = try branch
    // The separator is now above all keys to its right.
    try expect("outside of the bounds that its parent gives") { $0.bytes[root.nodes[2].key.upperBound - 1] += 1 }
  }

  @Test func theFirstKeyOfABranchMeansNothing() throws {
    let root = try branch
    guard !root.nodes[0].key.isEmpty else { return }
    #expect(try sample.problems { $0.bytes[root.nodes[0].key.lowerBound] ^= 0xFF } == [])
  }

  // MARK: Pointers

  @Test func aBranchThatLeadsOutOfTheFile() throws {
    let root = try branch
    for page in [0, 1, sample.image.lastPage + 1, 0xFFFF_FFFF_FFFF] {
      try expect("database main, page \(root.number): leads to page \(page), outside of the file's pages") { image in
        let header: UInt64 = image.number(root.nodes[1].offset)
        image.set(header & ~0xFFFF_FFFF_FFFF | page, at: root.nodes[1].offset)
      }
    }
  }

  @Test func aPageThatIsReachedTwice() throws {
    let root = try branch
    let problems = try sample.problems { image in
      let header: UInt64 = image.number(root.nodes[1].offset)
      image.set(header & ~0xFFFF_FFFF_FFFF | root.nodes[0].child, at: root.nodes[1].offset)
    }
    #expect(problems.first == "database main, page \(root.number): page \(root.nodes[0].child) is used twice")
    // The page is lost, and so are the pages of its large values.
    #expect(problems.dropFirst().allSatisfy { $0.hasSuffix("neither used nor free") } && problems.count > 1)
  }

  @Test func aTreeThatContainsItself() throws {
    let root = try branch
    try expect("database main, page \(root.number): page \(root.number) is used twice") { image in
      let header: UInt64 = image.number(root.nodes[1].offset)
      image.set(header & ~0xFFFF_FFFF_FFFF | root.number, at: root.nodes[1].offset)
    }
  }

  @Test func aFreePageInATree() throws {
    let root = try branch
    let free: UInt64 = sample.image.number(try #require(sample.image.freeEntryOffsets().first))
    try expect("database main, page \(root.number): page \(free) is used and free") { image in
      let header: UInt64 = image.number(root.nodes[1].offset)
      image.set(header & ~0xFFFF_FFFF_FFFF | free, at: root.nodes[1].offset)
    }
  }

  /// A chain of branches, each with two nodes that lead to the next: without the bitmap there would be 2^n visits, without the limit any
  /// depth.
  @Test func aTreeThatIsTooDeepOrTooBushyEnds() throws {
    let leaves = sample.image.leaves(of: "main").map(\.number)
    let record = try #require(sample.image.record(of: "main"))
    let problems = try sample.problems { image in
      let chain = image.freeEntryOffsets().map { image.number($0, as: UInt64.self) } + leaves
      #expect(chain.count > 40)
      for (page, next) in zip(chain, chain.dropFirst()) {
        let offset = Int(page) * FileImage.pageSize
        image.set(page, at: offset)
        image.set(UInt64(1) << 16 | UInt64(20) << 32 | UInt64(4096 - 20) << 48, at: offset + 8)
        // The first node has no key, the second one of two bytes.
        image.set(UInt16(4096 - 8), at: offset + 16)
        image.set(UInt16(4096 - 18 - 2), at: offset + 18)
        image.set(next, at: offset + 4096 - 8)
        image.set(next | UInt64(4) << 48, at: offset + 4096 - 20)
      }
      image.set(chain[0], at: record + 40)
    }
    #expect(problems.contains { $0.contains("the tree is deeper than 32 levels") })
    #expect(problems.count { $0.contains("is used twice") } >= 31)
  }

  // MARK: Large values

  @Test func aLargeValueAtAWrongPage() throws {
    let (page, node) = try large
    let place = "database main, page \(page.number), node \(page.nodes.firstIndex { $0.offset == node.offset }!): "
    for target in [0, 1, sample.image.lastPage + 1, .max, .max - 1] {
      try expect("\(place)the value of \(node.valueByteCount) bytes at page \(target) leads out of the file's pages") {
        $0.set(target, at: node.content.lowerBound)
      }
    }
    try expect("\(place)overflow page \(page.number) has the flags 0x2, not those of an overflow page") {
      $0.set(page.number, at: node.content.lowerBound)
    }
    let run = try #require(sample.image.run(node))
    try expect("\(place)overflow page \(run.lowerBound + 1) calls itself page") {
      $0.set(run.lowerBound + 1, at: node.content.lowerBound)
    }
  }

  @Test func aRunOfPagesWithADamagedHeader() throws {
    let (_, node) = try large
    let run = try #require(sample.image.run(node))
    let start = Int(run.lowerBound) * FileImage.pageSize
    try expect("overflow page \(run.lowerBound) calls itself page 5000") { $0.set(UInt64(5000), at: start) }
    try expect("overflow page \(run.lowerBound) has the flags 0x14") { $0.set(UInt16(0x14), at: start + 10) }
    try expect("overflow page \(run.lowerBound) has 1 in its padding") { $0.set(UInt16(1), at: start + 8) }
    try expect("the 1 pages from page \(run.lowerBound) on are fewer than the \(run.count) that the value takes") {
      $0.set(UInt32(1), at: start + 12)
    }
    try expect("the 4294967295 pages from page \(run.lowerBound) on lead out of the file's pages") {
      $0.set(UInt32.max, at: start + 12)
    }
    // One page more belongs to another value, or to no page of the recorded database.
    try expect("") { $0.set(UInt32(run.count + 1), at: start + 12) }
    try expect("leads out of the file's pages") { $0.set(UInt32.max, at: node.offset) }
  }

  @Test func aRunThatTwoValuesShare() throws {
    let nodes = sample.image.leaves(of: "main").flatMap(\.nodes).filter { $0.flags == 1 }
    let first: UInt64 = sample.image.number(nodes[1].content.lowerBound)
    try expect("overflow page \(first) is used twice") { image in
      image.set(first, at: nodes[0].content.lowerBound)
      image.set(UInt32(nodes[1].valueByteCount), at: nodes[0].offset)
    }
  }

  // MARK: Free list

  @Test func freePagesThatCannotBe() throws {
    let entries = sample.image.freeEntryOffsets()
    let page: UInt64 = sample.image.number(entries[0])
    for value in [0, 1, sample.image.lastPage + 1, .max] {
      try expect("page \(value) lies outside of the file's pages") { $0.set(value, at: entries[0]) }
    }
    try expect("page \(page) is neither used nor free") { $0.set(UInt64(1), at: entries[0]) }
    let used = try leaf.number
    try expect("database main, page \(try branch.number): page \(used) is used and free") { $0.set(used, at: entries[0]) }
    let next: UInt64 = sample.image.number(entries[1])
    try expect("page \(next) is free twice") { $0.set(next, at: entries[0]) }
    try expect("page \(page) follows page \(next)") { image in
      image.set(next, at: entries[0])
      image.set(page, at: entries[1])
    }
    let list = try #require(sample.image.pages(of: "the free list").first).number
    try expect("page \(list) is used and free") { $0.set(list, at: entries[0]) }
  }

  @Test func aFreeListRecordThatListsMoreThanItHas() throws {
    let node = try #require(sample.image.leaves(of: "the free list").first?.nodes.first { $0.flags == 0 })
    let (start, room) = (node.content.lowerBound, node.valueByteCount / 8 - 1)
    for count in [UInt64(room + 1), 1 << 61, .max] {
      try expect("the record has room for \(room) pages and lists \(count)") { $0.set(count, at: start) }
    }
    try expect("are neither used nor free") { $0.set(UInt64(0), at: start) }
    try expect("the record has \(node.valueByteCount - 3) bytes") { $0.set(UInt32(node.valueByteCount - 3), at: node.offset) }
  }

  @Test func aFreeListRecordOfNoTransaction() throws {
    let node = try #require(sample.image.leaves(of: "the free list").last?.nodes.last)
    let next = sample.image.transactionID + 1
    try expect("has pages of transaction \(next), the last one is \(next - 1)") { $0.set(next, at: node.key.lowerBound) }
    let first = try #require(sample.image.leaves(of: "the free list").first?.nodes.first)
    try expect("has pages of transaction 0") { $0.set(UInt64(0), at: first.key.lowerBound) }
    try expect("has a key of 7 bytes") { $0.set(UInt16(7), at: first.offset + 6) }
  }

  // MARK: Records of trees

  @Test(arguments: [
    (8, "branch pages"), (16, "leaf pages"), (24, "overflow pages"), (32, "entries"),
  ]) func aCountThatIsNotThatOfTheTree(offset: Int, what: String) throws {
    for name in ["main", "the free list", "the main tree"] {
      let record = try #require(sample.image.record(of: name))
      let recorded: UInt64 = sample.image.number(record + offset)
      let tree = name == "main" ? "database main" : name
      try expect("\(tree): has \(recorded) \(what), \(recorded + 7) are recorded") { $0.set(recorded + 7, at: record + offset) }
    }
  }

  @Test func aRecordWithImpossibleFields() throws {
    let record = try #require(sample.image.record(of: "main"))
    let depth = sample.image.number(record + 6, as: UInt16.self)
    try expect("database main: the padding is 4, not 0") { $0.set(UInt32(4), at: record) }
    try expect("database main: the flags are 0x4, not 0x0") { $0.set(UInt16(4), at: record + 4) }
    try expect("database main: page \(try branch.nodes[0].child) is a leaf at level \(depth) of a tree of depth \(depth + 1)") { image in
      image.set(depth + 1, at: record + 6)
    }
    try expect("is a branch at level 1 of a tree of depth 1") { $0.set(UInt16(1), at: record + 6) }
    try expect("database main: the depth is 40, outside of 1 to 32") { $0.set(UInt16(40), at: record + 6) }
    try expect("database main: the root is page 0, outside of 2 to") { $0.set(UInt64(0), at: record + 40) }
    try expect("database main: there is no root, but a depth, pages or entries are recorded") { $0.set(UInt64.max, at: record + 40) }
    let name = try #require(sample.image.pages(of: "the main tree").first?.nodes.first { $0.content.lowerBound == record })
    try expect("which is no database of a store") { $0.bytes[name.key.lowerBound] = UInt8(ascii: "n") }
    try expect("page \(sample.image.root(sample.image.mainRecord)), node") { $0.set(UInt16(0), at: name.offset + 4) }
    try expect("the record of database main has 47 bytes, not 48") { $0.set(UInt32(47), at: name.offset) }
  }

  // MARK: The file's end

  @Test func aFileThatEndsBeforeItsPages() throws {
    try expect("lies behind the end of the file") { $0.bytes.removeLast(max(0, $0.bytes.count - 20 * 4096)) }
    try expect("the main tree: page 2 lies behind the end of the file") { $0.bytes.removeLast($0.bytes.count - 8192) }
    // The meta page says more pages than the free list of such a file could name.
    let last = sample.image.lastPage + 100_000
    try expect("the file is truncated: it has \(sample.image.bytes.count) bytes, its meta page says \(last + 1) pages of 4096") {
      $0.set(last, at: $0.meta + 136)
    }
    try expect("pages \(sample.image.lastPage + 1) to \(sample.image.lastPage + 3) are neither used nor free") {
      $0.set($0.lastPage + 3, at: $0.meta + 136)
    }
  }

  @Test func everyMissingPageIsCounted() throws {
    let record = try #require(sample.image.record(of: "main"))
    let problems = try sample.problems { image in
      for offset in stride(from: 0, to: 40, by: 8) { image.set(UInt64(0), at: record + offset) }
      image.set(UInt64.max, at: record + 40)
    }
    let missing = problems.filter { $0.hasSuffix("neither used nor free") }.map { problem in
      let numbers = problem.split(whereSeparator: { !$0.isNumber }).compactMap { Int($0) }
      return numbers.count == 2 ? numbers[1] - numbers[0] + 1 : numbers.count
    }
    let report = try walk(sample.path, SampleFile.databases)
    try sample.image.write(to: sample.path)
    let sound = try walk(sample.path, SampleFile.databases)
    #expect(missing.reduce(0, +) == sound.databases[0].pages)
    #expect(report.usedPages + sound.databases[0].pages == sound.usedPages)
  }
}
