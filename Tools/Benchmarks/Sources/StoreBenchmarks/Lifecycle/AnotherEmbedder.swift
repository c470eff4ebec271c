import Engram
import Foundation

/// Measures how a store moves to another embedder: compared with that embedder's own rate, and while others write.
struct AnotherEmbedder {
  let home: URL
  let memories: Int

  private static let words = (0..<4000).map { "word\($0)" }

  /// The hashing embedder under another name, so that a store moves to it.
  private struct Renamed: Embedder {
    let name: String
    let embedder = HashingEmbedder(dimension: LifecycleData.dimension)

    var identity: EmbedderIdentity { EmbedderIdentity(name: name, dimension: LifecycleData.dimension, version: "1") }
    func embed(_ texts: [String]) async throws -> [Embedding] { try await embedder.embed(texts) }
  }

  func run() async throws -> [Row] {
    let store = try await MemoryStore.open(
      at: home.appendingPathComponent("moving"), options: StoreOptions(dimension: LifecycleData.dimension))
    var generator = Generator(state: 5)
    var texts: [String] = []
    for start in stride(from: 0, to: memories, by: 1000) {
      let drafts = (start..<min(start + 1000, memories)).map { number in
        MemoryDraft(
          userID: "user-\(number % 600)", text: (0..<15).map { _ in Self.words.randomElement(using: &generator)! }.joined(separator: " "),
          embedding: LifecycleData.randomEmbedding(&generator))
      }
      texts += drafts.map(\.text)
      try await store.add(drafts)
    }
    let alone = try await seconds {
      for start in stride(from: 0, to: texts.count, by: 256) {
        _ = try await Renamed(name: "first").embed(Array(texts[start..<min(start + 256, texts.count)]))
      }
    }
    let compaction = try await store.compact()
    let quiet = try await store.reembed(with: Renamed(name: "first"))
    let crowd = WriterCrowd(store, count: 64)
    crowd.begin(phase: 1)
    let busy = try await store.reembed(with: Renamed(name: "second"))
    let waits = await crowd.stop()[1] ?? Waits()
    let verification = try await store.verify()
    try await store.close()
    func row(_ name: String, _ seconds: Double, _ count: Int, isReached: Bool = true) -> Row {
      Row(
        name: name, measured: "\(number(Double(count) / seconds)) a second, \(number(seconds, digits: 2)) s", target: "-",
        isReached: isReached,
        values: ["seconds": seconds])
    }
    return [
      row("the embedder alone, \(number(Double(texts.count))) texts", alone, texts.count),
      row("a compaction of them", compaction.duration / .seconds(1), compaction.memories),
      row("moving to the embedder", quiet.duration / .seconds(1), quiet.memories), Row(pause: quiet.writerPause),
      row("moving among 64 writers", busy.duration / .seconds(1), busy.memories), Row(pause: busy.writerPause),
      Row(name: "longest write meanwhile", waits: waits),
      Row(
        name: "verify of the store that moved",
        measured: "\(verification.problems.count) problems, \(waits.errors.count) errors of writers",
        target: "0 problems", isReached: verification.isIntact),
    ]
  }
}
