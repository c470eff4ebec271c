import Engram
import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Calls every public function that throws, after something that the store needs has been taken away.
enum EveryError {
  private final class Held {
    let snapshot: MemorySnapshot
    init(_ store: MemoryStore) throws { snapshot = try store.snapshot() }
  }

  /// Prints how each call ends: `ok`, the code of a `StoreError`, or the type of another error.
  static func run(_ path: String, cause: String, scratch: String) async throws {
    let (url, embedder) = (URL(fileURLWithPath: path), HashingEmbedder())
    let store = try await MemoryStore.open(at: url, options: StoreOptions(embedder: embedder))
    let id = try await store.add(MemoryDraft(userID: "u", text: "first"))
    try await store.put(UserContext(userID: "u"))
    let held = try Held(store)
    // Three megabytes of rows.
    let drafts = (0..<2000).map { number in
      let components = (0..<embedder.identity.dimension).map { Float(($0 + number) % 7) + 1 }
      return MemoryDraft(userID: "u", text: "memory \(number)", embedding: Embedding(components))
    }
    let memory = try store.memory(id)
    let query = SearchQuery(embedding: embedder.embedding(of: "first"), scope: .all)
    var changes = try store.changes().makeAsyncIterator()
    // The pool's own threads are there before anything is taken away.
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 { group.addTask { usleep(20_000) } }
    }
    try take(cause, path)
    let calls: [(String, () async throws -> Void)] = [
      ("add", { _ = try await store.add(MemoryDraft(userID: "u", text: "one")) }),
      ("addMany", { _ = try await store.add(drafts) }),
      ("put", { try await store.put(UserContext(userID: "v")) }),
      ("updateContext", { _ = try await store.updateContext(for: "u", message: "a", response: "b") }),
      ("transformContext", { _ = try await store.updateContext(for: "u") { $0 } }),
      ("update", { _ = try await store.update(id) { $0.with(text: "changed") } }),
      ("writeAdding", { try await store.write { transaction in try caught { for draft in drafts { _ = try transaction.add(draft) } } } }),
      (
        "writeEverything",
        {
          try await store.write(token: "token") { transaction in
            try caught {
              _ = try transaction.memory(id)
              _ = try transaction.context(for: "u")
              _ = try transaction.update(id) { $0.with(importance: 1) }
              try transaction.put(UserContext(userID: "w"))
              _ = try transaction.updateContext(for: "w", message: "a", response: "b")
              _ = try transaction.deleteContext(UserContext.self, for: "w")
              _ = try transaction.delete(where: .kind("none"), scope: .all)
            }
          }
        }
      ),
      ("deleteWhere", { _ = try await store.delete(where: .kind("none"), scope: .all) }),
      ("changes", { if try store.count() > 1 { _ = try await changes.next() } }),
      ("memory", { _ = try store.memory(id) }),
      ("embedding", { _ = try store.embedding(of: id) }),
      ("count", { _ = try store.count() }),
      ("countMatching", { _ = try store.count(matching: .kind("none"), scope: .all) }),
      ("memories", { _ = try store.memories(for: "u", after: memory) }),
      ("context", { _ = try store.context(for: "u") }),
      ("history", { _ = try store.history(for: "u") }),
      ("users", { _ = try store.users() }),
      ("search", { _ = try store.search(query) }),
      ("searchText", { _ = try await store.search("first", scope: .all) }),
      ("status", { _ = try store.status }),
      ("wasCommitted", { _ = try store.wasCommitted("token") }),
      ("snapshot", { _ = try store.snapshot().batchSequence }),
      ("heldMemory", { _ = try held.snapshot.memory(id) }),
      ("heldSearch", { _ = try held.snapshot.search(query) }),
      ("heldEmbedding", { _ = try held.snapshot.embedding(of: id) }),
      ("heldWalk", { try held.snapshot.forEachMemory { _ in true } }),
      ("verify", { _ = try store.verify() }),
      ("verifyDeep", { _ = try store.verify(deep: true) }),
      ("audit", { _ = try store.audit() }),
      ("backup", { _ = try await store.backup(to: URL(fileURLWithPath: scratch + "/backup")) }),
      ("compact", { _ = try await store.compact() }),
      ("forgetProving", { _ = try await store.forget(userID: "v", waitingAtMost: .zero, proves: true) }),
      ("erase", { _ = try await store.erase([id], waitingAtMost: .zero) }),
      ("delete", { _ = try await store.delete(id) }),
      ("deleteContext", { _ = try await store.deleteContext(UserContext.self, for: "u") }),
      ("openAnother", { _ = try await MemoryStore.open(at: URL(fileURLWithPath: scratch + "/another")) }),
      ("repair", { _ = try await MemoryStore.repair(url, into: URL(fileURLWithPath: scratch + "/repaired")) }),
      ("end", { held.snapshot.end() }),
      ("close", { try await store.close(deadline: .seconds(5)) }),
      ("closeAgain", { try await store.close(deadline: .seconds(5)) }),
      ("openAgain", { try await MemoryStore.open(at: url).close() }),
    ]
    for (name, call) in calls { EngramTestChild.say("\(name) \(await FailedCommits.code(call))") }
    exit(0)
  }

  /// What a body sees must be named, too.
  private static func caught(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch let error as StoreError {
      throw error
    } catch {
      EngramTestChild.say("body \(type(of: error))")
      throw error
    }
  }

  private static func take(_ cause: String, _ path: String) throws {
    switch cause {
    case "removed": try FileManager.default.removeItem(atPath: path)
    case "descriptors": while unsafe open("/dev/null", O_RDONLY) >= 0 {}
    default:
      // A write past the limit is an error only where the signal is ignored.
      _ = signal(SIGXFSZ, SIG_IGN)
      guard let bytes = UInt(cause) else { throw StoreError(.invalidArgument, "no such cause: \(cause)") }
      var limit = rlimit(rlim_cur: rlim_t(bytes), rlim_max: rlim_t(bytes))
      guard unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 else { throw StoreError(.inputOutput, "setrlimit") }
    }
  }
}
