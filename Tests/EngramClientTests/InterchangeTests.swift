import Engram
import Foundation
import TestSupport
import Testing

/// The page about the exchange format lists exactly the keys of an export.
@Suite struct InterchangeTests {
  private let directory = TemporaryDirectory()

  private func exported() async throws -> [[String: Any]] {
    let url = URL(fileURLWithPath: directory.path("bot.memory"))
    let store = try await MemoryStore.open(at: url, options: StoreOptions(embedder: HashingEmbedder(dimension: 8)))
    try await store.put(UserContext(userID: "ada"))
    try await store.putContext(json: Array(#"{"score":1.5}"#.utf8), as: "Mood", for: "ada", schema: 2)
    let replaced = try await store.add(MemoryDraft(userID: "ada", text: "loves soup")).id
    let id = try await store.add(
      MemoryDraft(
        userID: "ada", text: "loves ramen", kind: "preference", sessionID: "s", speaker: "ada", importance: 0.75,
        expiresAt: Date(timeIntervalSinceNow: 3600), dedupeKey: "ramen", metadata: ["food": .string("ramen")], tags: ["food"],
        caption: "a bowl", validFrom: Date(timeIntervalSince1970: 1), validUntil: Date(timeIntervalSince1970: 2), source: "chat",
        trust: .high,
        derivedFrom: [replaced], replaces: replaced)
    ).id
    try await store.delete(replaced, for: "ada")
    try await store.update(id, for: "ada") { $0.with(supersededBy: MemoryID()) }
    let file = URL(fileURLWithPath: directory.path("all.jsonl"))
    try await store.export(to: file)
    try await store.close()
    return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
  }

  /// The keys in the first column of the table under a heading of the page.
  private func documented(_ heading: String) throws -> [String] {
    let page = try String(
      contentsOf: Pages.root.appending(path: "Sources/Engram/Documentation.docc/Interchange.md"), encoding: .utf8)
    let section = try #require(page.components(separatedBy: "## \(heading)\n").dropFirst().first?.components(separatedBy: "\n## ")[0])
    return section.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { String($0.dropFirst(3).prefix { $0 != "`" }) }
  }

  @Test func everyKeyOfAnExportIsOnThePageAndTheOtherWayRound() async throws {
    let lines = try await exported()
    #expect(lines.map { $0["type"] as? String } == ["store", "context", "context", "memory"])
    for (heading, type) in [("The store line", "store"), ("A context", "context"), ("A memory", "memory")] {
      var keys: Set<String> = []
      for line in lines where line["type"] as? String == type { keys.formUnion(line.keys) }
      #expect(try Set(documented(heading)) == keys, "\(heading)")
    }
  }

  /// If a field were null, a key that is not written would go unnoticed.
  @Test func everyFieldOfTheMemoryIsSet() async throws {
    let memory = try #require(try await exported().last)
    for (key, value) in memory { #expect(!(value is NSNull), "\(key)") }
  }

  /// The `json` of a memory has the keys of its line except the type and the embedding.
  @Test func theJSONOfAMemoryHasTheKeysOfItsLine() async throws {
    let line = try #require(try await exported().last)
    let store = try await MemoryStore.open(at: URL(fileURLWithPath: directory.path("bot.memory")))
    let memory = try #require(try store.memories(for: "ada").first)
    let object = try #require(try JSONSerialization.jsonObject(with: Data(memory.json.utf8)) as? [String: Any])
    #expect(Set(object.keys) == Set(line.keys).subtracting(["type", "embedding"]))
    try await store.close()
  }
}
