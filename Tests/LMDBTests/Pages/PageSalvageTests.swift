import Files
import LMDB
import TestSupport
import Testing

/// The entries that a repair can still read from a damaged file.
@Suite struct PageSalvageTests {
  private struct Refusal: Error, Equatable {}

  /// The entries lent and taken: those of the trees by database, those of lost leaves by page.
  private struct Outcome {
    var entries: [String: [Entry]] = [:]
    /// By page, and by the database for which the checksum matches.
    var orphans: [UInt64: [String: [Entry]]] = [:]
    var unknown = 0
    var refused = 0
    var hasOrphans = false
    var problems: [String] = []

    /// All entries that were taken, by database.
    var taken: [String: Set<[UInt8]>] {
      var taken = entries.mapValues { Set($0.map { $0.key + $0.value }) }
      for (name, list) in orphans.values.joined() { taken[name, default: []].formUnion(list.map { $0.key + $0.value }) }
      return taken
    }
  }

  let sample: SampleFile

  init() throws { sample = try SampleFile() }

  private var root: FileImage.Page { get throws { try #require(sample.image.pages(of: "main").first) } }

  /// All entries of the undamaged file.
  private var whole: [String: Set<[UInt8]>] {
    var whole: [String: Set<[UInt8]>] = [:]
    for name in SampleFile.databases {
      let nodes = sample.image.leaves(of: name).flatMap(\.nodes)
      if !nodes.isEmpty { whole[name] = Set(nodes.map { sample.image.entry($0) }) }
    }
    return whole
  }

  private func salvage(_ change: (inout FileImage) throws -> Void) throws -> Outcome {
    var changed = sample.image
    try change(&changed)
    try changed.write(to: sample.path)
    let file = try FileHandle(path: sample.path, access: .read)
    let pair = try MetaPair.read(file)
    var salvage = try PageSalvage(file, meta: pair.newest, databases: SampleFile.databases)
    var outcome = Outcome()
    salvage.forEachEntry { database, key, value in
      guard RecordChecksum(database: database).matches(key: key, stored: value) else {
        outcome.refused += 1
        return false
      }
      outcome.entries[database, default: []].append(Entry(key: copy(key), value: copy(value)))
      return true
    }
    outcome.hasOrphans = salvage.forEachOrphan { page, key, value in
      for database in SampleFile.databases where RecordChecksum(database: database).matches(key: key, stored: value) {
        outcome.orphans[page, default: [:]][database, default: []].append(Entry(key: copy(key), value: copy(value)))
        return true
      }
      outcome.unknown += 1
      return false
    }
    #expect(outcome.hasOrphans == salvage.hasSoundFreeList)
    outcome.problems = salvage.problems
    return outcome
  }

  @Test func aSoundFileIsLentWholeAndInOrder() throws {
    let outcome = try salvage { _ in }
    #expect(outcome.problems == [] && outcome.orphans.isEmpty && outcome.hasOrphans && outcome.refused == 0)
    #expect(outcome.taken == whole)
    for name in ["main", "other"] {
      #expect(outcome.entries[name]?.map(\.key) == sample.image.leaves(of: name).flatMap(\.nodes).map { Array(sample.image.bytes[$0.key]) })
    }
  }

  @Test func aDamagedLeafCostsItsOwnEntries() throws {
    let leaf = sample.image.leaves(of: "main")[2]
    let lost = Set(leaf.nodes.map { sample.image.entry($0) })
    let outcome = try salvage { $0.set(UInt16(0), at: leaf.offset + 10) }
    #expect(outcome.problems == ["database main: page \(leaf.number) has the flags 0x0, not those of a branch or a leaf"])
    #expect(outcome.taken["main"] == whole["main"]?.subtracting(lost) && outcome.taken["other"] == whole["other"])
  }

  @Test func aDamagedNodeCostsItself() throws {
    let leaf = sample.image.leaves(of: "main")[2]
    let lost = sample.image.entry(leaf.nodes[3])
    for change in [{ $0.set(UInt16(1), at: leaf.nodes[3].pointerOffset) }, { $0.set(UInt16(9), at: leaf.nodes[3].offset + 4) }]
      as [(inout FileImage) -> Void]
    {
      let outcome = try salvage(change)
      #expect(!outcome.problems.isEmpty && outcome.orphans.isEmpty)
      #expect(outcome.taken["main"] == whole["main"]?.subtracting([lost]))
    }
  }

  @Test func lostLeavesComeBackAsOrphans() throws {
    let root = try root
    #expect(root.isBranch)
    let outcome = try salvage { $0.set(UInt16(0), at: root.offset + 10) }
    #expect(outcome.entries["main"] == nil && outcome.taken == whole)
    #expect(Set(outcome.orphans.keys) == Set(sample.image.leaves(of: "main").map(\.number)))
    #expect(outcome.unknown == 0)
  }

  @Test func aPointerToAnotherLeafLosesNothing() throws {
    let root = try root
    for target in [root.nodes[0].child, try #require(sample.image.leaves(of: "other").first).number] {
      let outcome = try salvage { image in
        let header: UInt64 = image.number(root.nodes[2].offset)
        image.set(header & ~0xFFFF_FFFF_FFFF | target, at: root.nodes[2].offset)
      }
      #expect(!outcome.problems.isEmpty && outcome.taken == whole)
      #expect(outcome.orphans.keys.contains(root.nodes[2].child))
    }
  }

  @Test func aDamagedSeparatorLosesNothing() throws {
    let root = try root
    let outcome = try salvage { $0.bytes[root.nodes[2].key.lowerBound] = 1 }
    #expect(!outcome.problems.isEmpty && outcome.taken == whole)
    // Separators in the wrong order are not used as bounds, so no leaf has to be found as an orphan.
    #expect(outcome.orphans.isEmpty)
  }

  /// The wrong pointer leads to a leaf of another parent entry: the leaf is lent when its right pointer is followed.
  @Test func aPointerToALaterLeafLosesOnlyWhatItLedTo() throws {
    let root = try root
    let lost = sample.image.page("main", root.nodes[1].child)
    let entry = try #require(sample.image.freeEntryOffsets().first)
    let outcome = try salvage { image in
      let header: UInt64 = image.number(root.nodes[1].offset)
      image.set(header & ~0xFFFF_FFFF_FFFF | root.nodes[3].child, at: root.nodes[1].offset)
      // The free list is damaged, too, so that no orphans are searched for.
      image.set(UInt64(1), at: entry)
    }
    #expect(!outcome.hasOrphans && outcome.taken["other"] == whole["other"])
    #expect(outcome.taken["main"] == whole["main"]?.subtracting(lost.nodes.map { sample.image.entry($0) }))
  }

  @Test func databasesWithExchangedRootsAreToldApartByTheirChecksums() throws {
    let (main, other) = (try #require(sample.image.record(of: "main")), try #require(sample.image.record(of: "other")))
    let outcome = try salvage { image in
      let records = (image.bytes[main..<main + 48], image.bytes[other..<other + 48])
      image.bytes.replaceSubrange(main..<main + 48, with: records.1)
      image.bytes.replaceSubrange(other..<other + 48, with: records.0)
    }
    #expect(outcome.entries.isEmpty && outcome.refused == whole.values.map(\.count).reduce(0, +))
    #expect(outcome.taken == whole)
  }

  @Test func withoutTheMainTreeEverythingIsAnOrphan() throws {
    let page = sample.image.root(sample.image.mainRecord)
    let outcome = try salvage { $0.set(UInt64(0), at: Int(page) * FileImage.pageSize) }
    #expect(outcome.entries.isEmpty && outcome.taken == whole)
    #expect(outcome.problems.contains("the database main is missing"))
  }

  @Test func withoutTheMainTreesRootEverythingIsAnOrphanToo() throws {
    let outcome = try salvage { $0.set(UInt64(0), at: $0.mainRecord + 40) }
    #expect(outcome.entries.isEmpty && outcome.taken == whole)
    let other = try salvage { $0.set(UInt64(0), at: $0.freeListRecord + 40) }
    #expect(!other.hasOrphans && other.taken == whole)
  }

  @Test func afterATruncationOrphansAreNotOfferedAndTheRestIsLent() throws {
    let kept = try #require(sample.image.pages(of: "the free list").first).number
    let outcome = try salvage { $0.bytes.removeLast($0.bytes.count - Int(kept) * FileImage.pageSize) }
    #expect(!outcome.hasOrphans && !outcome.problems.isEmpty && !outcome.taken.isEmpty)
    #expect(outcome.taken.allSatisfy { $0.value.isSubset(of: whole[$0.key] ?? []) })
  }

  @Test func withoutASoundFreeListOrphansAreNotOffered() throws {
    let root = try root
    let entry = try #require(sample.image.freeEntryOffsets().first)
    let count = try #require(sample.image.record(of: "the free list")) + 32
    for change in [{ $0.set(UInt64(1), at: entry) }, { $0.set(UInt64(77), at: count) }] as [(inout FileImage) -> Void] {
      let outcome = try salvage { image in
        change(&image)
        image.set(UInt16(0), at: root.offset + 10)
      }
      #expect(!outcome.hasOrphans && outcome.orphans.isEmpty && outcome.unknown == 0)
      #expect(outcome.taken["main"] == nil && outcome.taken["other"] == whole["other"])
    }
  }

  /// A free page holds deleted or replaced entries with valid checksums.
  @Test func deletedEntriesDoNotComeBack() throws {
    let free = sample.image.freeEntryOffsets().map { sample.image.number($0, as: UInt64.self) }
    let stale = free.filter { page in
      let header = Int(page) * FileImage.pageSize
      return header < sample.image.bytes.count && sample.image.number(header + 10, as: UInt16.self) == 2
        && sample.image.number(header, as: UInt64.self) == page
    }
    #expect(stale.count > 5)
    let root = try root
    for page in stale {
      let outcome = try salvage { image in
        let header: UInt64 = image.number(root.nodes[0].offset)
        image.set(header & ~0xFFFF_FFFF_FFFF | page, at: root.nodes[0].offset)
      }
      // Either the pointer or the free list is damaged: if only the free list distinguishes free pages from lost ones, nothing is taken
      // from them.
      #expect(!outcome.hasOrphans && outcome.unknown == 0)
      #expect(outcome.taken.allSatisfy { $0.value.isSubset(of: whole[$0.key] ?? []) } && outcome.taken["other"] == whole["other"])
    }
  }

  /// A value has any bytes that its user stores, and may look like a page of the file.
  @Test func aValueThatLooksLikeALeafIsNoLeaf() throws {
    let leaves = sample.image.leaves(of: "main")
    let (leaf, node) = try #require(
      leaves.lazy.flatMap { leaf in leaf.nodes.map { (leaf, $0) } }.first { sample.image.run($0.1)?.count ?? 0 > 1 })
    let inner = try #require(sample.image.run(node)).lowerBound + 1
    let model = sample.image.leaves(of: "other")[0]
    let outcome = try salvage { image in
      let start = Int(inner) * FileImage.pageSize
      image.bytes.replaceSubrange(start..<start + 4096, with: image.bytes[model.offset..<model.offset + 4096])
      image.set(inner, at: start)
      // No node leads to the value any longer.
      image.set(UInt16(0), at: leaf.offset + 10)
    }
    #expect(outcome.orphans.isEmpty && outcome.unknown == 0 && outcome.taken["other"] == whole["other"])
  }

  /// A large value that a thousand nodes name would be read a thousand times.
  ///
  /// Bug: the budget counted only the bytes of values, so small values in a long run cost nothing, but the pages of the run were checked
  /// for each. A crafted file of some hundred MiB kept a repair busy for hours. Fix: pages have a budget as well.
  @Test(arguments: [(200_000, "the overflow page"), (11, "the pages from page")]) func valuesThatShareTheirPagesAreReadWithinABudget(
    size: Int, place: String
  ) throws {
    let directory = TemporaryDirectory()
    do {
      let environment = try Environment(path: directory.path, databases: ["main"], options: .creating)
      var transaction = try EnvironmentTransaction(environment)
      for number in 0..<1000 { try transaction.put(SampleFile.key(number), [1, 2, 3], in: environment.databases[0]) }
      try transaction.put(Key("z"), [UInt8](repeating: 9, count: 200_000), in: environment.databases[0])
      try transaction.commit()
      #expect(environment.close())
    }
    var image = try FileImage(path: directory.path("data.mdb"))
    let nodes = image.leaves(of: "main").flatMap(\.nodes)
    let target: UInt64 = image.number(try #require(nodes.last).content.lowerBound)
    for node in nodes.dropLast() {
      #expect(node.valueByteCount == 11)
      image.set(UInt32(size), at: node.offset)
      image.set(UInt16(1), at: node.offset + 4)
      image.set(target, at: node.content.lowerBound)
    }
    try image.write(to: directory.path("data.mdb"))
    let file = try FileHandle(path: directory.path("data.mdb"), access: .read)
    let meta = try MetaPair.read(file).newest
    var salvage = try PageSalvage(file, meta: meta, databases: ["main"])
    var (bytes, lent) = (0, 0)
    salvage.forEachEntry { _, _, value in
      bytes += value.byteCount
      lent += 1
      return false
    }
    #expect(bytes > size && bytes <= image.bytes.count * 2)
    #expect(lent * (200_000 / 4096) <= image.bytes.count / 4096 * 64)
    #expect(salvage.problems.contains { $0.contains("too many values share \(place) \(target)") })
  }

  @Test func whatTheCallerThrowsEndsThePass() throws {
    let file = try FileHandle(path: sample.path, access: .read)
    let meta = try MetaPair.read(file).newest
    var salvage = try PageSalvage(file, meta: meta, databases: SampleFile.databases)
    var count = 0
    #expect(throws: Refusal()) {
      try salvage.forEachEntry { (_, _, _) throws(Refusal) in
        count += 1
        if count == 7 { throw Refusal() }
        return true
      }
    }
    #expect(count == 7)
  }
}
