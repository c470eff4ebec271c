import LMDB
import TestSupport
import TestTraps
import Testing

@Suite struct ThreadRuleTests {
  let directory = TemporaryDirectory()

  private func open() throws -> Environment {
    try Environment(path: directory.path, databases: ["main"], options: .creating)
  }

  @Test func aCommitOnAnotherThreadTrapsInsteadOfHangingEveryLaterWriter() async {
    let path = directory.path
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [path = path as String] in
      let environment = try Environment(path: path, databases: ["main"], options: .creating)
      let writer = try HeldWriter(environment)
      try onOwnThread { try writer.commit() }
    }
    expectTrap(result, "a write transaction left the thread that began it")
  }

  @Test func anAbortOnAnotherThreadTraps() async {
    let path = directory.path
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [path = path as String] in
      let environment = try Environment(path: path, databases: ["main"], options: .creating)
      let writer = try onOwnThread { try HeldWriter(environment) }
      writer.abort()
    }
    expectTrap(result, "a write transaction left the thread that began it")
  }

  @Test func writersOnManyThreadsTakeTurns() async throws {
    let environment = try open()
    try await withThrowingTaskGroup { group in
      for writer in 0..<4 {
        group.addTask {
          try onOwnThread {
            for number in 0..<10 { try commit(["\(writer)-\(number)": [1]], to: environment) }
          }
        }
      }
      try await group.waitForAll()
    }
    let snapshot = try EnvironmentSnapshot(environment)
    #expect(try snapshot.view.statistics(of: environment.databases[0]).entries == 40)
  }

  @Test func aSnapshotMovesBetweenThreadsAndOutlivesTheOneItBeganOn() throws {
    let environment = try open()
    try commit(["key": [1]], to: environment)
    // MDB_NOTLS: the slot belongs to the transaction and not to the thread, which has ended by now.
    let held = try onOwnThread { try HeldSnapshot(environment) }
    try commit(["key": [2]], to: environment)
    #expect(try environment.readerTable().slots.map(\.transactionID) == [held.transaction.id])
    let read = try onOwnThread { try held.value("key", in: environment.databases[0]) }
    #expect(read == [1])
    let renewed = try onOwnThread {
      try held.transaction.renew()
      return try held.value("key", in: environment.databases[0])
    }
    #expect(renewed == [2])
    #expect(try held.value("key", in: environment.databases[0]) == [2])
  }

  @Test func oneThreadMayHoldManySnapshots() throws {
    let environment = try open()
    var held: [HeldSnapshot] = []
    for number in UInt8(0)..<20 {
      try commit(["key": [number]], to: environment)
      held.append(try HeldSnapshot(environment))
    }
    for (number, snapshot) in held.enumerated() {
      #expect(try snapshot.value("key", in: environment.databases[0]) == [UInt8(number)])
    }
  }

  @Test func readersBesideAWriterSeeWholeCommitsAndNeverGoBack() async throws {
    let environment = try open()
    let database = environment.databases[0]
    try commit(["a": [0], "b": [0], "c": [0]], to: environment)
    try await withThrowingTaskGroup { group in
      for _ in 0..<3 {
        group.addTask {
          try onOwnThread {
            var snapshot = try EnvironmentSnapshot(environment)
            var last: UInt8 = 0
            for _ in 0..<400 {
              try snapshot.renew()
              let values = try ["a", "b", "c"].map { try value($0, snapshot.view, in: database) }
              #expect(values[0] == values[1] && values[1] == values[2])
              let now = try #require(values[0]?.first)
              #expect(now >= last)
              last = now
            }
          }
        }
      }
      group.addTask {
        try onOwnThread {
          for number in UInt8(1)...100 { try commit(["a": [number], "b": [number], "c": [number]], to: environment) }
        }
      }
      try await group.waitForAll()
    }
    let snapshot = try EnvironmentSnapshot(environment)
    #expect(try value("a", snapshot.view, in: database) == [100])
    #expect(environment.liveTransactionCount == 1)
  }
}
