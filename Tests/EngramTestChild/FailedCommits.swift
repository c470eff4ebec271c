import Engram
import Foundation
import Synchronization

/// Commits whose write of the meta page fails, as arranged by the test's preloaded library, while readers run.
enum FailedCommits {
  /// The results that the parent compares, printed as one line of JSON.
  struct Summary: Encodable {
    /// How the writes of the failed batch ended, counted by code; `ok` for those that returned.
    var outcomes: [String: Int] = [:]
    var messages: Set<String> = []
    /// How a read of the held snapshot ended; in `compaction`, how the second compaction ended.
    var held = ""
    var readErrors: Set<String> = []
    /// The number of reads after the failed commit.
    var readsAfter = 0
    /// The different counts of the batch's memories that readers saw.
    var seen: Set<Int> = []
    /// Whether a reader saw the memories of the batch and later did not.
    var regressed = false
    var committedTokens = 0
    var count = 0
    var conversations = 0
    var poison: String?
    var isReopening = false
    var statusMemories = 0
    var generation: UInt64 = 0
    /// How the next write ended.
    var later = ""
    var problems: [String] = []
  }

  struct Refusal: Error {}

  private static func open(_ path: String, _ options: StoreOptions = StoreOptions(dimension: 8)) async throws -> MemoryStore {
    try await MemoryStore.open(at: URL(fileURLWithPath: path), options: options)
  }

  /// From now on writes of the meta page fail according to `plan`; see `MetaFaults` in the tests.
  static func arm(_ plan: String) throws {
    guard let path = ProcessInfo.processInfo.environment["ENGRAM_META_PLAN"] else {
      throw StoreError(.invalidArgument, "ENGRAM_META_PLAN is not set")
    }
    try Data(plan.utf8).write(to: URL(fileURLWithPath: path))
  }

  static func code(_ body: () async throws -> Void) async -> String {
    do {
      try await body()
      return "ok"
    } catch let error as StoreError {
      return "\(error.code)"
    } catch {
      return "\(type(of: error))"
    }
  }

  /// Waits without blocking a thread.
  private static func wait(until condition: () throws -> Bool) async throws {
    while try !condition() { try await Task.sleep(for: .milliseconds(1)) }
  }

