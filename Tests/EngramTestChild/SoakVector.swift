import Engram

/// Memories whose embeddings are computed from their texts, so that a reader can check one against the other.
enum SoakVector {
  static func draft(user: String, number: Int) -> MemoryDraft {
    let text = "\(user)/\(number)"
    return MemoryDraft(userID: user, text: text, embedding: Embedding(components(of: text)))
  }

  /// Eight components, a function of the text.
  static func components(of text: String) -> [Float] {
    // FNV-1a.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return (0..<8).map { Float(Int8(truncatingIfNeeded: hash >> ($0 * 8))) + 0.5 }
  }

  /// Whether `stored` is the unit vector of the text's components.
  static func matches(_ stored: Embedding, _ text: String) -> Bool {
    let components = components(of: text)
    let norm = components.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    return stored.values.count == 8 && zip(stored.values, components).allSatisfy { abs(Double($0) - Double($1) / norm) < 1e-6 }
  }
}
