import Engram
import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

enum StoreCommands {
  private static func store(_ path: String, _ options: StoreOptions = StoreOptions(dimension: 8)) async throws -> MemoryStore {
    try await MemoryStore.open(at: URL(fileURLWithPath: path), options: options)
  }

  /// Opens the store, creating it if it is missing and access permits that; prints `opened` with the count and keeps it open.
  static func open(_ path: String, access: String) async throws {
    let store = try await store(path, StoreOptions(dimension: 8, access: access == "read-only" ? .readOnly : .readWrite))
    EngramTestChild.say("opened \(try store.count())")
    EngramTestChild.waitForEndOfInput()
    try await store.close()
  }

  /// Adds memories with embeddings in one commit and prints the id of each.
  static func add(_ path: String, user: String, count: String) async throws {
    let store = try await store(path)
    let ids = try await store.add((0..<(Int(count) ?? 0)).map { SoakVector.draft(user: user, number: $0) }).map(\.id)
    for id in ids { EngramTestChild.say("\(id)") }
    try await store.close()
  }

  /// Commits `count` times, one write at a time: `rows` adds a memory with an embedding, `many` so many that a second thread writes their
  /// rows, `plain` updates a context.
  static func commit(_ path: String, count: String, kind: String) async throws {
    let store = try await store(path, StoreOptions(dimension: kind == "many" ? ManyRows.dimension : 8))
    for number in 0..<(Int(count) ?? 0) {
      if kind == "rows" {
        try await store.add(SoakVector.draft(user: "u", number: number))
      } else if kind == "many" {
        try await store.add(ManyRows.drafts(100, from: number * 100))
      } else {
        try await store.updateContext(for: "u") { $0.with(conversationsCount: $0.conversationsCount + 1) }
      }
    }
    EngramTestChild.say("committed")
    try await store.close()
  }

  /// Stays in a write body, with LMDB's write transaction open and changed, until the input ends.
  static func holdWriter(_ path: String) async throws {
    let store = try await store(path)
    try await store.write { transaction in
      try transaction.add(SoakVector.draft(user: "holder", number: 0))
      EngramTestChild.say("holding")
      EngramTestChild.waitForEndOfInput()
    }
    EngramTestChild.say("committed")
    try await store.close()
  }

  private final class Held {
    let snapshot: MemorySnapshot
    init(_ store: MemoryStore) throws { snapshot = try store.snapshot() }
  }

  static func holdSnapshots(_ path: String, count: String, _ options: StoreOptions = StoreOptions(dimension: 8)) async throws {
    let store = try await store(path, options)
    var held: [Held] = []
    for _ in 0..<(Int(count) ?? 0) { held.append(try Held(store)) }
    EngramTestChild.say("holding \(held.count)")
    EngramTestChild.waitForEndOfInput()
    held.removeAll()
    try await store.close()
  }

  /// Holds snapshots until it reads a line, then releases all at once, prints that, and keeps the store open until its input ends.
  static func burst(_ path: String, count: String) async throws {
    let store = try await store(path)
    var held: [Held] = []
    for _ in 0..<(Int(count) ?? 0) { held.append(try Held(store)) }
    EngramTestChild.say("holding \(held.count)")
    _ = readLine()
    held.removeAll()
    EngramTestChild.say("idle")
    EngramTestChild.waitForEndOfInput()
    try await store.close()
  }

  /// Commits numbered writes, each of three memories, a context and a token, and prints each number after its commit, until the
  /// process is killed.
  static func acknowledge(_ path: String, prefix: String, durability: StoreOptions.Durability = .immediate) async throws {
    let store = try await store(path, StoreOptions(dimension: 8, durability: durability))
    EngramTestChild.say("ready")
    for number in 0... {
      try await store.write(token: "\(prefix)-\(number)") { transaction in
        for part in 0..<3 { try transaction.add(SoakVector.draft(user: "\(prefix)-\(number)", number: part)) }
        try transaction.updateContext(for: "total") { $0.with(conversationsCount: $0.conversationsCount + 1) }
      }
      EngramTestChild.say("\(number)")
    }
  }

