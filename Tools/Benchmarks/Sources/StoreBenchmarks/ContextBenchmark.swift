import Engram
import Foundation

/// Reading: a context with its snapshot, against renew, get and reset of raw LMDB among as many keys.
struct ContextBenchmark {
  let home: URL
  /// As many keys as the published figure of raw LMDB was measured with.
  private let users = 200_000
  private let reads = 100_000

  func run() async throws -> [Row] {
    let store = try await MemoryStore.open(at: home.appendingPathComponent("contexts"))
    for start in stride(from: 0, to: users, by: 5000) {
      try await store.write { transaction in
        for user in start..<(start + 5000) { try transaction.put(Self.context(user)) }
      }
    }
    let rawPath = home.appendingPathComponent("raw-contexts").path
    try FileManager.default.createDirectory(atPath: rawPath, withIntermediateDirectories: true)
    let raw = RawLMDB(path: rawPath)
    raw.put(0..<users, sizeBytes: 330)
    var generator = Generator(state: 1)
    let picks = (0..<reads).map { _ in Int.random(in: 0..<users, using: &generator) }
    let names = picks.map { "user-\($0)" }
    let context = try await interleaved(rounds: 9) {
      var found = 0
      for name in names where try store.context(for: name) != nil { found += 1 }
      precondition(found == names.count)
    } _: {
      precondition(raw.get(picks) == picks.count * 330)
    }
    let generic = try await interleaved(rounds: 5) {
      var found = 0
      for name in names where try store.context(Profile.self, for: name) != nil { found += 1 }
      precondition(found == 0)
    } _: {
      precondition(raw.get(picks) == picks.count * 330)
    }
    let snapshot = median(
      try await (0..<9).asyncMap { _ in
        try await seconds { for _ in 0..<reads { _ = try store.snapshot() } } / Double(reads)
      })
    try await store.close()
    let perRead = 1e6 / Double(reads)
    return [
      Row(
        name: "context(for:) against raw renew + get + reset",
        measured:
          "\(number(context.ratio, digits: 2)) × (\(number(context.a * perRead, digits: 2)) against \(number(context.b * perRead, digits: 2)) µs)",
        target: "6 ×", isReached: context.ratio <= 6),
      Row(
        name: "a context that is missing", measured: "\(number(generic.a * perRead, digits: 2)) µs", target: "-", isReached: true),
      Row(
        name: "open a snapshot and drop it", measured: "\(number(snapshot * 1e6, digits: 2)) µs", target: "2 µs",
        isReached: snapshot <= 2e-6),
    ]
  }

  private struct Profile: ContextRecord {
    let userID: String
  }

  static func context(_ user: Int) -> UserContext {
    UserContext(
      userID: "user-\(user)", conversationsCount: user, friendshipLevel: user % 10,
      preferences: ["food": "ramen with egg", "language": "English", "tone": "friendly and short"],
      topics: ["travel in Japan", "bouldering", "cooking"], lastMessage: "What should I cook tonight?",
      lastResponse: "How about the ramen that you liked last week?")
  }
}

extension Sequence {
  func asyncMap<Value>(_ transform: (Element) async throws -> Value) async rethrows -> [Value] {
    var values: [Value] = []
    for element in self { values.append(try await transform(element)) }
    return values
  }
}
