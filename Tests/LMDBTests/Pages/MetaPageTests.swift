import Files
import LMDB
import TestSupport
import Testing

@Suite struct MetaPageTests {
  /// Makes a file whose last commit is in the second meta page, or in the first if there is one commit more.
  private static func make(commits: Int = 3) throws -> TemporaryDirectory {
    let directory = TemporaryDirectory()
    let environment = try Environment(path: directory.path, databases: ["main"], options: .creating)
    for number in 1..<commits { try commit(["key \(number)": [1, 2, 3]], to: environment) }
    #expect(environment.lastTransactionID == commits)
    #expect(environment.close())
    return directory
  }

  private func file(_ directory: TemporaryDirectory) throws -> FileHandle {
    try FileHandle(path: directory.path("data.mdb"), access: .readWrite)
  }

  @Test(arguments: [3, 4]) func bothPagesAreReadAndTheLaterOneCounts(commits: Int) throws {
    let directory = try Self.make(commits: commits)
    let pair = try MetaPair.read(file(directory))
    #expect(pair.first.problems == [] && pair.second.problems == [])
    #expect(pair.first.slot == 0 && pair.second.slot == 1)
    #expect(pair.newest.transactionID == UInt64(commits) && pair.newest.slot == commits % 2)
    #expect(pair.newestValid == pair.newest)
    #expect(pair.page(ofTransaction: UInt64(commits - 1))?.slot == 1 - commits % 2)
    #expect(pair.page(ofTransaction: UInt64(commits - 2)) == nil)
    #expect(pair.newest.pageSizeBytes == 4096 && pair.newest.mapSizeBytes >= 1 << 30 && pair.newest.lastPage >= 3)
    #expect(try MetaPair.validate(file(directory)) == [])
  }

  @Test func aNewFileHasTwoPagesOfTransactionZero() throws {
    let directory = TemporaryDirectory()
    #expect(try Environment(path: directory.path, databases: [], options: .creating).close())
    let pair = try MetaPair.read(file(directory))
    // The handles are opened in a transaction that changes nothing, so neither page has a transaction number above 0.
    #expect(pair.first.transactionID == 0 && pair.second.transactionID == 0)
    #expect(pair.newestValid?.slot == 0)
    #expect(try MetaPair.validate(file(directory)) == [])
    #expect(try walk(directory.path("data.mdb"), []).problems == [])
  }

  struct Damage: Sendable, CustomTestStringConvertible {
    let field: String
    let offset: Int
    let bytes: [UInt8]
    let problem: String
    /// Whether the field must be correct in both pages, because LMDB reads it in both.
    var countsInBoth = false

    var testDescription: String { field }
  }

