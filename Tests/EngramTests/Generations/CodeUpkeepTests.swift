import Files
import Foundation
import TestSupport
import Testing
import VectorSearch

@testable import Engram

/// How codes come into a generation, and when they are not trusted.
@Suite(.serialized) struct CodeUpkeepTests {
  private let place = TestStore()
  private static let dimension = 64

  private func options(_ least: Int = 64) -> StoreOptions {
    var options = StoreOptions(dimension: Self.dimension)
    options.leastCodedRows = least
    return options
  }

  private func drafts(_ count: Int, _ user: String = "u", seed: UInt64 = 1) -> [MemoryDraft] {
    var random = SeededGenerator(seed: seed)
    return (0..<count).map { MemoryDraft(userID: user, text: "\(seed) \($0)", embedding: Embedding(random.vector(Self.dimension))) }
  }

  private func state(_ store: MemoryStore) throws -> StateRecord { try store.readOnce { try $0.state() } }

  /// Whether searches use codes, and whether their results are those of floats.
  @discardableResult
  private func usesCodes(_ store: MemoryStore, sourceLocation: SourceLocation = #_sourceLocation) throws -> Bool {
    var random = SeededGenerator(seed: 99)
    let queries = (0..<20).map { number in
      SearchQuery(embedding: Embedding(random.vector(Self.dimension)), scope: number < 10 ? .all : .user("u"), limit: 10)
    }
    return try store.readOnce { reader in
      let coded = try ExactSearch(reader, leastRowsInScope: 1).results(queries)
      #expect(try coded == ExactSearch(reader, leastRowsInScope: .max).results(queries), sourceLocation: sourceLocation)
      return try reader.generation.codes?.reading(reader, reader.state()) != nil
    }
  }

  private var codesPath: String { "\(place.path)/gen-1/codes" }

  /// Overwrites codes, as a power failure does that loses what was not flushed: their rows would be excluded from every search.
  private func damageCodes(of rows: Range<Int>) throws {
    let header = CodeFileHeader(
      rows: RowFileHeader(storeID: [UInt8](repeating: 0, count: 16), generation: 1, dimension: Self.dimension, metric: .cosine))
    let file = try Files.FileHandle(path: codesPath, access: .readWrite)
    for row in rows {
      let (chunk, place) = row.quotientAndRemainder(dividingBy: CodeFile.chunkRows)
      var start = header.firstChunkOffset + chunk * header.chunkBytes
      for tier in CodeTier.allCases {
        let codeBytes = header.codeBytes(tier)
        try file.write([UInt8](repeating: 0, count: codeBytes), at: start + place * codeBytes)
        // A scale of 1 and the least error: a score near −∞.
        try file.write([1, 0, 0x80, 0x3f], at: start + CodeFile.chunkRows * codeBytes + 4 * place)
        start += CodeFile.chunkRows * (codeBytes + 4)
      }
    }
  }

