import Engram
import Foundation
import Synchronization

/// A process that moves a store to another embedder, and stops at the step that its arguments name.
enum Reembedding {
  /// Moves the store to a hashing embedder of 16 dimensions. Prints `embedding N` before the N-th call of the embedder and `copying` when
  /// the copy begins; waits for the end of its input at the step that `stop` names. Finally prints how many embeddings were made and how
  /// many were reused.
  static func run(_ path: String, stop: String) async throws {
    let store = try await MemoryStore.open(at: URL(fileURLWithPath: path), options: StoreOptions(createsIfMissing: false))
    let hasCopied = Atomic(false)
    let report = try await store.reembed(with: StoppingEmbedder(stop: stop)) { step in
      guard step.phase == .copying, !hasCopied.exchange(true, ordering: .relaxed) else { return }
      reach("copying", stop)
    }
    EngramTestChild.say("embedded \(report.embedded), reused \(report.reused)")
    try await store.close()
  }

  fileprivate static func reach(_ place: String, _ stop: String) {
    EngramTestChild.say(place)
    if place == stop { EngramTestChild.waitForEndOfInput() }
  }

  /// Opens the store with a hashing embedder of 8 dimensions, and for each line of input prints how an addition and searches by text end.
  static func hold(_ path: String) async throws {
    let options = StoreOptions(embedder: HashingEmbedder(dimension: 8))
    let store = try await MemoryStore.open(at: URL(fileURLWithPath: path), options: options)
    EngramTestChild.say("ready")
    while readLine() != nil {
      let codes = [
        await FailedCommits.code { try await store.add(MemoryDraft(userID: "held", text: "a text")) },
        await FailedCommits.code { _ = try await store.search("a text", scope: .all) },
        await FailedCommits.code { _ = try await store.search("a text", scope: .all, mode: .lexical) },
      ]
      EngramTestChild.say(codes.joined(separator: " "))
    }
    try await store.close()
  }
}

private struct StoppingEmbedder: Embedder {
  let stop: String
  private let embedder = HashingEmbedder(dimension: 16)
  private let calls = CallCount()

  init(stop: String) { self.stop = stop }

  var identity: EmbedderIdentity { embedder.identity }

  func embed(_ texts: [String]) async throws -> [Embedding] {
    Reembedding.reach("embedding \(calls.next())", stop)
    return try await embedder.embed(texts)
  }
}

private final class CallCount: Sendable {
  private let count = Atomic(0)
  func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}
