import Engram
import Foundation

/// Reads a store while other processes add to it.
enum GrowingReader {
  /// For each line of input, reads the newest memory of the user named there, and prints how each read ended.
  static func run(_ path: String) async throws {
    let store = try await MemoryStore.open(at: URL(fileURLWithPath: path), options: StoreOptions(access: .readOnly))
    EngramTestChild.say("ready")
    while let user = readLine() {
      let reads: [(String, () async throws -> Void)] = [
        (
          "embedding",
          {
            guard let memory = try store.memories(for: user, limit: 1).first else { throw StoreError(.notFound, "\(user) has no memory") }
            _ = try store.embedding(of: memory.id, for: user)
          }
        ),
        (
          "search",
          {
            let components = [Float](repeating: 1, count: try store.status.dimension ?? 0)
            _ = try store.search(SearchQuery(embedding: Embedding(components), scope: .user(user), limit: 3))
          }
        ),
        ("count", { _ = try store.count() }),
      ]
      var outcomes: [String] = []
      for (name, read) in reads { outcomes.append("\(name) \(await FailedCommits.code(read))") }
      EngramTestChild.say(outcomes.joined(separator: ", "))
    }
    try await store.close()
  }
}
