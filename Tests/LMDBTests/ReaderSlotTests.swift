import LMDB
import TestSupport
import Testing

@Suite struct ReaderSlotTests {
  let directory = TemporaryDirectory()

  private func open(maximumReaders: Int) throws -> Environment {
    var options = Environment.Options.creating
    options.maximumReaders = maximumReaders
    return try Environment(path: directory.path, databases: ["main"], options: options)
  }

  private func holdSnapshots(_ count: Int, maximumReaders: Int) throws -> Subprocess {
    let arguments = ["hold-snapshots", directory.path, "\(maximumReaders)", "\(count)"]
    let child = try Subprocess(TestProcess.executable("TestChild"), arguments)
    #expect(try child.readLine() == "holding \(count)")
    return child
  }

  @Test func withoutAFreeSlotBeginningSaysReadersFullAndNothingLeaks() throws {
    let environment = try open(maximumReaders: 3)
    var held = try (0..<3).map { _ in try HeldSnapshot(environment) }
    for _ in 0..<5 {
      let error = #expect(throws: LMDBError.self) { _ = try HeldSnapshot(environment) }
      #expect(error?.isReadersFull == true)
    }
    #expect(environment.liveTransactionCount == 3)
    held.removeLast()
    _ = try HeldSnapshot(environment)
    withExtendedLifetime(held) {}
  }

  @Test func slotsOfAKilledProcessAreClearedAndThoseOfALivingOneAreNot() throws {
    let environment = try open(maximumReaders: 4)
    try commit(["key": [1]], to: environment)
    let child = try holdSnapshots(4, maximumReaders: 4)
    #expect(try environment.clearStaleReaders() == 0)
    let error = #expect(throws: LMDBError.self) { _ = try HeldSnapshot(environment) }
    #expect(error?.isReadersFull == true)
    let table = try environment.readerTable()
    #expect(table.slots.map(\.processID) == [Int32](repeating: child.processID, count: 4))
    #expect(table.slots.allSatisfy { $0.transactionID == environment.lastTransactionID })
    #expect(table.unreadableLines == [] && !table.isUnlocked)

    child.kill()
    #expect(try child.finish().termination == .signalled(9))
    #expect(try environment.readerTable().slots.count == 4)
    #expect(try environment.clearStaleReaders() == 4)
    #expect(try environment.readerTable().slots == [])
    #expect(try environment.clearStaleReaders() == 0)
    let snapshot = try EnvironmentSnapshot(environment)
    #expect(try value("key", snapshot.view, in: environment.databases[0]) == [1])
  }

  @Test func beginningClearsTheSlotsOfAKilledProcessByItself() throws {
    let environment = try open(maximumReaders: 4)
    let own = try EnvironmentSnapshot(environment)
    let child = try holdSnapshots(3, maximumReaders: 4)
    child.kill()
    _ = try child.finish()
    let snapshot = try EnvironmentSnapshot(environment)
    #expect(snapshot.id == own.id)
    #expect(try environment.readerTable().slots.count == 2)
  }

  // The bug: if killed readers filled the table, every opening failed for as long as another process stayed attached. The cause: opening
  // begins a transaction for the database handles, and the slots were cleared after it. The fix: they are cleared first.
  @Test(arguments: [false, true]) func openingClearsTheSlotsOfKilledProcessesFirst(inspecting: Bool) throws {
    do { _ = try open(maximumReaders: 4) }
    let attached = try holdSnapshots(1, maximumReaders: 4)
    let child = try holdSnapshots(3, maximumReaders: 4)
    child.kill()
    _ = try child.finish()
    let environment =
      inspecting
      ? try Environment(path: directory.path, databases: ["main"], options: Environment.Options()) { _ in }
      : try Environment(path: directory.path, databases: ["main"], options: Environment.Options())
    #expect(try environment.readerTable().slots.map(\.processID) == [attached.processID])
  }

  @Test func openingATableThatIsFullNamesTheHolders() throws {
    do { _ = try open(maximumReaders: 4) }
    let children = [try holdSnapshots(3, maximumReaders: 4), try holdSnapshots(1, maximumReaders: 4)]
    let error = #expect(throws: LMDBError.self) {
      _ = try Environment(path: directory.path, databases: ["main"], options: Environment.Options())
    }
    #expect(error?.isReadersFull == true)
    #expect(error?.slotsByProcess == [children[0].processID: 3, children[1].processID: 1])
  }

  @Test func aProcessThatEndsInOrderLeavesNoSlot() throws {
    let environment = try open(maximumReaders: 4)
    let child = try holdSnapshots(4, maximumReaders: 4)
    #expect(try environment.readerTable().slots.count == 4)
    #expect(try child.finish().termination == .exited(0))
    #expect(try environment.readerTable().slots == [])
    #expect(try environment.clearStaleReaders() == 0)
  }

  @Test func aSlotTellsItsProcessAndSnapshotAndWhetherItIsOnlyKept() throws {
    let environment = try open(maximumReaders: 8)
    #expect(try environment.readerTable() == ReaderTable(text: "(no active readers)\n"))
    try commit(["key": [1]], to: environment)
    var snapshot = try EnvironmentSnapshot(environment)
    var slots = try environment.readerTable().slots
    #expect(slots.map(\.transactionID) == [snapshot.id] && slots.map(\.processID) == [TestProcess.id])
    snapshot.reset()
    slots = try environment.readerTable().slots
    #expect(slots.count == 1 && slots[0].transactionID == nil)
    try commit(["key": [2]], to: environment)
    try snapshot.renew()
    #expect(try environment.readerTable().slots.map(\.transactionID) == [environment.lastTransactionID])
  }

  @Test func theFirstOpenerDecidesHowManySlotsThereAre() throws {
    let environment = try open(maximumReaders: 2)
    // The child asks for 64 slots, but the table has two.
    let child = try Subprocess(TestProcess.executable("TestChild"), ["hold-snapshots", directory.path, "64", "3"])
    #expect(try child.readLine().hasPrefix("failed:"))
    #expect(try child.finish().termination == .exited(1))
    _ = try HeldSnapshot(environment)
  }

  @Test func aThousandReadersFitByDefault() throws {
    let environment = try Environment(path: directory.path, databases: ["main"], options: .creating)
    let held = try (0..<1024).map { _ in try HeldSnapshot(environment) }
    #expect(try environment.readerTable().slots.count == held.count)
    let error = #expect(throws: LMDBError.self) { _ = try HeldSnapshot(environment) }
    #expect(error?.isReadersFull == true)
  }
}
