import Engram
import Foundation

/// Measures searches by text whose vector is given, in the words and the embeddings of a user's memories.
struct TextBenchmark {
  let home: URL

  private static let dimension = 384
  private static let words = (0..<4000).map { "word\($0)" }

  func run() async throws -> [Row] {
    let store = try await MemoryStore.open(at: home.appendingPathComponent("texts"), options: StoreOptions(dimension: Self.dimension))
    var generator = Generator(state: 11)
    var rows: [Row] = []
    for (user, count, target) in [("small", 1000, 300e-6), ("large", 50_000, 5e-3)] {
      for start in stride(from: 0, to: count, by: 1000) {
        try await store.add((start..<start + 1000).map { Self.draft(user, $0, &generator) })
      }
      for mode in [SearchMode.lexical, .hybrid] {
        let times = try (0..<(count > 1000 ? 9 : 50)).map { _ in
          let query = TextQuery(Self.text(7, &generator), embedding: Self.vector(&generator), scope: .user(user), mode: mode)
          let start = ContinuousClock.now
          let hits = try store.search(query)
          precondition(hits.count == 10)
          return (ContinuousClock.now - start) / .seconds(1)
        }
        rows.append(
          Row(
            name: "search by text, \(mode.rawValue), a user of \(number(Double(count))) memories",
            measured: "\(number(median(times) * 1e6)) µs", target: "\(number(target * 1e6)) µs", isReached: median(times) <= target))
      }
    }
    try await store.close()
    return rows
  }

  /// A text of `count` random words, of which a few are in most texts.
  private static func text(_ count: Int, _ generator: inout Generator) -> String {
    (0..<count).map { _ in words[Int(pow(Double.random(in: 0..<1, using: &generator), 3) * Double(words.count))] }.joined(separator: " ")
  }

  private static func vector(_ generator: inout Generator) -> Embedding {
    Embedding((0..<dimension).map { _ in Float.random(in: -1...1, using: &generator) })
  }

  private static func draft(_ user: String, _ index: Int, _ generator: inout Generator) -> MemoryDraft {
    var draft = MemoryDraft(
      userID: user, text: text(20, &generator), embedding: vector(&generator), sessionID: "session-\(index / 20)",
      speaker: index % 2 == 0 ? "Ada" : "Bob")
    draft.createdAt = Date(timeIntervalSince1970: Double(1_700_000_000 + index * 60))
    return draft
  }
}
