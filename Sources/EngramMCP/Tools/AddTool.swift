import Engram
import Formats
import Foundation

extension Tool {
  static let add = Tool(
    name: "memory_add",
    note: "Store lasting facts, one each, that make sense on their own. Adding the same again changes nothing.",
    arguments: [
      Field(
        "memories",
        .list(
          of: .object([
            Field("text", .text(bytes: 1...262_144), required: true, not: ["content", "memory", "value", "fact", "body", "message"]),
            Field("kind", .text(bytes: 1...1024), "such as fact", not: ["type", "category"]),
            Field(
              "key", .text(bytes: 1...900), "the same key is stored once; default: the text",
              not: ["id", "dedupekey", "name", "idempotencykey"]),
            Field("session", .text(bytes: 1...1024), not: ["sessionid", "conversation", "conversationid", "thread"]),
            Field("importance", .number(0...1), not: ["priority", "weight", "score"]),
            Field("expires_in", .duration, "30m, 12h, 7d or 4w", not: ["ttl", "expires", "expiresat", "expiry", "expiration"]),
            Field("source", .text(bytes: 1...1024), not: ["origin", "url", "provenance"]),
            Field("trust", .choice(Trust.allCases.map(\.rawValue)), not: ["confidence", "certainty"]),
            Field("tags", .list(of: .text(bytes: 1...128), count: 0...32), not: ["tag", "labels", "keywords"]),
            Field("replaces", .identifier, "id of the memory it corrects", not: ["supersedes", "updates", "replace"]),
            Field(
              "combines", .list(of: .identifier, count: 2...64), "ids of memories it sums up and replaces",
              not: ["merges", "consolidates", "derivedfrom", "summarizes", "sources"]),
          ]), count: 1...50), required: true, not: ["memory", "items", "facts", "texts", "text", "content", "entries"])
    ],
    result: [
      Field(
        "memories",
        .list(
          of: .object([
            Field("id", .identifier, required: true), Field("created", .boolean(), required: true), Field("replaced", .identifier),
            Field("words_only", .boolean(), "only its words find it"),
          ]), count: 1...50), required: true)
    ],
    hints: Hints(isIdempotent: true)
  ) { arguments, call in
    let now = Date()
    let drafts = try arguments.objects("memories").map { memory in
      draft(of: memory, for: call.user, key: try DedupeKey(memory, for: call.user, in: call.store), now: now)
    }
    if let twice = repeatedKey(drafts) { throw ToolFailure("`\(twice)` is in `memories` twice: send each memory once.") }
    // A memory is not lost because the embedder fails: searches find it by its words.
    let added = try await call.store.add(drafts, onEmbeddingFailure: .keepText)
    return .object { writer in
      writer.key("memories")
      writer.beginArray()
      for (added, draft) in zip(added, drafts) {
        writer.beginObject()
        writer.key("id")
        writer.write(added.id.description)
        writer.key("created")
        writer.write(added.outcome == .added)
        if added.outcome == .added, let replaced = draft.replaces {
          writer.key("replaced")
          writer.write(replaced.description)
        }
        if !added.isEmbedded {
          writer.key("words_only")
          writer.write(true)
        }
        writer.endObject()
      }
      writer.endArray()
    }
  }

  private static func draft(of memory: Arguments, for user: String, key: DedupeKey, now: Date) -> MemoryDraft {
    MemoryDraft(
      userID: user, text: memory.text("text") ?? "", kind: memory.text("kind"), sessionID: memory.text("session"),
      importance: memory.number("importance") ?? 0.5,
      expiresAt: memory.duration("expires_in").map { now.addingTimeInterval(Double($0)) },
      dedupeKey: key.text, tags: memory.texts("tags"), source: memory.text("source"),
      trust: memory.text("trust").flatMap { Trust(rawValue: $0) },
      derivedFrom: memory.identifiers("combines"), supersedesOrigins: memory.has("combines"), replaces: memory.identifier("replaces"))
  }

  /// The text of a memory that is there twice; one of them would be reported as stored before.
  private static func repeatedKey(_ drafts: [MemoryDraft]) -> String? {
    var keys: Set<[UInt8]> = []
    for draft in drafts where !keys.insert(Array((draft.dedupeKey ?? "").utf8)).inserted { return TerminalText.excerpt(draft.text) }
    return nil
  }
}

/// The dedupe key of a memory that is added through the protocol.
///
/// It begins with `mcp:`, so a key that a model makes up cannot be one that the application uses.
struct DedupeKey: Sendable {
  let text: String

  /// The key that the client chose. If it chose none, the text decides: the same text is stored once, as long as a search can find it.
  ///
  /// A memory keeps its key if its text is changed, or if it is replaced. Its first text is not remembered any more then, and may be added again,
  /// with a key of its own.
  init(_ memory: Arguments, for user: String, in store: MemoryStore) throws {
    if let name = memory.text("key") {
      text = "mcp:key:" + name
      return
    }
    let wanted = memory.text("text") ?? ""
    let hash = "mcp:text:" + String(Self.hash(wanted.utf8), radix: 16)
    var (key, number) = (hash, 1)
    while let other = try store.memory(dedupeKey: key, for: user),
      other.supersededBy != nil || !other.text.utf8.elementsEqual(wanted.utf8)
    {
      number += 1
      key = "\(hash):\(number)"
    }
    text = key
  }

  /// FNV-1a of 128 bits (Fowler, Noll, Vo): texts that are equal byte by byte, and practically no others, have the same one, in every process.
  static func hash(_ bytes: String.UTF8View) -> UInt128 {
    var hash: UInt128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d
    for byte in bytes { hash = (hash ^ UInt128(byte)) &* 0x0000_0000_0100_0000_0000_0000_0000_013B }
    return hash
  }
}
