import Files
import LMDB
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct EnvironmentTests {
  let directory = TemporaryDirectory()

  private func open(_ options: Environment.Options = .creating, databases: [String] = ["main", "other"]) throws -> Environment {
    try Environment(path: directory.path, databases: databases, options: options)
  }

  @Test func databasesKeepTheirNamesOrderAndContents() throws {
    do {
      let environment = try open(databases: ["b", "a", "c"])
      #expect(environment.databases.map(\.name) == ["b", "a", "c"])
      for (index, name) in ["b", "a", "c"].enumerated() { try commit(["name": Array(name.utf8)], to: environment, database: index) }
      #expect(environment.close())
    }
    let environment = try open(databases: ["a", "d", "c", "b"])
    let snapshot = try EnvironmentSnapshot(environment)
    #expect(try value("name", snapshot.view, in: environment.databases[0]) == Array("a".utf8))
    #expect(try value("name", snapshot.view, in: environment.databases[1]) == nil)
    #expect(try value("name", snapshot.view, in: environment.databases[2]) == Array("c".utf8))
    #expect(try value("name", snapshot.view, in: environment.databases[3]) == Array("b".utf8))
  }

  @Test func openingAnExistingEnvironmentCommitsNothing() throws {
    var last = 0
    do {
      let environment = try open()
      try commit(["key": [1]], to: environment)
      last = environment.lastTransactionID
    }
    #expect(try open().lastTransactionID == last)
  }

  @Test func filesAreTheOwnersAloneAndSmall() throws {
    let environment = try open()
    try commit(["key": [1]], to: environment)
    for name in ["data.mdb", "lock.mdb"] {
      #expect(try Directories.status(directory.path(name))?.permissions == 0o600)
    }
    let data = try #require(try Directories.status(directory.path("data.mdb")))
    #expect(data.sizeBytes > 0 && data.sizeBytes < 1 << 20)
  }

  @Test func noDescriptorOfTheDataFileSurvivesAnExec() throws {
    let environment = try open()
    let id = try #require(try Directories.status(directory.path("data.mdb"))).id
    var found = 0
    for descriptor in Int32(0)..<65_536 {
      var status = stat()
      guard unsafe fstat(descriptor, &status) == 0, UInt64(status.st_ino) == id.inode,
        UInt64(truncatingIfNeeded: status.st_dev) == id.device
      else { continue }
      found += 1
      #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0, "descriptor \(found) of the data file")
    }
    #expect(found >= 1)
    withExtendedLifetime(environment) {}
  }

  @Test func closingWaitsForEveryTransaction() throws {
    let environment = try open()
    do {
      let snapshot = try EnvironmentSnapshot(environment)
      #expect(environment.liveTransactionCount == 1)
      #expect(!environment.close())
      #expect(try value("key", snapshot.view, in: environment.databases[0]) == nil)
    }
    do {
      var pooled = try EnvironmentSnapshot(environment)
      pooled.reset()
      #expect(!environment.close())
      try pooled.renew()
    }
    do {
      var writer = try EnvironmentTransaction(environment)
      #expect(!environment.close())
      try writer.put(Key("key"), [1], in: environment.databases[0])
      try writer.commit()
    }
    do {
      let aborted = try EnvironmentTransaction(environment)
      #expect(environment.liveTransactionCount == 1)
      #expect(try value("key", aborted.view, in: environment.databases[0]) == [1])
    }
    #expect(environment.liveTransactionCount == 0)
    #expect(environment.close())
    #expect(environment.close())
  }

  @Test func aClosedEnvironmentBeginsNothing() throws {
    let environment = try open()
    #expect(environment.close())
    #expect(failure { () throws(LMDBError) in _ = try EnvironmentSnapshot(environment) }?.code == EBADF)
    #expect(failure { () throws(LMDBError) in _ = try EnvironmentTransaction(environment) }?.code == EBADF)
    #expect(environment.liveTransactionCount == 0)
  }

  @Test func aForkedProcessIsRefusedAndTheParentGoesOn() throws {
    let outcome = try Subprocess.run(TestProcess.executable("TestChild"), ["use-after-fork", directory.path])
    #expect(
      outcome.standardOutput == """
        read refused true
        write refused true
        renew refused true
        commit refused true
        parent keeps 1 slot
        parent reads true

        """)
    #expect(outcome.termination == .exited(0))
  }

  @Test func aReadOnlyEnvironmentReadsAndNeverWrites() throws {
    var options = Environment.Options()
    options.isReadOnly = true
    #expect(failure { () throws(LMDBError) in _ = try Environment(path: directory.path, databases: [], options: options) }?.code == ENOENT)
    do {
      let environment = try open()
      try commit(["key": [1]], to: environment)
      #expect(environment.close())
    }
    let environment = try open(options)
    #expect(environment.isReadOnly)
    let snapshot = try EnvironmentSnapshot(environment)
    #expect(try value("key", snapshot.view, in: environment.databases[0]) == [1])
    let error = failure { () throws(LMDBError) in _ = try EnvironmentTransaction(environment) }
    #expect(error?.isPermission == true)
    #expect(environment.liveTransactionCount == 1)
  }

  @Test func withoutBeingToldToMakeThemMissingDatabasesAreAnError() throws {
    #expect(throws: LMDBError.self) { try open(Environment.Options(), databases: ["main"]) }
    #expect(try open(databases: ["main"]).close())
    #expect(throws: LMDBError.self) { try open(Environment.Options(), databases: ["main", "new"]) }
    // The failed openings created nothing.
    let environment = try open(Environment.Options(), databases: ["main"])
    #expect(environment.lastTransactionID == 1)
    try commit(["key": [1]], to: environment)
    let snapshot = try EnvironmentSnapshot(environment)
    #expect(try value("key", snapshot.view, in: environment.databases[0]) == [1])
  }

  @Test func openingWhatIsThereWaitsForNoWriter() throws {
    let environment = try open(databases: ["main"])
    var writer = try EnvironmentTransaction(environment)
    try writer.put(Key("key"), [1], in: environment.databases[0])
    let arguments = ["hold-snapshots", directory.path, "1024", "1"]
    let child = try Subprocess(TestProcess.executable("TestChild"), arguments, timeout: .seconds(20))
    #expect(try child.readLine() == "holding 1")
    #expect(try child.finish().termination == .exited(0))
    try writer.commit()
  }

  @Test func aReadOnlyEnvironmentMakesNoDatabase() throws {
    #expect(try open(databases: ["main"]).close())
    var options = Environment.Options()
    options.isReadOnly = true
    #expect(throws: LMDBError.self) { try open(options, databases: ["main", "new"]) }
    #expect(try open(options, databases: ["main"]).close())
  }

  @Test func aMissingDirectoryIsAnError() {
    let error = failure { () throws(LMDBError) in
      _ = try Environment(path: directory.path("none"), databases: [], options: .creating)
    }
    #expect(error?.code == ENOENT)
    #expect(error?.description == "mdb_env_open \(directory.path("none")): No such file or directory")
  }

  @Test func aFileThatIsNotLMDBsIsCorruption() throws {
    let file = try FileHandle(path: directory.path("data.mdb"), access: .createNew)
    var generator = SeededGenerator(seed: 40)
    try file.write(generator.bytes(count: 3 * 4096), at: 0)
    let error = #expect(throws: LMDBError.self) { try open() }
    #expect(error?.isCorruption == true)
  }

  @Test func deferredMetaFlushesAreSeenAtOnceAndAfterReopening() throws {
    var options = Environment.Options.creating
    options.defersMetaFlush = true
    do {
      let environment = try open(options)
      for number in UInt8(0)..<10 { try commit(["key": [number]], to: environment) }
      try environment.synchronize()
      #expect(environment.close())
    }
    let environment = try open()
    let snapshot = try EnvironmentSnapshot(environment)
    #expect(try value("key", snapshot.view, in: environment.databases[0]) == [9])
  }

  /// Regression of a class of bugs: the kill may come between any two steps of a commit, and the values of both keys must stay equal.
  @Test func aKilledWriterLosesNothingItReportedAndTearsNothing() throws {
    var least: UInt32 = 0
    for lines in [1, 3, 8] {
      let child = try Subprocess(TestProcess.executable("TestChild"), ["commit-pairs", directory.path])
      for _ in 0..<lines { least = try #require(UInt32(child.readLine())) }
      child.kill()
      #expect(try child.finish().termination == .signalled(9))
      let environment = try open(databases: ["main"])
      let snapshot = try EnvironmentSnapshot(environment)
      let first = try #require(try value("first", snapshot.view, in: environment.databases[0]))
      let second = try value("second", snapshot.view, in: environment.databases[0])
      #expect(first == second)
      #expect(Key(first).bytes.bigEndian(at: 0, as: UInt32.self) >= least)
    }
  }
}
