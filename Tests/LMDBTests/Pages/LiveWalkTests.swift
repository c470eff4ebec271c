import Files
import Foundation
import LMDB
import Synchronization
import TestSupport
import Testing

/// Walks of an environment while it is written: a reader slot keeps every page of its state.
@Suite struct LiveWalkTests {
  let directory = TemporaryDirectory()
  let names = ["main", "other"]
  var dataPath: String { directory.path("data.mdb") }

  private func walker() throws -> PageWalker { try PageWalker(Files.FileHandle(path: dataPath, access: .read), databases: names) }

  @Test func everyWalkUnderAWriterAtFullSpeedIsClean() throws {
    var options = Environment.Options.creating
    options.defersMetaFlush = true
    let environment = try Environment(path: directory.path, databases: names, options: options)
    let writer = RestlessWriter(environment, seed: 60)
    var walked: Set<UInt64> = []
    do {
      var pooled = try EnvironmentSnapshot(environment)
      let walker = try walker()
      // Until the writer has begun, every walk sees the same transaction.
      while walked.count < 80, !writer.hasEnded {
        // If later commits have overwritten the meta page of a slot's transaction, the walk itself renews the snapshot.
        if walked.count % 2 == 0 { try pooled.renew() }
        let report = try walker.walkOwnSnapshot(&pooled)
        #expect(report.transactionID == UInt64(pooled.id))
        try expectAgreement(report, environment, pooled.view)
        walked.insert(try #require(report.transactionID))
      }
    }
    #expect(try writer.stop() >= 79 && walked.count == 80)
  }

  @Test func anInspectionUnderAWriterInAnotherProcessIsClean() throws {
    let child = try Subprocess(TestProcess.executable("TestChild"), ["commit-changes", directory.path])
    #expect(try child.readLine() == "committing")
    var transactions: Set<UInt64> = []
    // On a busy machine the writer may commit nothing during thirty walks.
    let limit = ContinuousClock.now + .seconds(120)
    var walks = 0
    while walks < 30 || transactions.count < 2 && .now < limit {
      walks += 1
      #expect(try MetaPair.validate(Files.FileHandle(path: dataPath, access: .read)) == [])
      var found: PageReport?
      let environment = try Environment(path: directory.path, databases: names, options: .init()) { slot in
        let report = try walker().walkOwnSnapshot(&slot)
        #expect(report.transactionID == UInt64(slot.id))
        found = report
      }
      let report = try #require(found)
      #expect(report.problems == [])
      transactions.insert(try #require(report.transactionID))
      #expect(environment.close())
    }
    #expect(transactions.count > 1)
    child.kill()
    _ = try child.finish()
    // The file that the killed writer left is undamaged, too.
    #expect(try walk(dataPath, names).problems == [])
  }

  @Test func anOldSnapshotKeepsItsPagesAndItsStateCanBeWalkedWithItsMetaPage() throws {
    let environment = try Environment(path: directory.path, databases: names, options: .creating)
    for number in 0..<300 { try commit(["key \(number)": [UInt8](repeating: 1, count: 100)], to: environment) }
    var snapshot = try EnvironmentSnapshot(environment)
    let id = snapshot.id
    let meta = try #require(try walker().metaPage(of: &snapshot))
    #expect(snapshot.id == id && meta.transactionID == UInt64(id))
    for number in 0..<300 { try commit(["key \(number)": nil as [UInt8]?], to: environment) }
    let report = try walker().walk(meta)
    try expectAgreement(report, environment, snapshot.view)
    #expect(report.databases[0].entries == 300)
    // The snapshot's meta page is no longer in the file; `walkOwnSnapshot` renews the snapshot.
    #expect(try MetaPair.read(Files.FileHandle(path: dataPath, access: .read)).page(ofTransaction: UInt64(id)) == nil)
    let later = try walker().walkOwnSnapshot(&snapshot)
    try expectAgreement(later, environment, snapshot.view)
    #expect(snapshot.id == id + 300 && later.databases[0].entries == 0)
  }

  @Test func withoutItsSlotTheSameStateIsOverwritten() throws {
    let environment = try Environment(path: directory.path, databases: names, options: .creating)
    for number in 0..<300 { try commit(["key \(number)": [UInt8](repeating: 1, count: 100)], to: environment) }
    let meta = try #require(try MetaPair.read(Files.FileHandle(path: dataPath, access: .read)).newestValid)
    #expect(try walker().walk(meta).problems == [])
    for number in 0..<300 { try commit(["key \(number)": [UInt8](repeating: 2, count: 90)], to: environment) }
    #expect(try !walker().walk(meta).problems.isEmpty)
  }

  @Test func theSnapshotOfAnotherFileHasNoMetaPage() throws {
    let sample = try SampleFile(entries: 20)
    let environment = try Environment(path: directory.path, databases: names, options: .creating)
    for number in 0..<20 { try commit(["key \(number)": [1]], to: environment) }
    var snapshot = try EnvironmentSnapshot(environment)
    let walker = try PageWalker(Files.FileHandle(path: sample.path, access: .read), databases: SampleFile.databases)
    let report = try walker.walkOwnSnapshot(&snapshot)
    #expect(report.problems == ["no meta page is that of transaction \(snapshot.id), which LMDB holds for the last one"])
    #expect(report.transactionID == nil && report.databases.isEmpty)
  }
}

/// A thread that commits random changes to two databases until it is stopped or released.
private final class RestlessWriter: Sendable {
  private final class State: Sendable {
    let isDone = Atomic(false)
    let outcome = Mutex<Result<Int, any Error>?>(nil)
    let finished = DispatchSemaphore(value: 0)
  }

  private let state = State()

  init(_ environment: Environment, seed: UInt64) {
    Thread { [state] in
      let outcome = Result { try Self.write(environment, seed: seed, until: state.isDone) }
      state.outcome.withLock { $0 = outcome }
      state.finished.signal()
    }.start()
  }

  deinit { state.isDone.store(true, ordering: .relaxed) }

  /// Whether the thread has ended by itself, because a commit failed.
  var hasEnded: Bool { state.outcome.withLock { $0 != nil } }

  /// Stops the thread, waits for its end, and returns the number of its commits.
  func stop() throws -> Int {
    state.isDone.store(true, ordering: .relaxed)
    state.finished.wait()
    return try state.outcome.withLock { try $0?.get() } ?? 0
  }

  private static func write(_ environment: Environment, seed: UInt64, until isDone: borrowing Atomic<Bool>) throws -> Int {
    var generator = SeededGenerator(seed: seed)
    var commits = 0
    while !isDone.load(ordering: .relaxed) {
      var transaction = try EnvironmentTransaction(environment)
      for _ in 0..<20 {
        let key = SampleFile.key(Int.random(in: 0..<800, using: &generator))
        let database = environment.databases[Int.random(in: 0..<2, using: &generator)]
        if generator.chance(percent: 50) {
          try transaction.put(key, generator.bytes(count: generator.chance(percent: 2) ? 9000 : 60), in: database)
        } else {
          try transaction.delete(key, in: database)
        }
      }
      try transaction.commit()
      commits += 1
    }
    return commits
  }
}
