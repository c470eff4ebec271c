import Files
import LMDB
import TestSupport
import Testing

@Suite struct MapSizeTests {
  let directory = TemporaryDirectory()

  @Test(.disabled(if: TestProcess.hasShadowMemory, "the sanitizer needs the address space"))
  func aTebibyteIsReservedAndTheFileStaysSmall() throws {
    let environment = try Environment(path: directory.path, databases: ["main"], options: .creating)
    #expect(environment.mapSizeBytes == 1 << 40)
    try commit(["key": [1]], to: environment)
    #expect(try #require(try Directories.status(directory.path("data.mdb"))).sizeBytes < 1 << 20)
  }

  private func mapSize(limitKiB: Int, smallest: Int) throws -> String {
    let command = "ulimit -v \(limitKiB) && exec \"$0\" \"$@\""
    let child = try TestProcess.executable("TestChild")
    return try Subprocess.run("/bin/bash", ["-c", command, child, "map-size", directory.path, "\(smallest)"]).standardOutput
  }

  @Test(
    .disabled(if: TestProcess.hasShadowMemory, "the sanitizer needs the address space"),
    arguments: [(400, 256), (100, 64), (40, 16), (20, 16)])
  func aLimitOnAddressSpaceMakesTheMapSmaller(limitGiB: Int, expectedGiB: Int) throws {
    #expect(try mapSize(limitKiB: limitGiB << 20, smallest: 16 << 30) == "\(expectedGiB << 30) true\n")
  }

  @Test(.disabled(if: TestProcess.hasShadowMemory, "the sanitizer needs the address space"))
  func belowTheSmallestMapOpeningFailsAndDamagesNothing() throws {
    let environment = try Environment(path: directory.path, databases: ["main"], options: .creating)
    try commit(["other": [9]], to: environment)
    #expect(try mapSize(limitKiB: 2 << 20, smallest: 4 << 30).hasPrefix("failed: mdb_env_open"))
    #expect(try mapSize(limitKiB: 2 << 20, smallest: 1 << 28) == "\(1 << 30) true\n")
    let snapshot = try EnvironmentSnapshot(environment)
    #expect(try value("key", snapshot.view, in: environment.databases[0]) == [1, 2, 3])
    #expect(try value("other", snapshot.view, in: environment.databases[0]) == [9])
  }

  @Test func aFullMapIsAnErrorAndTheLastCommitStands() throws {
    var options = Environment.Options.creating
    options.mapSizeBytes = 1 << 18
    options.smallestMapSizeBytes = 1 << 18
    let environment = try Environment(path: directory.path, databases: ["main"], options: options)
    #expect(environment.mapSizeBytes == 1 << 18)
    try commit(["key": [1]], to: environment)
    let database = environment.databases[0]
    let error = failure { () throws(LMDBError) in
      var transaction = try EnvironmentTransaction(environment)
      for number in UInt32(0)..<1_000 {
        var key = Key()
        key.append(number)
        try transaction.put(key, [UInt8](repeating: 1, count: 1_000), in: database)
      }
      try transaction.commit()
    }
    #expect(error?.isMapFull == true)
    #expect(environment.liveTransactionCount == 0)
    let snapshot = try EnvironmentSnapshot(environment)
    #expect(try entries(snapshot.view, in: database) == [Entry(key: Array("key".utf8), value: [1])])
    // The writer lock is free again.
    try commit(["key": [2]], to: environment)
  }
}
