import Engram

/// Memories with embeddings of 4 KiB: a hundred of them are more rows than a batch writes on the thread of the writer.
enum ManyRows {
  static let dimension = 1024

  static func drafts(_ count: Int, from first: Int = 0) -> [MemoryDraft] {
    (first..<first + count).map { number in
      MemoryDraft(userID: "u\(number % 3)", text: "memory \(number)", embedding: embedding(number))
    }
  }

  /// Of unit length.
  static func embedding(_ number: Int) -> Embedding {
    var components = [Float](repeating: 0, count: dimension)
    components[number % dimension] = 1
    return Embedding(components)
  }
}
