import ArgumentParser
import Engram
import Foundation

/// How long readers wait while a writer commits as fast as it can, compared with the same readers alone.
struct Load: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures the latency of readers while a writer is at full speed.",
    discussion: """
      Readers search one user's memories and read a context in turns: first alone, then while one task of this process adds memories in batches \
      of 100, each on disk before the next. They are tasks of this process, or processes of their own with one task each.
      """)

  @Option(help: "Where the store is made.") var directory = FileManager.default.temporaryDirectory.path
  @Option(help: "Memories in the store.") var memories = 60_000
  @Option(help: "Users that they belong to.") var users = 600
  @Option(help: "Numbers of readers.") var readers = [1, 2, 8]
  @Option(help: "Seconds of each measurement.") var seconds = 3.0

  static let dimension = 384

  func run() async throws {
    let home = URL(fileURLWithPath: directory).appendingPathComponent("engram-load-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: home) }
    let processors = ProcessInfo.processInfo.activeProcessorCount
    print("\(processors) processors; \(memories) memories of \(users) users, \(Self.dimension) dimensions")
    let store = try await MemoryStore.open(at: home, options: StoreOptions(dimension: Self.dimension))
    var generator = Generator(state: 3)
    for start in stride(from: 0, to: memories, by: 1000) {
      try await store.add((start..<min(start + 1000, memories)).map { Self.draft($0, users, &generator) })
    }
    for user in 0..<users { try await store.updateContext(for: "user-\(user)") { $0.with(conversationsCount: 1) } }
    var rows: [Row] = []
    for areProcesses in [false, true] {
      for count in readers {
        let alone = try await read(store, home, count, areProcesses)
        let writer = Task { try await Self.write(store, from: memories, users) }
        let loaded = try await read(store, home, count, areProcesses)
        writer.cancel()
        let written = try await writer.value
        rows += loaded.compared(
          with: alone, "\(count) reader \(areProcesses ? "processes" : "tasks")", written: Double(written) / seconds)
      }
    }
    try await store.close()
    Row.print(rows)
  }

  private func read(_ store: MemoryStore, _ home: URL, _ count: Int, _ areProcesses: Bool) async throws -> Latencies {
    let (users, seconds) = (users, seconds)
    return try await withThrowingTaskGroup(of: Latencies.self) { group in
      for number in 0..<count {
        group.addTask {
          areProcesses
            ? try await LoadReader.process(home, users, number, seconds) : try await Latencies.measured(store, users, number, seconds)
        }
      }
      return try await group.reduce(into: Latencies()) { $0.add($1) }
    }
  }

  /// - Returns: How many memories were added until the task was cancelled.
  private static func write(_ store: MemoryStore, from first: Int, _ users: Int) async throws -> Int {
    var generator = Generator(state: 4)
    var next = first
    while !Task.isCancelled {
      try await store.add((next..<next + 100).map { draft($0, users, &generator) })
      next += 100
    }
    return next - first
  }

  private static func draft(_ index: Int, _ users: Int, _ generator: inout Generator) -> MemoryDraft {
    MemoryDraft(
      userID: "user-\(index % users)", text: "memory number \(index): something that was said on an ordinary day",
      embedding: Embedding((0..<dimension).map { _ in Float.random(in: -1...1, using: &generator) }))
  }
}

/// The seconds that calls took.
struct Latencies: Codable {
  var searches: [Double] = []
  var contexts: [Double] = []

  mutating func add(_ other: Self) {
    searches += other.searches
    contexts += other.contexts
  }

  /// Calls in turns until the time is over.
  static func measured(_ store: MemoryStore, _ users: Int, _ number: Int, _ seconds: Double) async throws -> Latencies {
    var generator = Generator(state: UInt64(100 + number))
    let queries = (0..<50).map { _ in Embedding((0..<Load.dimension).map { _ in Float.random(in: -1...1, using: &generator) }) }
    let end = ContinuousClock.now + .seconds(seconds)
    var found = Latencies()
    while ContinuousClock.now < end {
      let user = "user-\(Int.random(in: 0..<users, using: &generator))"
      let query = SearchQuery(embedding: queries[found.searches.count % queries.count], scope: .user(user))
      let (start, hits) = (ContinuousClock.now, try store.search(query))
      found.searches.append((ContinuousClock.now - start) / .seconds(1))
      guard !hits.isEmpty else { throw LifecycleFailure(message: "a search of \(user) found nothing") }
      let before = ContinuousClock.now
      guard try store.context(for: user) != nil else { throw LifecycleFailure(message: "\(user) has no context") }
      found.contexts.append((ContinuousClock.now - before) / .seconds(1))
      await Task.yield()
    }
    return found
  }

  func compared(with alone: Latencies, _ readers: String, written: Double) -> [Row] {
    [("search of one user", \Latencies.searches), ("context", \.contexts)].map { name, path in
      let (own, base) = (self[keyPath: path].sorted(), alone[keyPath: path].sorted())
      func quantile(_ values: [Double], _ share: Double) -> Double { values[min(values.count - 1, Int(Double(values.count) * share))] }
      func shown(_ values: [Double], _ share: Double) -> String { number(quantile(values, share) * 1e6, digits: 1) }
      func both(_ share: Double) -> String { "\(shown(base, share)) → \(shown(own, share)) µs" }
      let ratio = quantile(own, 0.99) / quantile(base, 0.99)
      return Row(
        name: "\(readers): \(name)",
        measured: "p50 \(both(0.5)), p99 \(both(0.99)), \(number(ratio, digits: 2)) ×; \(number(written)) added/s",
        target: "p99 2 ×", isReached: ratio <= 2)
    }
  }
}

/// A reader of ``Load`` in a process of its own.
struct LoadReader: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "load-reader", shouldDisplay: false)

  @Argument var store: String
  @Argument var users: Int
  @Argument var number: Int
  @Argument var seconds: Double

  func run() async throws {
    let store = try await MemoryStore.open(at: URL(fileURLWithPath: store), options: StoreOptions(access: .readOnly))
    let found = try await Latencies.measured(store, users, number, seconds)
    try await store.close()
    FileHandle.standardOutput.write(try JSONEncoder().encode(found))
  }

  /// Runs a reader and returns what it has measured.
  static func process(_ store: URL, _ users: Int, _ number: Int, _ seconds: Double) async throws -> Latencies {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(
          with: Result {
            let (process, output) = (Process(), Pipe())
            process.executableURL = Bundle.main.executableURL
            process.arguments = [configuration.commandName ?? "", store.path, "\(users)", "\(number)", "\(seconds)"]
            process.standardOutput = output
            try process.run()
            let data = output.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            guard process.terminationStatus == 0 else {
              throw LifecycleFailure(message: "a reader ended with \(process.terminationStatus)")
            }
            return try JSONDecoder().decode(Latencies.self, from: data)
          })
      }
    }
  }
}
