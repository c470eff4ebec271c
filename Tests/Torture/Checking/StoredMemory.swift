import Engram

/// Compares a memory of a store with the memory that a lane expects.
enum StoredMemory {
  /// Whether a stored row is the unit vector that the lanes' embedder of its dimension makes of the memory.
  static func matches(_ embedding: Embedding, _ memory: Memory) -> Bool {
    let dimension = embedding.values.count
    guard dimension == Lane.dimension || dimension == Lane.otherDimension else { return false }
    let components = LaneMemory.components(
      of: LaneMemory.embedded(memory.text, speaker: memory.speaker, caption: memory.caption), dimension)
    let norm = components.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    return zip(embedding.values, components).allSatisfy { abs(Double($0) - Double($1) / norm) < 1e-6 }
  }

  /// What is wrong with a memory; nil if nothing is.
  ///
  /// - Parameter mayBeEmbedded: Whether it may have an embedding even if it was given none.
  static func difference(
    _ memory: Memory, _ embedding: Embedding?, _ expected: LaneMemory, mayBeEmbedded: Bool = false
  ) -> String? {
    if let difference = difference(memory, expected) { return difference }
    guard let embedding else { return expected.hasEmbedding ? "has lost its embedding" : nil }
    if !expected.hasEmbedding, !mayBeEmbedded { return "has an embedding that it was not given" }
    return matches(embedding, memory) ? nil : "has another row"
  }

  /// What is wrong with the fields of a memory, without its embedding; nil if nothing is.
  static func difference(_ memory: Memory, _ expected: LaneMemory) -> String? {
    if memory.userID != expected.userID { return "belongs to '\(memory.userID)' and not to '\(expected.userID)'" }
    if memory.text != expected.text { return "has another text" }
    if memory.caption != expected.caption { return "has the caption \(memory.caption ?? "none")" }
    if memory.speaker != expected.speaker { return "has the speaker \(memory.speaker ?? "none")" }
    if memory.sessionID != expected.sessionID { return "has the session \(memory.sessionID ?? "none")" }
    if memory.kind != expected.kind { return "has the kind \(memory.kind ?? "none")" }
    if memory.metadata != ["number": .integer(expected.number)] { return "has other metadata" }
    if memory.dedupeKey != expected.dedupeKey { return "has the dedupe key \(memory.dedupeKey ?? "none")" }
    if memory.expiresAt != expected.expiresAt { return "expires at \(memory.expiresAt.map { "\($0)" } ?? "no time")" }
    if memory.replaces != expected.replaces { return "takes the place of \(memory.replaces.map { "\($0)" } ?? "none")" }
    if memory.supersededBy != expected.supersededBy { return "was replaced by \(memory.supersededBy.map { "\($0)" } ?? "none")" }
    return memory.version == expected.version ? nil : "is version \(memory.version) and not \(expected.version)"
  }
}