  /// Adds one memory per commit until the disk is full; prints each acknowledged id, and finally the error.
  static func fill(_ path: String) async throws {
    // A write past `ulimit -f` is an error only if the signal is ignored.
    _ = signal(SIGXFSZ, SIG_IGN)
    let store = try await store(path)
    do {
      for number in 0... {
        var draft = SoakVector.draft(user: "u", number: number)
        draft.text = String(repeating: "x", count: 20_000)
        EngramTestChild.say("\(try await store.add(draft).id)")
      }
    } catch let error as StoreError {
      EngramTestChild.say("full \(error.code)")
    }
    try await store.close()
  }

  /// Makes a backup of the store, and prints a line before and after it.
  static func backup(_ path: String, to destination: String) async throws {
    let store = try await store(path, StoreOptions(access: .readOnly))
    EngramTestChild.say("ready")
    try await store.backup(to: URL(fileURLWithPath: destination))
    EngramTestChild.say("done")
    try await store.close()
  }

  /// Uses a store when no further thread can be started, and prints how each call ends.
  static func withoutThreads(_ path: String) async throws {
    let store = try await store(path)
    let id = try await store.add(SoakVector.draft(user: "u", number: 0)).id
    // The threads of the cooperative pool must exist before the limit is set.
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 { group.addTask { usleep(20_000) } }
    }
    var limit = rlimit(rlim_cur: 0, rlim_max: 0)
    guard unsafe setrlimit(__rlimit_resource_t(__RLIMIT_NPROC.rawValue), &limit) == 0 else { exit(2) }
    // The limit does not apply to root.
    if getuid() == 0, setuid(65534) != 0 { exit(3) }
    EngramTestChild.say("compact \(await FailedCommits.code { try await store.compact() })")
    EngramTestChild.say("open \(await FailedCommits.code { _ = try await self.store(path + "-other") })")
    EngramTestChild.say("read \(await FailedCommits.code { _ = try store.memory(id, for: "u") })")
    EngramTestChild.say("write \(await FailedCommits.code { try await store.delete(id, for: "u") })")
    exit(0)
  }

  /// Compacts the store once. A write past `ulimit -f` is an error only if the signal is ignored.
  static func compactOnce(_ path: String) async throws {
    _ = signal(SIGXFSZ, SIG_IGN)
    let store = try await store(path)
    try await store.compact()
    EngramTestChild.say("compacted")
    try await store.close()
  }

  /// Compacts again and again for the given time.
  static func compact(_ path: String, seconds: String) async throws {
    let store = try await store(path)
    let end = ContinuousClock.now + .milliseconds(Int((Double(seconds) ?? 0) * 1000))
    var count = 0
    repeat {
      try await store.compact()
      count += 1
    } while ContinuousClock.now < end
    EngramTestChild.say("compacted \(count)")
    try await store.close()
  }

  /// Opens, reads, writes and closes again and again for the given time.
  static func reopen(_ path: String, seconds: String) async throws {
    let end = ContinuousClock.now + .milliseconds(Int((Double(seconds) ?? 0) * 1000))
    var count = 0
    while ContinuousClock.now < end {
      let store = try await store(path, StoreOptions(dimension: 8, access: count % 2 == 0 ? .readWrite : .readOnly))
      _ = try store.search(SearchQuery(embedding: Embedding(SoakVector.components(of: "query")), scope: .all, limit: 3))
      if count % 4 == 0 { try await store.updateContext(for: "reopened") { $0.with(conversationsCount: $0.conversationsCount + 1) } }
      try await store.close()
      count += 1
    }
    EngramTestChild.say("reopened \(count)")
  }

  /// Begins to forget a user, and prints a line once the commit that hides the user is done. The rebuild then waits for a lock that this
  /// process holds.
  static func hide(_ path: String, user: String) async throws {
    let store = try await store(path)
    // The descriptor, which stays open until the process ends, holds the lock.
    let descriptor = unsafe creat("\(path)/rebuild.lock", 0o600)
    guard flock(descriptor, LOCK_EX) == 0 else { throw StoreError(.inputOutput, "rebuild.lock cannot be locked") }
    let forgetting = Task { try await store.forget(userID: user) }
    while try store.count(scope: .user(user)) > 0 { try await Task.sleep(for: .milliseconds(1)) }
    EngramTestChild.say("hidden")
    _ = try await forgetting.value
  }
}
