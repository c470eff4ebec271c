import Engram

/// A memory as a store shows it, compared with what a lane says of it.
enum StoredMemory {
  /// Whether a stored row is the unit vector of the text's components.
  static func matches(_ embedding: Embedding, _ text: String) -> Bool {
    let components = LaneMemory.components(of: text)
    let norm = components.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    return embedding.values.count == components.count
      && zip(embedding.values, components).allSatisfy { abs(Double($0) - Double($1) / norm) < 1e-6 }
  }

  /// What is wrong with a memory; nil if nothing is.
  static func difference(_ memory: Memory, _ embedding: Embedding?, _ expected: LaneMemory) -> String? {
    if memory.userID != expected.userID { return "belongs to '\(memory.userID)' and not to '\(expected.userID)'" }
    if memory.text != expected.text { return "has another text" }
    if memory.kind != expected.kind { return "has the kind \(memory.kind ?? "none")" }
    if memory.metadata != ["number": .integer(expected.number)] { return "has other metadata" }
    if memory.dedupeKey != expected.dedupeKey { return "has the dedupe key \(memory.dedupeKey ?? "none")" }
    if memory.expiresAt != expected.expiresAt { return "expires at \(memory.expiresAt.map { "\($0)" } ?? "no time")" }
    guard let embedding else { return expected.hasEmbedding ? "has lost its embedding" : nil }
    if !expected.hasEmbedding { return "has an embedding that it was not given" }
    return matches(embedding, expected.text) ? nil : "has another row"
  }
}
