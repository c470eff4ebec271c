import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Engram

/// Lookups by dedupe key, and memories that are added or replaced by it.
@Suite(.serialized) struct UpsertTests {
  private let scratch = ScratchStore()

  @Test func aMemoryIsFoundByItsKey() async throws {
    let store = try await scratch.open(dimension: 2)
    let past = Date(timeIntervalSince1970: 1)
    let id = try await store.add(MemoryDraft(userID: "u", text: "mine", dedupeKey: "\u{E9}")).id
    try await store.add(MemoryDraft(userID: "v", text: "another", dedupeKey: "w"))
    let inTransaction = try await store.write { transaction in
      try transaction.add(MemoryDraft(userID: "u", text: "gone", expiresAt: past, dedupeKey: "old"))
      return try [
        transaction.memory(dedupeKey: "\u{E9}", for: "u")?.id, transaction.memory(dedupeKey: "old", for: "u")?.id,
        transaction.memory(dedupeKey: "w", for: "u")?.id,
      ]
    }
    #expect(inTransaction == [id, nil, nil])
    #expect(try store.memory(dedupeKey: "\u{E9}", for: "u")?.text == "mine")
    #expect(try store.read { try $0.memory(dedupeKey: "\u{E9}", for: "u")?.id } == id)
    for (key, user) in [("e\u{301}", "u"), ("\u{E9}", "v"), ("w", "u"), ("old", "u"), ("", "u")] {
      #expect(try store.memory(dedupeKey: key, for: user) == nil, "\(key) \(user)")
    }
    await expectCode(.invalidUserID) { _ = try store.memory(dedupeKey: "k", for: "") }
    await expectCode(.valueTooLarge) { _ = try store.memory(dedupeKey: String(repeating: "k", count: 1025), for: "u") }
    try await store.delete(id, for: "u")
    #expect(try store.memory(dedupeKey: "\u{E9}", for: "u") == nil)
    try await store.close()
  }

