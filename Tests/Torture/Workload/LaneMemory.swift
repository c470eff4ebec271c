import Engram
import Foundation
import TestSupport

/// What a memory of a lane must look like.
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
  /// A memory of the same user whose place it takes, and one that has taken its place.
  var replaces: MemoryID?
  var supersededBy: MemoryID?
  var version = 1

  /// A second attempt to add it changes nothing.
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

  /// With what an update of the other memory leaves as it is.
  func keeping(_ other: LaneMemory) -> LaneMemory {
    var memory = self
    (memory.dedupeKey, memory.expiresAt) = (other.dedupeKey, other.expiresAt)
    // Added anew where an update is not possible.
    if hasEmbedding { (memory.replaces, memory.supersededBy, memory.version) = (other.replaces, other.supersededBy, other.version + 1) }
    return memory
  }

  /// With the kind and the session of another memory.
  func labeled(as other: LaneMemory) -> LaneMemory {
    var memory = self
    (memory.kind, memory.sessionID, memory.version) = (other.kind, other.sessionID, version + 1)
    return memory
  }

  /// As the next version of another memory, whose row goes if the text is another one and comes anew.
  func following(_ other: LaneMemory) -> LaneMemory {
    var memory = self
    (memory.version, memory.hasEmbedding) = (other.version + 1, other.hasEmbedding)
    return memory
  }

  /// As another memory that takes its place leaves it.
  func superseded(by id: MemoryID) -> LaneMemory {
    var memory = self
    (memory.supersededBy, memory.version) = (id, version + 1)
    return memory
  }

  /// The words that no other text has.
  var ownWords: [String] { LaneText.ownWords(text) + (caption.map { LaneText.ownWords($0) } ?? []) }

  // MARK: Embedding

  /// What the store gives its embedder: Architecture.md has the template.
  var embedded: String { Self.embedded(text, speaker: speaker, caption: caption) }

  static func embedded(_ text: String, speaker: String?, caption: String?) -> String {
    (speaker.map { "\($0): " } ?? "") + text + (caption.map { " [shares \($0)]" } ?? "")
  }

  func embedding(_ dimension: Int) -> Embedding { Embedding(Self.components(of: embedded, dimension)) }

  /// A function of the text, so that a row of another memory is seen.
  static func components(of text: String, _ dimension: Int = Lane.dimension) -> [Float] {
    var generator = SeededGenerator(seed: Lane.hash(text) ^ UInt64(dimension - Lane.dimension))
    return (0..<dimension).map { _ in Float(Int8(truncatingIfNeeded: generator.next())) + 0.5 }
  }
}

/// Texts of words that all of them share, and of words that only one text has: these begin with `own`.
enum LaneText {
  private static let common = [
    "garden", "violin", "harbor", "winter", "cousin", "bicycle", "marathon", "pottery", "ramen", "museum", "the", "and", "walked", "likes",
  ]
  private static let marks = [".", "!", "?", "-", "+", "*", "~"]

  static func random(_ generator: inout SeededGenerator) -> String {
    // Without any word.
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
