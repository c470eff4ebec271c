import Files
import LMDB
import TestSupport
import Testing

@Suite struct PageWalkTests {
  let directory = TemporaryDirectory()
  var dataPath: String { directory.path("data.mdb") }

  private func open(_ databases: [String] = ["main", "other"]) throws -> Environment {
    try Environment(path: directory.path, databases: databases, options: .creating)
  }

  /// Walks a new snapshot, and compares the report with LMDB's numbers.
  private func expectClean(_ environment: Environment, sourceLocation: SourceLocation = #_sourceLocation) throws -> PageReport {
    var snapshot = try EnvironmentSnapshot(environment)
    let walker = try PageWalker(FileHandle(path: dataPath, access: .read), databases: environment.databases.map(\.name))
    let report = try walker.walkOwnSnapshot(&snapshot)
    #expect(report.transactionID == UInt64(snapshot.id), sourceLocation: sourceLocation)
    try expectAgreement(report, environment, snapshot.view, sourceLocation: sourceLocation)
    return report
  }

  @Test func aNewFileIsCleanAndEmpty() throws {
    let environment = try open()
    let report = try expectClean(environment)
    #expect(report.databases.allSatisfy { $0.entries == 0 && $0.pages == 0 && $0.depth == 0 })
    #expect(report.main?.pages == 1 && report.freeList?.pages == 0 && report.freePages == 0)
  }

  @Test(arguments: 1...12 as ClosedRange<UInt64>) func everyStateOfARandomWorkloadIsClean(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let environment = try open(["a", "b", "c"])
    let keySize = Int.random(in: 4...100, using: &generator)
    let keyCount = Int.random(in: 50...1500, using: &generator)
    let largest = [30, 300, 3000, 40_000].randomElement(using: &generator)!
    var held: [HeldSnapshot] = []
    for _ in 0..<25 {
      var transaction = try EnvironmentTransaction(environment)
      let deletions = [5, 50, 95].randomElement(using: &generator)!
      for _ in 0..<Int.random(in: 1...200, using: &generator) {
        let database = environment.databases[Int.random(in: 0..<3, using: &generator)]
        var key = Key(generator.bytes(count: 4).map { $0 & 1 } + [UInt8](repeating: 7, count: keySize - 4))
        key.append(UInt32.random(in: 0..<UInt32(keyCount), using: &generator))
        if generator.chance(percent: deletions) {
          try transaction.delete(key, in: database)
        } else {
          // Large sizes are rare. If a transaction makes a value smaller, the value keeps its run of pages.
          let size = Int.random(in: 0...largest, using: &generator) / (generator.chance(percent: 80) ? 20 : 1)
          try transaction.put(key, generator.bytes(count: size), in: database)
        }
      }
      if generator.chance(percent: 90) { try transaction.commit() }
      if generator.chance(percent: 20) { held.append(try HeldSnapshot(environment)) }
      if generator.chance(percent: 20) { held.removeAll() }
      _ = try expectClean(environment)
    }
    held.removeAll()
    #expect(environment.close())
    #expect(try MetaPair.validate(FileHandle(path: dataPath, access: .read)) == [])
    #expect(try walk(dataPath, ["a", "b", "c"]).problems == [])
  }

  @Test func entriesAreLentInOrderWithTheirChecksums() throws {
    let sample = try SampleFile()
    var lent: [String: [Entry]] = [:]
    let report = try walk(sample.path, SampleFile.databases) { database, key, value in
      let isItsOwn = RecordChecksum(database: database).matches(key: key, stored: value)
      let isAnothers = RecordChecksum(database: "another").matches(key: key, stored: value)
      #expect(isItsOwn && !isAnothers)
      lent[database, default: []].append(Entry(key: copy(key), value: copy(value)))
    }
    #expect(report.isClean)
    for name in ["main", "other"] {
      let nodes = sample.image.leaves(of: name).flatMap(\.nodes)
      #expect(lent[name] == nodes.map { Entry(key: Array(sample.image.bytes[$0.key]), value: sample.image.value($0)) })
      #expect(lent[name]?.count == report.databases.first { $0.name == name }?.entries)
    }
    #expect(lent["empty"] == nil)
  }

