import Engram
import Foundation

/// Memories for a store: real embeddings and their texts, or random unit vectors of the same shape.
struct LifecycleData {
  static let dimension = 384
  /// Instants at which memories were created, so that the order of time is known.
  private static let epoch = Date(timeIntervalSince1970: 1_767_225_600)

  let embeddings: [Embedding]
  let texts: [String]
  let isReal: Bool

  /// Makes `count` random unit vectors, the same each time.
  init(count: Int) {
    var generator = Generator(state: 11)
    embeddings = (0..<count).map { _ in Self.randomEmbedding(&generator) }
    texts = (0..<count).map { "memory number \($0): something that was said on an ordinary day" }
    isReal = false
  }

  /// - Parameters:
  ///   - vectors: A .npy of float16, one row per memory.
  ///   - texts: A gzipped text with one line per memory.
  init(vectors: String, texts: String) throws {
    let file = try Data(contentsOf: URL(fileURLWithPath: vectors))
    let start = 10 + Int(file[8]) + Int(file[9]) << 8
    let header = String(decoding: file[10..<start], as: UTF8.self)
    guard header.contains("'<f2'"), header.contains(", \(Self.dimension))") else {
      throw LifecycleFailure(message: "\(vectors) is not a .npy of float16 with \(Self.dimension) columns")
    }
    let rowBytes = Self.dimension * 2
    embeddings = stride(from: start, to: file.count, by: rowBytes).map { offset in
      Embedding(
        (0..<Self.dimension).map { column in
          let place = offset + column * 2
          return Float(Float16(bitPattern: UInt16(file[place]) | UInt16(file[place + 1]) << 8))
        })
    }
    let (unpacked, pipe) = (Process(), Pipe())
    unpacked.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    unpacked.arguments = ["gzip", "-dc", texts]
    unpacked.standardOutput = pipe
    try unpacked.run()
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    self.texts = text.split(separator: "\n", omittingEmptySubsequences: false).prefix(embeddings.count).map(String.init)
    guard self.texts.count == embeddings.count else {
      throw LifecycleFailure(message: "\(self.texts.count) texts for \(embeddings.count) vectors")
    }
    isReal = true
  }

  static func randomEmbedding(_ generator: inout Generator) -> Embedding {
    Embedding((0..<dimension).map { _ in Float.random(in: -1...1, using: &generator) })
  }

  /// Adds everything, and a context with some history for every user.
  func fill(_ store: MemoryStore, users: Int) async throws {
    for start in stride(from: 0, to: embeddings.count, by: 1000) {
      _ = try await store.add((start..<min(start + 1000, embeddings.count)).map { draft($0, users) })
    }
    for round in 0..<3 {
      try await store.write { transaction in
        for user in 0..<users {
          _ = try transaction.updateContext(
            for: "user-\(user)", message: "Question \(round) of user number \(user)?", response: "Answer \(round) to user number \(user).")
        }
      }
    }
  }

  private func draft(_ index: Int, _ users: Int) -> MemoryDraft {
    MemoryDraft(
      userID: "user-\(index % users)", text: texts[index].isEmpty ? "(empty)" : texts[index], embedding: embeddings[index],
      kind: "description", createdAt: Self.epoch.addingTimeInterval(Double(index)))
  }
}
