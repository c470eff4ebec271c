import Engram
import Foundation

/// Memories that a lane adds by their texts, in one call of the store: the store's embedder makes their embeddings.
struct Arrival: Sendable {
  struct Entry: Sendable {
    let id: MemoryID
    let memory: LaneMemory
  }

  /// Whether they are imported as lines of a file; otherwise they are added as drafts.
  let isImport: Bool
  let memories: [Entry]

  /// How violations name it.
  var name: String { isImport ? "imported" : "added by text" }

  /// Adds the memories that do not exist yet: those that a killed process, or a failed attempt, has left are skipped.
  ///
  /// - Returns: What is wrong with the store's report; nil if nothing is.
  func add(to store: MemoryStore, _ embedder: LaneEmbedder) async throws -> String? {
    if isImport {
      // Outside of the case's directory, so that calls on this file do not count as calls on the store.
      var texts = [Array(lines.utf8)]
      let source = try ImportSource(name: "lane", temporaryDirectory: NSTemporaryDirectory(), spooling: { texts.popLast() })
      let summary = try await store.importLines(from: [source], ImportOptions(onConflict: .skip), embedder: embedder)
      let isAllOrNone = [summary.memories, summary.skipped].sorted() == [0, memories.count]
      return isAllOrNone ? nil : "an import of \(memories.count) memories made \(summary.memories) and passed over \(summary.skipped)"
    }
    let ids = try await store.add(memories.map { $0.memory.draft($0.id, embedding: nil) }).map(\.id)
    return ids == memories.map(\.id) ? nil : "memories that were added by text have other ids"
  }

  /// The lines of the import. If a line has no key `embedding`, the embedder makes the embedding.
  private var lines: String {
    memories.map { entry in
      let memory = entry.memory
      let fields = [
        "\"type\":\"memory\",\"id\":\"\(entry.id)\",\"userID\":\"\(memory.userID)\",\"text\":\"\(memory.text)\"",
        memory.caption.map { "\"caption\":\"\($0)\"" }, memory.speaker.map { "\"speaker\":\"\($0)\"" },
        memory.sessionID.map { "\"sessionID\":\"\($0)\"" }, memory.kind.map { "\"kind\":\"\($0)\"" },
        memory.dedupeKey.map { "\"dedupeKey\":\"\($0)\"" },
        memory.expiresAt.map { "\"expiresAt\":\"\($0.formatted(.iso8601))\"" }, memory.hasEmbedding ? nil : "\"embedding\":null",
        "\"metadata\":{\"number\":\(memory.number)}",
      ]
      return "{\(fields.compactMap { $0 }.joined(separator: ","))}\n"
    }.joined()
  }
}

/// Embeds a text as the oracle does.
struct LaneEmbedder: Embedder {
  var dimension = Lane.dimension
  /// The pause before each answer, in which others write.
  var pauseMilliseconds = 0
  var identity: EmbedderIdentity { EmbedderIdentity(name: "lane", dimension: dimension, version: "1") }

  /// The embedder that a store moves to from this one.
  var other: LaneEmbedder { LaneEmbedder(dimension: dimension == Lane.dimension ? Lane.otherDimension : Lane.dimension) }

  func embed(_ texts: [String]) async throws -> [Embedding] {
    if pauseMilliseconds > 0 { try await Task.sleep(for: .milliseconds(pauseMilliseconds)) }
    return texts.map { Embedding(LaneMemory.components(of: $0, dimension)) }
  }
}

extension LaneMemory {
  /// - Parameter embedding: Nil if the store's embedder is to make it. Not used if the memory has none.
  func draft(_ id: MemoryID?, embedding: Embedding?) -> MemoryDraft {
    MemoryDraft(
      userID: userID, text: text, embedding: hasEmbedding ? embedding : nil, kind: kind, sessionID: sessionID, speaker: speaker,
      expiresAt: expiresAt, dedupeKey: dedupeKey, metadata: ["number": .integer(number)], caption: caption, replaces: replaces, id: id,
      isTextOnly: !hasEmbedding)
  }
}