  private static func say(_ summary: Summary) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    EngramTestChild.say(String(decoding: try encoder.encode(summary), as: UTF8.self))
  }

  private final class Held {
    let snapshot: MemorySnapshot
    init(_ store: MemoryStore) throws { snapshot = try store.snapshot() }
  }

  /// Threads that read as fast as they can.
  private final class Readers: Sendable {
    struct State {
      var isStopped = false
      var running = 0
      var reads = 0
      var seen: Set<Int> = []
      var errors: Set<String> = []
      var regressed = false
    }

    let state = Mutex(State())

    init(_ store: MemoryStore, count: Int) {
      state.withLock { $0.running = count }
      for number in 0..<count {
        Thread.detachNewThread {
          var last = 0
          while !self.state.withLock({ $0.isStopped }) {
            do {
              // Even readers read once; odd ones read twice through a snapshot, which may expire between the two reads.
              let count =
                if number % 2 == 0 {
                  try store.count(scope: .user("batch"))
                } else {
                  try store.read { snapshot in
                    let count = try snapshot.count(scope: .user("batch"))
                    guard try snapshot.context(for: "total")?.conversationsCount ?? 0 == count else { throw Refusal() }
                    return count
                  }
                }
              self.state.withLock { state in
                state.reads += 1
                state.seen.insert(count)
                if count < last { state.regressed = true }
              }
              last = count
            } catch let error as StoreError where error.code == .snapshotExpired && number % 2 == 1 {
              continue
            } catch {
              self.state.withLock { state in _ = state.errors.insert("\(error)") }
            }
          }
          self.state.withLock { $0.running -= 1 }
        }
      }
    }

    func stop() async throws {
      state.withLock { $0.isStopped = true }
      while state.withLock({ $0.running }) > 0 { try await Task.sleep(for: .milliseconds(1)) }
    }
  }

  /// Twenty writes in one batch, the eighth of which throws; writing the batch's meta page fails.
  static func batch(_ path: String, plan: String, durability: String) async throws {
    let store = try await open(
      path, StoreOptions(dimension: 8, durability: durability == "eventual" ? .eventual(maxDelay: .milliseconds(50)) : .immediate))
    try await store.write(token: "before") { _ = try $0.add(SoakVector.draft(user: "before", number: 0)) }
    let held = try Held(store)
    let readers = Readers(store, count: 4)
    EngramTestChild.say("ready")
    _ = readLine()

    let entered = Atomic(false)
    let gate = DispatchSemaphore(value: 0)
    let gating = Task {
      try await store.write { _ in
        entered.store(true, ordering: .releasing)
        gate.wait()
      }
    }
    try await wait { entered.load(ordering: .acquiring) }
    let writes = (0..<20).map { number in
      Task {
        let messages = Mutex<String?>(nil)
        let code = await code {
          do {
            try await store.write(token: "t\(number)") { transaction in
              try transaction.add(SoakVector.draft(user: "batch", number: number))
              try transaction.updateContext(for: "total") { $0.with(conversationsCount: $0.conversationsCount + 1) }
              if number == 7 { throw Refusal() }
            }
          } catch let error as StoreError {
            messages.withLock { $0 = error.message }
            throw error
          }
        }
        return (code, messages.withLock { $0 })
      }
    }
    try await wait { try store.status.queueDepth == 20 }
    try arm(plan)
    gate.signal()
    try await gating.value

    var summary = Summary()
    for write in writes {
      let (code, message) = await write.value
      summary.outcomes[code, default: 0] += 1
      if let message { summary.messages.insert(message) }
    }
    let before = readers.state.withLock { $0.reads }
    try await wait { readers.state.withLock { $0.reads > before + 20 || !$0.errors.isEmpty } }
    do {
      _ = try held.snapshot.count()
      summary.held = "readable"
    } catch let error as StoreError {
      summary.held = "\(error.code): \(error.message)"
    }
    for number in 0..<20 where try store.wasCommitted("t\(number)") { summary.committedTokens += 1 }
    let status = try store.status
    (summary.poison, summary.isReopening) = (status.poison.map { "\($0.code)" }, status.isReopening)
    (summary.statusMemories, summary.generation) = (status.memories, status.generation)
    summary.later = await code { try await store.write(token: "after") { _ = try $0.add(SoakVector.draft(user: "after", number: 0)) } }
    summary.count = try store.count()
    summary.conversations = try store.context(for: "total")?.conversationsCount ?? 0
    summary.problems = try await store.verify(deep: true).problems.map { "\($0)" }
    try await readers.stop()
    readers.state.withLock { state in
      (summary.readErrors, summary.seen, summary.regressed) = (state.errors, state.seen, state.regressed)
      summary.readsAfter = state.reads - before
    }
    try say(summary)
    EngramTestChild.waitForEndOfInput()
    withExtendedLifetime(held) {}
    try await store.close()
  }

  // MARK: Reads that do not end

  /// A context whose decoding calls a hook, in the middle of a read.
  private struct Calling: ContextRecord {
    static let hook = Mutex<(@Sendable () -> Void)?>(nil)
    let userID: String

    init(userID: String) { self.userID = userID }

    private enum CodingKeys: CodingKey { case userID }

    init(from decoder: any Decoder) throws {
      userID = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .userID)
      Self.hook.withLock { $0 }?()
    }
  }

  /// A write fails during a read that itself reads (`nested`), or that does not end (`stuck`).
  static func duringRead(_ path: String, kind: String) async throws {
    var options = StoreOptions(dimension: 8)
    options.reopeningPatience = kind == "nested" ? .seconds(2) : .milliseconds(200)
    let store = try await open(path, options)
    try await store.put(Calling(userID: "u"))
    try await store.add(SoakVector.draft(user: "before", number: 0))
    let entered = Atomic(false)
    let ended = Atomic(false)
    let release = DispatchSemaphore(value: 0)
    let nested = Mutex("")
    Calling.hook.withLock { hook in
      hook = {
        entered.store(true, ordering: .releasing)
        while (try? store.status.isReopening) != true { Thread.sleep(forTimeInterval: 0.001) }
        if kind == "stuck" { return release.wait() }
        do {
          nested.withLock { $0 = "read" }
          _ = try store.count()
        } catch let error as StoreError {
          nested.withLock { $0 = "\(error.code)" }
        } catch {}
      }
    }
    Thread.detachNewThread {
      let found = try? store.context(Calling.self, for: "u")
      EngramTestChild.say("outer \(found != nil)")
      ended.store(true, ordering: .releasing)
    }
    try await wait { entered.load(ordering: .acquiring) }
    try arm("E.")
    EngramTestChild.say("write \(await code { try await store.add(SoakVector.draft(user: "failed", number: 0)) })")
    if kind == "stuck" {
      EngramTestChild.say("read \(await code { _ = try store.count() })")
      let status = try store.status
      EngramTestChild.say("status \(status.poison.map { "\($0.code)" } ?? "none") \(status.isReopening) \(status.memories)")
      EngramTestChild.say("again \(await code { try await store.add(SoakVector.draft(user: "failed", number: 0)) })")
      release.signal()
    }
    try await wait { ended.load(ordering: .acquiring) }
    EngramTestChild.say("nested \(nested.withLock { $0 })")
    Calling.hook.withLock { $0 = nil }
    try await store.close()
    let again = try await open(path)
    try await again.add(SoakVector.draft(user: "after", number: 0))
    EngramTestChild.say("count \(try again.count()) \(try await again.verify(deep: true).problems.count)")
    try await again.close()
  }

  // MARK: Copies

  /// A write fails while a backup or a compaction holds a snapshot for its copy.
  static func duringCopy(_ path: String, kind: String, destination: String) async throws {
    let store = try await open(path)
    // More than a copy writes in one transaction, so that it reports its progress in the middle of a step.
    try await store.add(
      (0..<50).map { number in
        var draft = SoakVector.draft(user: "before", number: number)
        draft.text = String(repeating: "x", count: 400_000)
        return draft
      })
    let failing = Mutex<Task<String, Never>?>(nil)
    let goesOn = Atomic(false)
    let progress: @Sendable (OperationProgress) -> Void = { step in
      guard step.phase == .copying else { return }
      guard failing.withLock({ $0 == nil }) else {
        // The copy still holds its snapshot, and the store waits for that snapshot's end.
        if (try? store.status.isReopening) == true { goesOn.store(true, ordering: .relaxed) }
        return
      }
      try? arm("E.")
      failing.withLock {
        $0 = Task { await code { try await store.add(SoakVector.draft(user: "failed", number: 0)) } }
      }
      while (try? store.status.isReopening) != true { Thread.sleep(forTimeInterval: 0.001) }
    }
    let copy = await code {
      if kind == "backup" {
        try await store.backup(to: URL(fileURLWithPath: destination), progress: progress)
      } else {
        try await store.compact(progress: progress)
      }
    }
    EngramTestChild.say("copy \(copy) \(goesOn.load(ordering: .relaxed))")
    EngramTestChild.say("write \(await failing.withLock { $0 }?.value ?? "none")")
    try await store.add(SoakVector.draft(user: "after", number: 0))
    EngramTestChild.say("count \(try store.count()) \(try await store.verify(deep: true).problems.count) \(try store.status.generation)")
    try await store.close()
  }

  /// The commit that names the next generation fails.
  static func compaction(_ path: String, plan: String) async throws {
    let store = try await open(path)
    try await store.add((0..<50).map { SoakVector.draft(user: "before", number: $0) })
    let readers = Readers(store, count: 2)
    try arm(plan)
    var summary = Summary()
    summary.outcomes[await code { try await store.compact() }] = 1
    summary.later = await code { try await store.add(SoakVector.draft(user: "after", number: 0)) }
    let status = try store.status
    (summary.poison, summary.generation) = (status.poison.map { "\($0.code)" }, status.generation)
    summary.count = try store.count()
    summary.problems = try await store.verify(deep: true).problems.map { "\($0)" }
    if status.poison == nil { summary.held = await code { try await store.compact() } }
    try await readers.stop()
    summary.readErrors = readers.state.withLock { $0.errors }
    try say(summary)
    EngramTestChild.waitForEndOfInput()
    try await store.close()
  }
}