  @Test func everyPageIsCountedWhereItBelongs() throws {
    let sample = try SampleFile()
    let report = try walk(sample.path, SampleFile.databases)
    #expect(report.problems == [])
    for tree in report.databases + [try #require(report.main), try #require(report.freeList)] {
      let pages = sample.image.pages(of: tree.name)
      #expect(tree.branchPages == pages.count(where: \.isBranch) && tree.leafPages == pages.count { !$0.isBranch })
      #expect(tree.depth == pages.map(\.level).max() ?? 0)
      let leaves = pages.filter { !$0.isBranch }
      #expect(tree.entries == leaves.map(\.nodes.count).reduce(0, +))
      #expect(tree.overflowPages == leaves.flatMap(\.nodes).compactMap { sample.image.run($0)?.count }.reduce(0, +))
    }
    #expect(report.freePages == sample.image.freeEntryOffsets().count && report.freePages > 20)
    #expect(report.usedPages + report.freePages == Int(sample.image.lastPage) - 1)
    #expect(report.databases[0].overflowPages > 10 && report.databases[0].branchPages >= 1)
  }

  @Test func treesOfThreeAndMoreLevelsAreWalked() throws {
    let environment = try open()
    var transaction = try EnvironmentTransaction(environment)
    for number in 0..<6000 {
      var key = Key([UInt8](repeating: 1, count: 100))
      key.append(UInt32(number).byteSwapped)
      try transaction.put(key, [1, 2, 3], in: environment.databases[0])
    }
    try transaction.commit()
    let report = try expectClean(environment)
    #expect(report.databases[0].depth >= 3 && report.databases[0].entries == 6000)
    #expect(report.bytesRead >= report.databases[0].pages * 4096)
  }

  @Test func aFreeListThatFillsOverflowPagesIsRead() throws {
    let environment = try open()
    var transaction = try EnvironmentTransaction(environment)
    for number in 0..<4000 { try transaction.put(SampleFile.key(number), [UInt8](repeating: 1, count: 1500), in: environment.databases[0]) }
    try transaction.commit()
    transaction = try EnvironmentTransaction(environment)
    for number in 0..<4000 { try transaction.delete(SampleFile.key(number), in: environment.databases[0]) }
    try transaction.commit()
    let report = try expectClean(environment)
    #expect(report.freePages > 1900 && report.freeList?.overflowPages ?? 0 >= 3)
    #expect(report.databases[0].pages == 0)
  }

  /// If a transaction makes a large value smaller, LMDB keeps its pages: the run is then longer than the value needs.
  @Test func aRunThatIsLongerThanItsValueIsClean() throws {
    let environment = try open()
    var transaction = try EnvironmentTransaction(environment)
    try transaction.put(Key("key"), [UInt8](repeating: 1, count: 100_000), in: environment.databases[0])
    try transaction.put(Key("key"), [1, 2, 3], in: environment.databases[0])
    try transaction.commit()
    let report = try expectClean(environment)
    #expect(report.databases[0].overflowPages == 25)
    let image = try FileImage(path: dataPath)
    #expect(image.leaves(of: "main")[0].nodes[0].valueByteCount == 11)
  }

  /// A transaction may take pages at the end of the file and give them back without writing them: the file then ends before the last page
  /// that its meta page names, and is undamaged.
  @Test func aFileThatEndsInPagesNeverWrittenIsClean() throws {
    let environment = try open()
    for round in UInt8(0)..<20 {
      try commit(Dictionary(uniqueKeysWithValues: (0..<200).map { ("key \($0)", [round] as [UInt8]?) }), to: environment)
    }
    var transaction = try EnvironmentTransaction(environment)
    try transaction.put(Key("large"), [UInt8](repeating: 1, count: 3_000_000), in: environment.databases[0])
    try transaction.delete(Key("large"), in: environment.databases[0])
    try transaction.put(Key("small"), [1], in: environment.databases[0])
    try transaction.commit()
    let report = try expectClean(environment)
    let file = try FileHandle(path: dataPath, access: .read)
    let pair = try MetaPair.read(file)
    #expect(try file.status().sizeBytes < 1_000_000 && pair.newest.lastPage > 700)
    #expect(report.freePages > 700)
    #expect(try MetaPair.validate(file) == [])
  }

  @Test func aDatabaseThatIsMissingOrUnknownIsNamed() throws {
    let sample = try SampleFile(entries: 20)
    #expect(try walk(sample.path, SampleFile.databases + ["absent"]).problems == ["the database absent is missing"])
    let problems = try walk(sample.path, ["main", "other"]).problems
    #expect(problems == ["the main tree: has an entry with the key 656d707479, which is no database of a store"])
  }

  @Test func onlyTheFirstProblemsAreKeptAndTheOthersCounted() throws {
    let sample = try SampleFile(entries: 20)
    let file = try FileHandle(path: sample.path, access: .read)
    let meta = MetaPage(slot: 0, bytes: [UInt8](repeating: 0, count: 152))
    #expect(meta.problems.count == 5)
    let report = PageWalker(file, databases: [], problemLimit: 2).walk(meta)
    #expect(report.problems == Array(meta.problems[..<2]) && report.omittedProblemCount == 3)
  }
}
