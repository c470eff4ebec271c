import Engram
import Foundation

/// Memories with embeddings: adding in bulk, opening, searching, and importing JSON Lines.
struct MemoryBenchmark {
  let home: URL
  let memories: Int
  let users: Int
  let memtool: String?

  private static let dimension = 384

  func run() async throws -> [Row] {
    let url = home.appendingPathComponent("memories")
    var generator = Generator(state: 7)
    let drafts = (0..<memories).map { Self.draft($0, users: users, &generator) }
    var store = try await MemoryStore.open(at: url, options: StoreOptions(dimension: Self.dimension))
    let adding = try await seconds { [store] in
      for start in stride(from: 0, to: drafts.count, by: 1000) {
        _ = try await store.add(Array(drafts[start..<min(start + 1000, drafts.count)]))
      }
    }
    try await store.close()
    var openings: [Double] = []
    for _ in 0..<9 {
      openings.append(try await seconds { store = try await MemoryStore.open(at: url) })
      try await store.close()
    }
    store = try await MemoryStore.open(at: url)
    let queries = (0..<200).map { _ in Embedding((0..<Self.dimension).map { _ in Float.random(in: -1...1, using: &generator) }) }
    let perUser = median(
      try (queries + queries + queries).enumerated().map { index, query in
        let start = ContinuousClock.now
        let hits = try store.search(SearchQuery(embedding: query, scope: .user("user-\(index % 200 % users)")))
        precondition(hits.count == 10)
        return (ContinuousClock.now - start) / .seconds(1)
      })
    let overAll = median(
      try queries.prefix(20).map { query in
        let start = ContinuousClock.now
        let hits = try store.search(SearchQuery(embedding: query, scope: .all))
        precondition(hits.count == 10)
        return (ContinuousClock.now - start) / .seconds(1)
      })
    try await store.close()
    let rate = Double(memories) / adding
    let opening = median(openings)
    var rows = [
      Row(
        name: "bulk add with embeddings, batches of 1,000, durable", measured: "\(number(rate)) a second", target: "20,000",
        isReached: rate >= 20_000),
      Row(
        name: "open a store of \(number(Double(memories))) memories", measured: "\(number(opening * 1000, digits: 1)) ms", target: "50 ms",
        isReached: opening < 0.05),
      Row(name: "search one user's \(memories / users) memories", measured: "\(number(perUser * 1e6)) µs", target: "-", isReached: true),
      Row(
        name: "search all \(number(Double(memories))) memories", measured: "\(number(overAll * 1000, digits: 1)) ms", target: "-",
        isReached: true),
    ]
    if let memtool {
      for (form, target) in [("base64", 20_000.0), ("array", 5_000.0)] {
        let rate = try await importRate(memtool, form, from: url)
        rows.append(
          Row(
            name: "import of JSON Lines, embeddings as \(form)", measured: "\(number(rate)) lines a second", target: number(target),
            isReached: rate >= target))
      }
    }
    return rows
  }

  /// Exports the store and imports it into a new one, as whole processes.
  private func importRate(_ memtool: String, _ form: String, from store: URL) async throws -> Double {
    let file = home.appendingPathComponent("\(form).jsonl").path
    let copy = home.appendingPathComponent("copy-\(form)").path
    try Self.run(memtool, ["export", store.path, "--vectors", form, "-o", file])
    try Self.run(memtool, ["create", copy, "--dimension", "\(Self.dimension)"])
    let elapsed = try await seconds { try Self.run(memtool, ["import", copy, file]) }
    return Double(memories) / elapsed
  }

  /// Runs a program to its end.
  static func run(_ program: String, _ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failure(message: "\(program) \(arguments[0]) failed") }
  }

  private struct Failure: Error {
    let message: String
  }

  private static func draft(_ index: Int, users: Int, _ generator: inout Generator) -> MemoryDraft {
    MemoryDraft(
      userID: "user-\(index % users)", text: "memory number \(index): something that was said on an ordinary day",
      embedding: Embedding((0..<dimension).map { _ in Float.random(in: -1...1, using: &generator) }), kind: "message",
      sessionID: "session-\(index / users / 20)", speaker: "speaker")
  }
}
