import Files
import LMDB
import TestSupport
import Testing

/// The inspection of a file, which runs between `mdb_env_open` and the first read of a tree's page.
@Suite struct EnvironmentInspectionTests {
  let directory = TemporaryDirectory()

  private struct Refusal: Error, Equatable {}

  private func open(_ inspect: (inout InspectionSlot) throws -> Void) throws -> Environment {
    try Environment(path: directory.path, databases: ["main"], options: .creating, inspect: inspect)
  }

  private func make(_ value: [UInt8], maximumReaders: Int = 1024) throws -> Int {
    var options = Environment.Options.creating
    options.maximumReaders = maximumReaders
    let environment = try Environment(path: directory.path, databases: ["main"], options: options)
    try commit(["key": value], to: environment)
    defer { #expect(environment.close()) }
    return environment.lastTransactionID
  }

  @Test func theSlotIsThatOfTheLastCommitAndEndsWithTheInspection() throws {
    let last = try make([1])
    var seen: [Int] = []
    let environment = try open { slot in
      seen.append(slot.id)
      try slot.renew()
      seen.append(slot.id)
    }
    #expect(seen == [last, last])
    #expect(try environment.readerTable().slots == [] && environment.liveTransactionCount == 0)
    let snapshot = try EnvironmentSnapshot(environment)
    #expect(try value("key", snapshot.view, in: environment.databases[0]) == [1])
  }

  @Test func aSlotHoldsItsStateAgainstWritersOfOtherProcesses() throws {
    let child = try Subprocess(TestProcess.executable("TestChild"), ["commit-pairs", directory.path])
    #expect(try child.readLine() == "1")
    let environment = try open { slot in
      let id = slot.id
      for _ in 0..<20 { _ = try child.readLine() }
      #expect(slot.id == id)
      try slot.renew()
      #expect(slot.id > id)
    }
    #expect(environment.close())
    child.kill()
    _ = try child.finish()
  }

  @Test func aRefusalReachesTheCallerAndLeavesNothingOpen() throws {
    _ = try make([1])
    #expect(throws: Refusal()) { _ = try open { _ in throw Refusal() } }
    let error = #expect(throws: LMDBError.self) { _ = try open { _ in throw LMDBError(code: 5, operation: "inspection") } }
    #expect(error?.operation == "inspection")
    // Nothing was created, and this process can open the file again.
    let environment = try open { _ in }
    #expect(try environment.readerTable().slots == [])
    #expect(environment.close())
  }

  @Test func aMissingDatabaseIsAnErrorAfterTheInspectionAsWithoutOne() throws {
    _ = try make([1])
    var hasLooked = false
    let error = #expect(throws: LMDBError.self) {
      _ = try Environment(path: directory.path, databases: ["absent"], options: .init()) { _ in hasLooked = true }
    }
    #expect(hasLooked && error?.operation == "mdb_dbi_open absent")
  }

  @Test func withoutAFreeSlotNothingIsOpened() throws {
    _ = try make([1], maximumReaders: 2)
    let child = try Subprocess(TestProcess.executable("TestChild"), ["hold-snapshots", directory.path, "2", "2"])
    #expect(try child.readLine() == "holding 2")
    let error = #expect(throws: LMDBError.self) {
      _ = try Environment(path: directory.path, databases: ["main"], options: .init()) { _ in Issue.record("there is no slot to lend") }
    }
    #expect(error?.isReadersFull == true)
    // The slots of a process that was killed are cleared first.
    child.kill()
    _ = try child.finish()
    #expect(try open { _ in }.close())
  }
}
