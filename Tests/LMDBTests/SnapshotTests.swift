import LMDB
import TestSupport
import TestTraps
import Testing

@Suite struct SnapshotTests {
  let directory = TemporaryDirectory()

  private func open() throws -> Environment {
    try Environment(path: directory.path, databases: ["main", "other"], options: .creating)
  }

  @Test func snapshotIgnoresLaterWritesAndARenewedOneSeesThem() throws {
    let environment = try open()
    let database = environment.databases[0]
    try commit(["kept": [1], "changed": [2], "deleted": [3]], to: environment)
    var snapshot = try EnvironmentSnapshot(environment)
    let id = snapshot.id
    #expect(id == environment.lastTransactionID)
    let before = try entries(snapshot.view, in: database)
    try commit(["deleted": nil as [UInt8]?, "new": [9]], to: environment)
    for number in UInt8(0)..<20 { try commit(["changed": [number]], to: environment) }
    #expect(try entries(snapshot.view, in: database) == before)
    #expect(snapshot.id == id)
    try snapshot.renew()
    #expect(snapshot.id == environment.lastTransactionID && snapshot.id == id + 21)
    #expect(
      try entries(snapshot.view, in: database) == [
        Entry(key: Array("changed".utf8), value: [19]), Entry(key: Array("kept".utf8), value: [1]),
        Entry(key: Array("new".utf8), value: [9]),
      ])
  }

  @Test func aWriterSeesItsOwnChangesAndNobodyElseDoesBeforeTheCommit() throws {
    let environment = try open()
    let database = environment.databases[0]
    try commit(["key": [1]], to: environment)
    var writer = try EnvironmentTransaction(environment)
    try writer.put(Key("key"), [2], in: database)
    try writer.put(Key("new"), [3], in: database)
    #expect(try value("key", writer.view, in: database) == [2])
    #expect(try value("new", writer.view, in: database) == [3])
    do {
      let snapshot = try EnvironmentSnapshot(environment)
      #expect(try value("key", snapshot.view, in: database) == [1])
      #expect(try value("new", snapshot.view, in: database) == nil)
    }
    try writer.commit()
    let snapshot = try EnvironmentSnapshot(environment)
    #expect(try value("key", snapshot.view, in: database) == [2])
  }

  @Test func anAbortedTransactionLeavesNoTrace() throws {
    let environment = try open()
    try commit(["key": [1]], to: environment)
    let last = environment.lastTransactionID
    do {
      var writer = try EnvironmentTransaction(environment)
      try writer.delete(Key("key"), in: environment.databases[0])
      try writer.put(Key("new"), [2], in: environment.databases[1])
    }
    #expect(environment.lastTransactionID == last && environment.liveTransactionCount == 0)
    let snapshot = try EnvironmentSnapshot(environment)
    #expect(try value("key", snapshot.view, in: environment.databases[0]) == [1])
    #expect(try value("new", snapshot.view, in: environment.databases[1]) == nil)
  }

  @Test func oneCommitCoversEveryDatabase() throws {
    let environment = try open()
    let early = try EnvironmentSnapshot(environment)
    var writer = try EnvironmentTransaction(environment)
    try writer.put(Key("key"), [1], in: environment.databases[0])
    try writer.put(Key("key"), [2], in: environment.databases[1])
    try writer.commit()
    let late = try EnvironmentSnapshot(environment)
    for index in 0..<2 {
      #expect(try value("key", early.view, in: environment.databases[index]) == nil)
      #expect(try value("key", late.view, in: environment.databases[index]) == [UInt8(index + 1)])
    }
  }

  @Test func resettingTwiceAndRenewingWithoutAResetAreHarmless() throws {
    let environment = try open()
    var snapshot = try EnvironmentSnapshot(environment)
    var isActive = [snapshot.isActive]
    snapshot.reset()
    snapshot.reset()
    isActive.append(snapshot.isActive)
    try snapshot.renew()
    try snapshot.renew()
    isActive.append(snapshot.isActive)
    #expect(isActive == [true, false, true])
    #expect(environment.liveTransactionCount == 1)
    #expect(try environment.readerTable().slots.count == 1)
  }

  @Test func readingAResetSnapshotTraps() async {
    let path = directory.path
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [path = path as String] in
      let environment = try Environment(path: path, databases: ["main"], options: .creating)
      var snapshot = try EnvironmentSnapshot(environment)
      snapshot.reset()
      _ = try snapshot.view.contains(Key("key"), in: environment.databases[0])
    }
    expectTrap(result, "a reset snapshot was read")
  }

  @Test func statisticsCountEntriesAndPages() throws {
    let environment = try open()
    var writer = try EnvironmentTransaction(environment)
    for number in UInt32(0)..<1_000 {
      var key = Key()
      key.append(number)
      try writer.put(key, [UInt8](repeating: 1, count: 100), in: environment.databases[0])
    }
    try writer.put(Key("large"), [UInt8](repeating: 1, count: 100_000), in: environment.databases[0])
    try writer.commit()
    let snapshot = try EnvironmentSnapshot(environment)
    let statistics = try snapshot.view.statistics(of: environment.databases[0])
    #expect(statistics.entries == 1_001)
    #expect(statistics.sizeBytes >= 1_000 * 112 + 100_000)
    #expect(statistics.depth == 2 && statistics.pageSizeBytes >= 4096)
    let empty = try snapshot.view.statistics(of: environment.databases[1])
    #expect(empty.entries == 0 && empty.pages == 0 && empty.depth == 0)
  }
}