  @Test func anUpsertReplacesAllButTheIDAndTheTime() async throws {
    let store = try await scratch.open(dimension: 2)
    let created = Date(timeIntervalSince1970: 1_000)
    let first = try await store.upsert(
      MemoryDraft(
        userID: "u", text: "old", embedding: [1, 0], kind: "fact", sessionID: "s", speaker: "Ada", createdAt: created, importance: 1,
        expiresAt: Date(timeIntervalSince1970: 5e9), dedupeKey: "k", metadata: ["a": 1]))
    #expect(first.outcome == .added && first.isEmbedded)
    let draft = MemoryDraft(
      userID: "u", text: "new", embedding: [0, 1], kind: "plan", createdAt: Date(timeIntervalSince1970: 9), dedupeKey: "k",
      metadata: ["b": 2],
      id: MemoryID())
    let second = try await store.upsert(draft)
    #expect(second == Added(id: first.id, outcome: .updated, isEmbedded: true))
    let memory = try #require(try store.memory(first.id, for: "u"))
    #expect(
      memory.text == "new" && memory.kind == "plan" && memory.sessionID == nil && memory.speaker == nil && memory.createdAt == created)
    #expect(memory.importance == 0.5 && memory.expiresAt == nil && memory.metadata == ["b": 2] && memory.dedupeKey == "k")
    #expect(try store.embedding(of: first.id, for: "u") == [0, 1])
    #expect(try store.search(SearchQuery(embedding: [0, 1], scope: .user("u"), filter: .kind("plan"))).map(\.memory.id) == [first.id])
    #expect(try store.search(SearchQuery(embedding: [0, 1], scope: .user("u"), filter: .kind("fact"))).isEmpty)
    // Each user has keys of its own.
    #expect(try await store.upsert(MemoryDraft(userID: "v", text: "x", dedupeKey: "k")).outcome == .added)
    #expect(try store.count() == 2 && store.status.rowsLive == 1)
    await expectCode(.invalidArgument) { try await store.upsert(MemoryDraft(userID: "u", text: "no key")) }
    await expectCode(.dimensionMismatch) { try await store.upsert(MemoryDraft(userID: "u", text: "x", embedding: [1], dedupeKey: "k")) }
    await expectCode(.invalidArgument) { try await store.upsert(MemoryDraft(userID: "u", text: "x", importance: 2, dedupeKey: "k")) }
    #expect(try store.memory(first.id, for: "u") == memory)
    #expect(try await store.verify(deep: true).isIntact)
    try await store.close()
  }

  /// Without a new embedding the old one is kept if the text is the same, and removed if the text changes or the draft wants none.
  @Test func theEmbeddingFollowsTheText() async throws {
    let store = try await scratch.open(dimension: 2)
    func draft(_ text: String, _ embedding: Embedding? = nil, textOnly: Bool = false) -> MemoryDraft {
      MemoryDraft(userID: "u", text: text, embedding: embedding, kind: "\(text.count)", dedupeKey: "k", isTextOnly: textOnly)
    }
    let id = try await store.upsert(draft("one", [1, 0])).id
    let steps: [(MemoryDraft, Embedding?)] = [
      (draft("one"), [1, 0]), (draft("two"), nil), (draft("two"), nil), (draft("two", [0, 1]), [0, 1]), (draft("two", textOnly: true), nil),
      (draft("three", [1, 0]), [1, 0]), (draft("three", [0, 1]), [0, 1]),
    ]
    for (index, (draft, expected)) in steps.enumerated() {
      let upserted = index % 2 == 0 ? try await store.upsert(draft) : try await store.write { try $0.upsert(draft) }
      #expect(upserted == Added(id: id, outcome: .updated, isEmbedded: expected != nil), "\(index)")
      #expect(try store.embedding(of: id, for: "u") == expected, "\(index)")
      #expect(try store.memory(id, for: "u")?.kind == draft.kind)
      #expect(try store.users().map(\.embeddings) == [expected == nil ? 0 : 1])
    }
    _ = try StoreContents(store)
    #expect(try await store.verify(deep: true).isIntact)
    try await store.close()
  }

  @Test func expiredMemoriesAndDraftsCountAsElsewhere() async throws {
    let store = try await scratch.open(dimension: 2)
    let past = Date(timeIntervalSince1970: 1)
    let outcomes = try await store.write { transaction in
      let gone = try transaction.upsert(MemoryDraft(userID: "u", text: "gone", embedding: [1, 0], expiresAt: past, dedupeKey: "k"))
      let fresh = try transaction.upsert(MemoryDraft(userID: "u", text: "fresh", embedding: [1, 0], dedupeKey: "k"))
      let ended = try transaction.upsert(MemoryDraft(userID: "u", text: "ended", embedding: [1, 0], expiresAt: past, dedupeKey: "k"))
      return [gone, fresh, ended]
    }
    #expect(outcomes.map(\.outcome) == [.expired, .added, .expired])
    #expect(outcomes[0].id != outcomes[1].id && outcomes[1].id == outcomes[2].id)
    #expect(try store.count() == 0)
    try await store.close()
  }

  private final class SwitchedEmbedder: Embedder {
    let identity = EmbedderIdentity(name: "switched", dimension: 2, version: "1")
    let isBroken = Atomic(false)
    struct Failure: Error {}

    func embed(_ texts: [String]) async throws -> [Embedding] {
      if isBroken.load(ordering: .relaxed) { throw Failure() }
      return texts.map { [Float($0.utf8.count), 1] }
    }
  }

  @Test func anEmbedderEmbedsTheNewTextAndMayFail() async throws {
    let embedder = SwitchedEmbedder()
    let store = try await scratch.open(embedder: embedder)
    func draft(_ text: String) -> MemoryDraft { MemoryDraft(userID: "u", text: text, dedupeKey: "k") }
    let id = try await store.upsert(draft("a")).id
    #expect(try await store.upsert(draft("abc")).isEmbedded)
    let embedding = try #require(try store.embedding(of: id, for: "u"))
    #expect(abs(embedding.values[0] / embedding.values[1] - 3) < 1e-5)
    // No embedder is called inside a write.
    await expectCode(.embeddingRequired) {
      try await store.write { _ = try $0.upsert(MemoryDraft(userID: "u", text: "b", dedupeKey: "k")) }
    }
    embedder.isBroken.store(true, ordering: .relaxed)
    await #expect(throws: SwitchedEmbedder.Failure.self) { try await store.upsert(draft("other")) }
    #expect(try store.memory(id, for: "u")?.text == "abc")
    // The same text keeps its embedding; another text has none.
    #expect(try await store.upsert(draft("abc"), onEmbeddingFailure: .keepText) == Added(id: id, outcome: .updated, isEmbedded: true))
    #expect(try store.embedding(of: id, for: "u") == embedding)
    #expect(try await store.upsert(draft("other"), onEmbeddingFailure: .keepText) == Added(id: id, outcome: .updated, isEmbedded: false))
    #expect(try store.embedding(of: id, for: "u") == nil && store.memory(id, for: "u")?.text == "other")
    try await store.close()
  }
}
