import Engram
import Foundation
import TestSupport

/// The content that a memory of a lane must have.
struct LaneMemory: Hashable, Sendable {
  var userID: String
  var text: String
  var caption: String?
  var speaker: String?
  var sessionID: String?
  var kind: String?
  var number: Int64
  var hasEmbedding: Bool
  var dedupeKey: String?
  var expiresAt: Date?
  /// The memory of the same user that it replaces, and the one that has replaced it.
  var replaces: MemoryID?
  var supersededBy: MemoryID?
  var version = 1

  /// The memory with a dedupe key, so that a second attempt to add it changes nothing.
  var withDedupeKey: LaneMemory {
    var memory = self
    memory.dedupeKey = "key \(number)"
    return memory
  }

  func with(embedding: Bool) -> LaneMemory {
    var memory = self
    memory.hasEmbedding = embedding
    return memory
  }

  /// This memory with the fields of another one that an update leaves as they are.
  func keeping(_ other: LaneMemory) -> LaneMemory {
    var memory = self
    (memory.dedupeKey, memory.expiresAt) = (other.dedupeKey, other.expiresAt)
    // Without an embedding it is added anew, because an update is not possible.
    if hasEmbedding { (memory.replaces, memory.supersededBy, memory.version) = (other.replaces, other.supersededBy, other.version + 1) }
    return memory
  }

  /// This memory with the kind and the session of another one.
  func labeled(as other: LaneMemory) -> LaneMemory {
    var memory = self
    (memory.kind, memory.sessionID, memory.version) = (other.kind, other.sessionID, version + 1)
    return memory
  }

  /// This memory as the next version of another one, whose row is made again if the text differs.
  func following(_ other: LaneMemory) -> LaneMemory {
    var memory = self
    (memory.version, memory.hasEmbedding) = (other.version + 1, other.hasEmbedding)
    return memory
  }

  /// This memory after another one has replaced it.
  func superseded(by id: MemoryID) -> LaneMemory {
    var memory = self
    (memory.supersededBy, memory.version) = (id, version + 1)
    return memory
  }

  /// The words that no other text has.
  var ownWords: [String] { LaneText.ownWords(text) + (caption.map { LaneText.ownWords($0) } ?? []) }

  // MARK: Embedding

  /// The text that the store gives its embedder: FileFormat.md has the template.
  var embedded: String { Self.embedded(text, speaker: speaker, caption: caption) }

  static func embedded(_ text: String, speaker: String?, caption: String?) -> String {
    (speaker.map { "\($0): " } ?? "") + text + (caption.map { " [shares \($0)]" } ?? "")
  }

  func embedding(_ dimension: Int) -> Embedding { Embedding(Self.components(of: embedded, dimension)) }

  /// The components of a text's embedding: a function of the text, so that a row of another memory is detected.
  static func components(of text: String, _ dimension: Int = Lane.dimension) -> [Float] {
    var generator = SeededGenerator(seed: Lane.hash(text) ^ UInt64(dimension - Lane.dimension))
    return (0..<dimension).map { _ in Float(Int8(truncatingIfNeeded: generator.next())) + 0.5 }
  }
}

/// Makes texts of common words, and of words that only one text has: these begin with `own`.
enum LaneText {
  private static let common = [
    "garden", "violin", "harbor", "winter", "cousin", "bicycle", "marathon", "pottery", "ramen", "museum", "the", "and", "walked", "likes",
  ]
  private static let marks = [".", "!", "?", "-", "+", "*", "~"]

  static func random(_ generator: inout SeededGenerator) -> String {
    // A text without any word.
    if generator.chance(percent: 10) { return (0..<24).map { _ in marks[Int.random(in: marks.indices, using: &generator)] }.joined() }
    let isLong = generator.chance(percent: 5)
    let length = isLong ? Int.random(in: 3000..<9000, using: &generator) : Int.random(in: 20..<80, using: &generator)
    var words = [own(&generator)]
    var count = words[0].utf8.count
    while count < length {
      // Long texts have many words, so that records of words are split.
      words.append(isLong ? "w\(String(generator.next(), radix: 36))" : common[Int.random(in: common.indices, using: &generator)])
      count += words[words.count - 1].utf8.count + 1
    }
    return words.shuffled(using: &generator).joined(separator: " ") + (generator.chance(percent: 25) ? "?" : "")
  }

  static func caption(_ generator: inout SeededGenerator) -> String { "a picture of \(own(&generator))" }

  private static func own(_ generator: inout SeededGenerator) -> String { "own\(String(generator.next(), radix: 36))" }

  static func ownWords(_ text: String) -> [String] {
    text.split(whereSeparator: { $0 == " " || $0 == "?" }).filter { $0.hasPrefix("own") }.map(String.init)
  }
}