  @Test(.timeLimit(.minutes(5))) func codesAreBuiltByTheMaintenanceOnceThereAreEnoughRows() async throws {
    let store = try await place.open(options())
    try await store.add(drafts(63))
    try await store.core.buildCodes()
    #expect(try !usesCodes(store) && !FileManager.default.fileExists(atPath: codesPath))
    try await store.add(drafts(1, seed: 2))
    #expect(try await eventually { try state(store).codesThrough > 0 })
    #expect(try usesCodes(store))
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func rowsAfterTheLastFlushAreNotTrustedByAnotherOpening() async throws {
    var store = try await place.open(options())
    try await store.add(drafts(200))
    try await store.core.buildCodesNow()
    let flushed = try state(store).codesThrough
    let header = try #require(store.core.generation.codes?.header)
    try await store.add(drafts(100, seed: 2))
    #expect(try state(store).codesThrough == flushed)
    let rows = try state(store).rowsHigh
    try await store.close()
    try damageCodes(of: 200..<rows)
    // The damage is real: a search that trusts these codes does not look at their rows.
    let file = try CodeFile(path: codesPath, header: header, isReadOnly: true)
    var bounds = [Float](repeating: 0, count: 256)
    let query = CodeQuery([Float](repeating: 1, count: Self.dimension), mean: file.mean, .fine)
    #expect(try file.cover(rowCount: rows) == rows)
    #expect(file.filter(.fine, firstRow: 200, count: 100, query, threshold: -100, bounds: &bounds).possible == 0)
    store = try await place.open(options())
    #expect(try usesCodes(store))
    #expect(try await store.verify().problems == [])
    // Flushing encodes them again, and the next commit names it.
    try await store.core.flushCodes()
    try await store.add(drafts(1, seed: 3))
    #expect(try state(store).codesThrough > flushed)
    try await store.close()
    store = try await place.open(options())
    #expect(try usesCodes(store))
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  /// A file that was not flushed may also be shorter than it was, and a read behind its end is a signal.
  @Test(.timeLimit(.minutes(5))) func aFileThatLostItsEndIsNotReadBeyondIt() async throws {
    var store = try await place.open(options())
    try await store.add(drafts(200))
    try await store.core.buildCodesNow()
    let header = try #require(store.core.generation.codes?.header)
    // Whole chunks are left, and a block of the user lies on both sides of the end.
    try await store.add(drafts(300, seed: 2))
    try await store.close()
    try Files.FileHandle(path: codesPath, access: .readWrite).truncate(to: CodeFile.sizeBytes(header, rowCount: 256))
    store = try await MemoryStore.open(at: place.url, options: StoreOptions(access: .readOnly))
    #expect(try usesCodes(store))
    #expect(try await store.verify().problems == [])
    try await store.close()
    store = try await place.open(options())
    try await store.core.flushCodes()
    try await store.add(drafts(1, seed: 3))
    #expect(try usesCodes(store))
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  /// Rows that were live in an older snapshot may have been deleted before this process first looked, and nothing leads to them any more.
  @Test(.timeLimit(.minutes(5))) func snapshotsBeforeTheFirstLookUseNoCodes() async throws {
    let store = try await place.open(options())
    try await store.add(drafts(200))
    try await store.core.buildCodesNow()
    let ids = try await store.add(drafts(10, seed: 2)).map(\.id)
    let older = try store.snapshot()
    for id in ids { try await store.delete(id, for: "u") }
    let header = try #require(store.core.generation.codes?.header)
    // As another process has it.
    let codes = GenerationCodes(try store.core.generation.place, header.rows, isReadOnly: true)
    #expect(try store.readOnce { codes.reading($0, try $0.state()) != nil })
    #expect(try older.read { codes.reading($0, try $0.state()) == nil })
    #expect(try store.readOnce { codes.reading($0, try $0.state()) != nil })
    let other = GenerationCodes(try store.core.generation.place, header.rows, isReadOnly: true)
    #expect(try older.read { other.reading($0, try $0.state()) != nil })
    #expect(try store.readOnce { other.reading($0, try $0.state()) != nil })
    older.end()
    try await store.close()
  }

  /// A file that cannot be opened at the moment was not looked at: nothing is known of its codes.
  @Test(.timeLimit(.minutes(5))) func codesThatWereNotLookedAtAreNotTrusted() async throws {
    let store = try await place.open(options())
    try await store.add(drafts(200))
    try await store.core.buildCodesNow()
    let header = try #require(store.core.generation.codes?.header)
    let codes = GenerationCodes(try store.core.generation.place.appending("elsewhere"), header.rows, isReadOnly: true)
    #expect(try store.readOnce { codes.needsEncoding($0, try $0.state()) })
    #expect(codes.isLost)
    try await store.close()
  }

  /// The log has only the last changes: if it does not reach back to the last flush, no code is trusted.
  @Test(.timeLimit(.minutes(5))) func noCodeIsTrustedIfTheLogIsTooShort() async throws {
    var store = try await place.open(options())
    try await store.add(drafts(200))
    try await store.core.buildCodesNow()
    try await store.add(drafts(100, seed: 2))
    // One batch with more changes than the log holds.
    try await store.write { transaction in
      for number in 0...WriteBatch.logLimit {
        transaction.batch.append(LogRecord(operation: .putContext, userID: "\(number % 7)", recordType: "t"))
      }
    }
    try await store.close()
    try damageCodes(of: 0..<300)
    // Not for writing: its maintenance encodes all rows again.
    store = try await MemoryStore.open(at: place.url, options: StoreOptions(access: .readOnly))
    #expect(try !usesCodes(store))
    try await store.close()
    store = try await place.open(options())
    try await store.core.flushCodes()
    #expect(try usesCodes(store))
    try await store.add(drafts(1, seed: 3))
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func manyRowsAreFlushedWithoutACall() async throws {
    let store = try await place.open(options())
    try await store.add(drafts(200))
    try await store.core.buildCodesNow()
    let built = try state(store).codesThrough
    try await store.add(drafts(StoreCore.unflushedRowLimit, seed: 2))
    #expect(try await eventually { try state(store).codesThrough > built })
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func closingNamesTheCodesOfManyRows() async throws {
    var store = try await place.open(options())
    try await store.add(drafts(200))
    try await store.core.buildCodesNow()
    try await store.add(drafts(StoreCore.unflushedRowLimit - 1, seed: 2))
    try await store.close()
    store = try await place.open(options())
    let state = try state(store)
    #expect(state.codesThrough + 1 == state.batchSequence)
    try await store.close()
  }

  /// Rows that are committed while the older ones are encoded get their codes before codes count.
  @Test(.timeLimit(.minutes(5))) func rowsThatAreWrittenMeanwhileGetCodes() async throws {
    let store = try await place.open(options())
    try await store.add(drafts(300))
    for round in 0..<5 {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in 0..<4 {
          group.addTask {
            for number in 0..<20 {
              let seed = UInt64(1000 * round + 100 * writer + number)
              let ids = try await store.add(drafts(3, "user \(number % 3)", seed: seed)).map(\.id)
              try await store.delete(ids[0], for: "user \(number % 3)")
            }
          }
        }
        group.addTask { try await store.core.buildCodes() }
        try await group.waitForAll()
      }
      // The maintenance may still be building them.
      #expect(try await eventually { try state(store).codesThrough > 0 })
      #expect(try usesCodes(store))
      #expect(try await store.verify().problems == [])
      // Codes do not count any more, as after a commit of an earlier version.
      try await store.write { $0.batch.state.codesThrough = 0 }
    }
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5)), arguments: [true, false])
  func aLostFileIsReplacedByARebuild(isRemoved: Bool) async throws {
    var store = try await place.open(options())
    try await store.add(drafts(200))
    try await store.core.buildCodesNow()
    try await store.close()
    if isRemoved {
      try FileManager.default.removeItem(atPath: codesPath)
    } else {
      try Files.FileHandle(path: codesPath, access: .readWrite).write([0xff, 0xff], at: RowFileHeader.byteCount + 2)
    }
    let hold = try RebuildHold(place.url)
    store = try await place.open(options())
    #expect(try !usesCodes(store))
    #expect(try store.dueUpkeep == .index)
    #expect(try await store.verify().problems.count == 1)
    // A row without a code must not be taken for one that has one.
    try await store.add(drafts(1, seed: 2))
    #expect(try state(store).hasLostCodes && state(store).codesThrough == 0)
    try await store.core.buildCodes()
    #expect(try !usesCodes(store))
    #expect(try await store.verify().problems == [])
    hold.end()
    try await store.finishUpkeep()
    #expect(try usesCodes(store))
    #expect(try store.dueUpkeep == nil)
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aWrongCodeIsAProblemOfTheVerification() async throws {
    let store = try await place.open(options())
    try await store.add(drafts(200))
    try await store.core.buildCodesNow()
    #expect(try await store.verify().problems == [])
    try damageCodes(of: 17..<18)
    let problems = try await store.verify().problems
    #expect(problems.count == 1 && problems[0].contains("codes: row 17 "), "\(problems)")
    try await store.compact()
    #expect(try usesCodes(store))
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func rebuildsAndBackupsHaveCodes() async throws {
    let store = try await place.open(options())
    let ids = try await store.add(drafts(300)).map(\.id)
    try await store.compact()
    #expect(try usesCodes(store))
    try await store.add(drafts(40, seed: 2))
    for id in ids.prefix(100) { try await store.delete(id, for: "u") }
    let backup = URL(fileURLWithPath: place.directory.path("backup"))
    try await store.backup(to: backup)
    let copy = try await MemoryStore.open(at: backup, options: options())
    #expect(try usesCodes(copy))
    #expect(try await copy.verify().problems == [])
    try await copy.close()
    // Too few rows are left.
    for id in ids.dropFirst(100) { try await store.delete(id, for: "u") }
    try await store.compact()
    #expect(try !usesCodes(store) && state(store).codesThrough == 0)
    try await store.close()
  }

  /// The mean that codes are centered on is one of survivors only, and the proof looks for the codes of what was forgotten.
  @Test(.timeLimit(.minutes(5))) func forgettingRemovesCodesAndTheMean() async throws {
    let store = try await place.open(options())
    // In one call: the maintenance may build the codes between two.
    try await store.add(drafts(200) + drafts(20, "other", seed: 2))
    try await store.core.buildCodesNow()
    let before = try #require(store.core.generation.codes?.file()?.mean)
    let receipt = try await store.forget(userID: "other", verifiesErasure: true)
    let scan = try #require(receipt.scan)
    #expect(scan.isClean && scan.searched[.code] == 40)
    let file = try #require(store.core.generation.codes?.file())
    #expect(file.mean != before)
    let sums = try store.readOnce { reader in
      var sums = [Double](repeating: 0, count: Self.dimension)
      try reader.forEachMemory(after: nil) { record in
        let row = try reader.row(#require(record.row))
        for index in row.indices { sums[index] += Double(row[index]) }
        return true
      }
      return sums
    }
    #expect(file.mean == sums.map { Float($0 / 200) })
    #expect(try usesCodes(store))
    try await store.close()
  }

  /// A code that stayed somewhere is a trace.
  @Test(.timeLimit(.minutes(5))) func aCodeThatStayedIsFound() async throws {
    let store = try await place.open(options())
    try await store.add(drafts(200))
    try await store.add(drafts(3, "other", seed: 2))
    try await store.core.buildCodesNow()
    // What a program that copies files leaves in the directory.
    try FileManager.default.copyItem(atPath: codesPath, toPath: "\(place.path)/codes.orig")
    let receipt = try await store.forget(userID: "other", verifiesErasure: true)
    #expect(receipt.scan?.hits == [.code: 6])
    try await store.close()
  }

  #if os(Linux)
    @Test(.enabled(if: SmallDisk.isPossible), .timeLimit(.minutes(5))) func aFullDiskIsAnErrorAndLosesNothing() async throws {
      let disk = try SmallDisk(megabytes: 16)
      let store = try await MemoryStore.open(at: URL(fileURLWithPath: disk.path("store")), options: options())
      try await store.add(drafts(200))
      try disk.fill(leavingBlocks: 1)
      #expect(await storeErrorCode { try await store.core.buildCodes() } == .diskFull)
      #expect(try !usesCodes(store))
      try disk.makeRoom()
      try await store.core.buildCodesNow()
      try disk.fill()
      var added = 0
      await #expect(throws: StoreError.self) {
        while true {
          try await store.add(drafts(50, seed: UInt64(added + 10)))
          added += 1
        }
      }
      #expect(try usesCodes(store))
      try disk.makeRoom()
      try await store.add(drafts(100, seed: 7))
      #expect(try usesCodes(store))
      #expect(try await store.verify().problems == [])
      #expect(try state(store).rowsLive == 300 + 50 * added)
      try await store.close()
    }
  #endif
}

extension StoreCore {
  /// Builds the codes, also if the maintenance is building them at this moment.
  func buildCodesNow() async throws {
    let deadline = ContinuousClock.now + .seconds(20)
    while try live.read({ try $0.state().codesThrough }) == 0, ContinuousClock.now < deadline {
      try await buildCodes()
      await Task.yield()
    }
  }
}