  private static func damage<Integer: FixedWidthInteger>(
    _ field: String, _ offset: Int, _ value: Integer, _ problem: String, countsInBoth: Bool = false
  ) -> Damage {
    let bytes = (0..<Integer.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> Integer($0 * 8)) }
    return Damage(field: field, offset: offset, bytes: bytes, problem: problem, countsInBoth: countsInBoth)
  }

  static let damages = [
    damage("number", 0, UInt64(7), "the page calls itself page 7", countsInBoth: true),
    damage("flags", 10, UInt16(2), "the page's flags are 0x2, not those of a meta page", countsInBoth: true),
    damage("magic", 16, UInt32(0xBEEF_C0DF), "the magic number is 0xbeefc0df, not 0xbeefc0de", countsInBoth: true),
    damage("version", 20, UInt32(999), "the version is 999, not 1", countsInBoth: true),
    damage("page size zero", 40, UInt32(0), "the page size is 0, not a power of two from 512 to 65536", countsInBoth: true),
    damage("page size odd", 40, UInt32(4097), "the page size is 4097, not a power of two from 512 to 65536", countsInBoth: true),
    damage("page size huge", 40, UInt32(1 << 31), "the page size is 2147483648, not a power of two", countsInBoth: true),
    damage("map size", 32, UInt64(8192), "the map of 8192 bytes is smaller than"),
    damage("free list flags", 44, UInt16(0xC), "free list: the flags are 0xc, not 0x8"),
    damage("free list root", 80, UInt64(1 << 40), "free list: the root is page 1099511627776, outside of 2 to"),
    damage("main flags", 92, UInt16(4), "main tree: the flags are 0x4, not 0x0"),
    damage("main padding", 88, UInt32(8), "main tree: the padding is 8, not 0"),
    damage("main depth", 94, UInt16(33), "main tree: the depth is 33, outside of 1 to 32"),
    damage("main depth zero", 94, UInt16(0), "main tree: the depth is 0, outside of 1 to 32"),
    damage("main root", 128, UInt64(1), "main tree: the root is page 1, outside of 2 to"),
    damage("main root gone", 128, UInt64.max, "main tree: there is no root, but a depth, pages or entries are recorded"),
    damage("last page zero", 136, UInt64(0), "the last page is 0, outside of 1 to"),
    damage("last page huge", 136, UInt64.max, "the last page is 18446744073709551615, outside of 1 to"),
    damage("transaction of the other slot", 144, UInt64(6), "the transaction is 6, which belongs to the other meta page"),
    damage("transaction huge", 144, UInt64.max, "the transaction 18446744073709551615 is too large"),
  ]

  @Test(arguments: damages) func aDamagedFieldIsNamedAndRefusedBeforeOpening(damage: Damage) throws {
    let directory = try Self.make()
    let file = try file(directory)
    // The later page is the one in slot 1.
    try file.write(damage.bytes, at: 4096 + damage.offset)
    let damaged = try MetaPage.read(file, slot: 1)
    #expect(!damaged.isValid)
    #expect(damaged.problems.contains { $0.hasPrefix("meta page 1") && $0.contains(damage.problem) }, "\(damaged.problems)")
    #expect(try MetaPair.validate(file).contains { $0.contains(damage.problem) })
    #expect(try MetaPair.read(file).newestValid?.slot == 0)
    let report = try PageWalker(FileHandle(path: file.path, access: .read), databases: ["main"]).walk(damaged)
    #expect(report.problems.contains { $0.contains(damage.problem) })
  }

  @Test(arguments: damages) func theEarlierPageCountsOnlyAsFarAsLMDBLooksAtIt(damage: Damage) throws {
    let directory = try Self.make()
    let file = try file(directory)
    if damage.field.hasPrefix("transaction") { return }
    try file.write(damage.bytes, at: damage.offset)
    let problems = try MetaPair.validate(file)
    #expect(problems.contains { $0.contains(damage.problem) } == damage.countsInBoth, "\(problems)")
    #expect(damage.countsInBoth || problems == [])
  }

  @Test(arguments: [1, 7]) func transactionsThatDoNotFollowEachOtherAreRefused(transaction: UInt8) throws {
    let file = try file(Self.make())
    try file.write([transaction], at: 4096 + 144)
    let other = (min(2, transaction), max(2, transaction))
    let problems = try MetaPair.validate(file)
    #expect(
      problems == (transaction == 1 ? [] : ["the meta pages are of transactions \(other.0) and \(other.1), which do not follow each other"])
    )
  }

  @Test func anotherPageSizeThanTheExpectedOneIsRefused() throws {
    let file = try file(Self.make())
    #expect(
      try MetaPair.validate(file, pageSizeBytes: 16_384) == [
        "meta page 0: the page size is 4096, not 16384", "meta page 1: the page size is 4096, not 16384",
      ])
    // A size that is possible, but differs from that of this file.
    try file.write([0, 32, 0, 0], at: 40)
    #expect(try !MetaPair.validate(file).isEmpty)
  }

  @Test func aFileThatEndsTooEarlyIsRefusedWithItsSizes() throws {
    let sample = try SampleFile(entries: 100)
    let file = try FileHandle(path: sample.path, access: .readWrite)
    let pages = sample.image.allPages()
    let runs = pages.filter { !$0.isBranch }.flatMap(\.nodes).compactMap { sample.image.run($0) }
    let lastUsed = try #require((pages.map(\.number) + runs.map { $0.upperBound - 1 }).max())
    #expect(try MetaPair.validate(file) == [])
    // Cutting the file after the last used page loses only free pages, according to the free list.
    try file.truncate(to: Int(lastUsed + 1) * 4096)
    #expect(try MetaPair.validate(file) == [])
    let named = Set(sample.image.freeEntryOffsets().map { sample.image.number($0, as: UInt64.self) })
    #expect(!named.contains(lastUsed))
    for size in [Int(lastUsed) * 4096, 40_000, 8192] {
      try file.truncate(to: size)
      let needed = (sample.image.lastPage + 1) * 4096
      #expect(try MetaPair.validate(file) == ["the file is truncated: it has \(size) bytes, its meta page says \(needed)"])
    }
    for size in [8191 - 4096, 4096 + 100, 4096, 152, 151, 100, 0] {
      try file.truncate(to: size)
      #expect(try MetaPair.validate(file).contains { $0.contains("the file ends after") }, "\(size)")
      #expect(try !walk(sample.path, SampleFile.databases).isClean)
    }
  }

  /// LMDB opens every file that passes validation without a crash; it dies of some files that do not pass. At this point it uses the meta
  /// pages only.
  @Test func whatPassesIsOpenedByLMDBWithoutACrash() throws {
    struct Inspected: Error {}
    var generator = SeededGenerator(seed: 61)
    let directory = try Self.make(commits: 4)
    let path = directory.path("data.mdb")
    let image = try FileImage(path: path)
    var (passed, refused) = (0, 0)
    for _ in 0..<1500 {
      var changed = image
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        let offset = Int.random(in: 0..<2, using: &generator) * 4096 + Int.random(in: 0..<152, using: &generator)
        changed.bytes[offset] = [0, 1, 0x7F, 0xFF, UInt8.random(in: 0...255, using: &generator)].randomElement(using: &generator)!
      }
      try changed.write(to: path)
      guard try MetaPair.validate(FileHandle(path: path, access: .read)).isEmpty else {
        refused += 1
        continue
      }
      passed += 1
      #expect(throws: Inspected.self) {
        _ = try Environment(path: directory.path, databases: ["main"], options: .init()) { slot in
          let report = try PageWalker(FileHandle(path: path, access: .read), databases: ["main"]).walkOwnSnapshot(&slot)
          #expect(report.transactionID == nil || report.transactionID == UInt64(slot.id))
          throw Inspected()
        }
      }
    }
    #expect(passed > 100 && refused > 500)
  }
}
