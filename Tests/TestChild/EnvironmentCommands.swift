import LMDB

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

enum EnvironmentCommands {
  private final class Snapshot {
    let transaction: EnvironmentSnapshot
    init(_ environment: Environment) throws(LMDBError) { transaction = try EnvironmentSnapshot(environment) }
  }

  private static func creating() -> Environment.Options {
    var options = Environment.Options()
    options.createsDatabases = true
    return options
  }

  /// Begins `count` snapshots and holds on to them.
  static func holdSnapshots(path: String, maximumReaders: String, count: String) throws {
    var options = Environment.Options()
    options.maximumReaders = Int(maximumReaders) ?? 0
    let environment = try Environment(path: path, databases: ["main"], options: options)
    var held: [Snapshot] = []
    for _ in 0..<(Int(count) ?? 0) { held.append(try Snapshot(environment)) }
    TestChild.say("holding \(held.count)")
    withExtendedLifetime(held) { TestChild.waitForEndOfInput() }
  }

  /// Begins a write transaction and, for each line of input, another one on the same thread, which waits for ever for the first one.
  static func writeTwice(path: String) throws {
    let environment = try Environment(path: path, databases: ["main"], options: creating())
    // Adds many maps, so that the list of this process's maps takes several reads. Each is too large for a gap between other maps, so they
    // come first in the list.
    for number in 0..<200 {
      // SAFETY: a new map, which nothing uses. Neighbours that differ in their protection stay two.
      unsafe _ = mmap(nil, 1 << 20, number % 2 == 0 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    }
    let first = try EnvironmentTransaction(environment)
    TestChild.say("writing")
    while readLine() != nil { try EnvironmentTransaction(environment).commit() }
    try first.commit()
  }

  /// Opens the environment with the preferred map, uses it, and prints the size that was granted.
  static func printMapSize(path: String, smallest: String) throws {
    var options = creating()
    options.smallestMapSizeBytes = Int(smallest) ?? 0
    let environment = try Environment(path: path, databases: ["main"], options: options)
    var key = Key()
    key.append(utf8: "key")
    var transaction = try EnvironmentTransaction(environment)
    try transaction.put(key, [1, 2, 3], in: environment.databases[0])
    try transaction.commit()
    let snapshot = try EnvironmentSnapshot(environment)
    let isStored = try snapshot.view.contains(key, in: environment.databases[0])
    TestChild.say("\(environment.mapSizeBytes) \(isStored)")
  }

  /// Forks with an open environment, a snapshot, a pooled snapshot and a writer. Prints the errors that the new process gets when it uses
  /// them, then what the parent can still do.
  static func useAfterFork(path: String) throws {
    let environment = try Environment(path: path, databases: ["main"], options: creating())
    let database = environment.databases[0]
    var key = Key()
    key.append(utf8: "key")
    var pooled: EnvironmentSnapshot? = try EnvironmentSnapshot(environment)
    pooled?.reset()
    var writer = try EnvironmentTransaction(environment)
    try writer.put(key, [1], in: database)
    // Swift hides fork(2). This process has one thread, so the child may call any function.
    typealias Fork = @convention(c) () -> pid_t
    // SAFETY: fork is in every libc and has this signature.
    let fork = unsafe unsafeBitCast(dlsym(dlopen(nil, RTLD_NOW), "fork"), to: Fork.self)
    let copy = fork()
    if copy == 0 {
      report("read") { () throws(LMDBError) in _ = try EnvironmentSnapshot(environment) }
      report("write") { () throws(LMDBError) in _ = try EnvironmentTransaction(environment) }
      report("renew") { () throws(LMDBError) in try pooled?.renew() }
      do throws(LMDBError) {
        try writer.commit()
        TestChild.say("commit allowed")
      } catch {
        TestChild.say("commit refused \(error.code == EBADF)")
      }
      pooled = nil
      // `_exit` and not `exit`: the child must not run the parent's clean-up.
      _exit(0)
    }
    var status: Int32 = 0
    unsafe _ = waitpid(copy, &status, 0)
    TestChild.say("parent keeps \(try environment.readerTable().slots.count) slot")
    try writer.commit()
    try pooled?.renew()
    let snapshot = try EnvironmentSnapshot(environment)
    TestChild.say("parent reads \(try snapshot.view.contains(key, in: database))")
  }

  private static func report(_ name: String, _ body: () throws(LMDBError) -> Void) {
    do throws(LMDBError) {
      try body()
      TestChild.say("\(name) allowed")
    } catch {
      TestChild.say("\(name) refused \(error.code == EBADF)")
    }
  }

  /// Commits 1, 2, 3 … under two keys in each commit, printing each number after its commit, until the process is killed.
  static func commitPairs(path: String) throws {
    let environment = try Environment(path: path, databases: ["main"], options: creating())
    var (first, second) = (Key(), Key())
    first.append(utf8: "first")
    second.append(utf8: "second")
    var number: UInt32 = 0
    while true {
      number += 1
      let value = (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
      var transaction = try EnvironmentTransaction(environment)
      try transaction.put(first, value, in: environment.databases[0])
      try transaction.put(second, value, in: environment.databases[0])
      try transaction.commit()
      TestChild.say("\(number)")
    }
  }

  /// Puts and deletes small and large values in two databases, with as many commits as the disk allows, until the process is killed. Prints
  /// `committing` after the first one.
  static func commitChanges(path: String) throws {
    var options = creating()
    options.defersMetaFlush = true
    let environment = try Environment(path: path, databases: ["main", "other"], options: options)
    var generator = SystemRandomNumberGenerator()
    var hasSaid = false
    while true {
      var transaction = try EnvironmentTransaction(environment)
      for _ in 0..<20 {
        var key = Key()
        key.append(UInt32.random(in: 0..<2000, using: &generator))
        let database = environment.databases[Int.random(in: 0..<2, using: &generator)]
        if Bool.random(using: &generator) {
          let size = Int.random(in: 0..<50, using: &generator) == 0 ? 9000 : 60
          try transaction.put(key, [UInt8](repeating: 1, count: size), in: database)
        } else {
          try transaction.delete(key, in: database)
        }
      }
      try transaction.commit()
      if !hasSaid { TestChild.say("committing") }
      hasSaid = true
    }
  }
}
