import Foundation
import TestSupport
import Testing

@testable import Engram

/// Search by text, and the embedder that a store is pinned to.
@Suite(.serialized) struct TextSearchTests {
  private let scratch = ScratchStore()

  private struct NamedEmbedder: Embedder {
    let identity: EmbedderIdentity
    var answers = 1
    func embed(_ texts: [String]) async throws -> [Embedding] {
      let vector = Embedding((0..<identity.dimension).map { $0 == 0 ? 1 : 0 })
      return Array(repeating: vector, count: answers == 1 ? texts.count : answers)
    }
  }

  @Test func textsAreFoundByTheirWords() async throws {
    let store = try await scratch.open(embedder: HashingEmbedder())
    let texts = [
      "She loves spicy ramen with extra noodles", "The bicycle needs a new chain", "Her flight to Oslo leaves on Friday morning",
      "Guitar lessons start in September",
    ]
    for user in ["u", "v"] { try await store.add(texts.map { MemoryDraft(userID: user, text: $0) }) }
    for (query, expected) in [("ramen noodles", 0), ("bicycle chain", 1), ("when is the flight to Oslo?", 2), ("guitar lesson", 3)] {
      let found = try await store.search(query, scope: .user("u"), limit: 1)
      #expect(found.map(\.memory.text) == [texts[expected]])
      let vector = HashingEmbedder().embedding(of: query)
      let dense = try store.search(SearchQuery(embedding: vector, scope: .user("u"), limit: 1))
      #expect(try await store.search(query, scope: .user("u"), mode: .dense, limit: 1) == dense)
      #expect(try await store.search(query, scope: .all, limit: 2).map(\.memory.text) == [texts[expected], texts[expected]])
    }
    #expect(try await store.search("ramen", scope: .user("u"), threshold: 1.5).isEmpty)
    #expect(try await store.search("ramen", scope: .user("u"), filter: .kind("none")).isEmpty)
    #expect(try await store.search("ramen", scope: .user("u"), limit: 1, includesExplanation: true)[0].explanation?.rowsInScope == 4)
    #expect(await storeErrorCode { _ = try await store.search(String(repeating: "x", count: 1 << 20 + 1), scope: .all) } == .valueTooLarge)
    try await store.close()
  }

  /// Words are found without an embedder; only a dense search needs one.
  @Test func aStoreWithoutAnEmbedderSearchesByWords() async throws {
    let store = try await scratch.open(dimension: 4)
    try await store.add(["loves ramen", "rides bicycles"].map { MemoryDraft(userID: "u", text: $0, embedding: [1, 0, 0, 0]) })
    for scope in [SearchScope.user("u"), .users(["u", "v"]), .all] {
      #expect(try await store.search("Ramen!", scope: scope).map(\.memory.text) == ["loves ramen"])
      #expect(try await store.search("the zebra", scope: scope).isEmpty)
      #expect(await storeErrorCode { _ = try await store.search("ramen", scope: scope, mode: .dense) } == .embedderRequired)
    }
    #expect(await storeErrorCode { _ = try store.search(TextQuery("ramen", scope: .all, mode: .dense)) } == .embeddingRequired)
    // A vector of the wrong dimension is refused, in a hybrid search as well.
    #expect(await storeErrorCode { _ = try store.search(TextQuery("ramen", embedding: [1], scope: .all)) } == .dimensionMismatch)
    try await store.close()
    let plain = try await MemoryStore.open(at: scratch.url.deletingLastPathComponent().appendingPathComponent("plain"))
    try await plain.add(MemoryDraft(userID: "u", text: "loves ramen"))
    #expect(try await plain.search("ramen", scope: .user("u")).map(\.memory.text) == ["loves ramen"])
    #expect(await storeErrorCode { _ = try plain.search(TextQuery("ramen", embedding: [1], scope: .all)) } == .dimensionMismatch)
    try await plain.close()
  }

  @Test func anotherEmbedderIsRefusedByName() async throws {
    var store = try await scratch.open(embedder: HashingEmbedder(dimension: 64))
    #expect(try store.status.embedder == EmbedderIdentity(name: "hashing", dimension: 64, version: "1"))
    try await store.close()
    let others = [
      EmbedderIdentity(name: "other", dimension: 64, version: "1"), EmbedderIdentity(name: "hashing", dimension: 64, version: "2"),
      EmbedderIdentity(name: "hashing", dimension: 32, version: "1"),
    ]
    for identity in others {
      let error = await storeError { _ = try await scratch.open(embedder: NamedEmbedder(identity: identity)) }
      #expect(error?.code == .embedderMismatch)
      #expect(error?.message.contains("hashing, version 1, 64 dimensions") == true)
      #expect(error?.message.contains("\(identity)") == true)
    }
    store = try await scratch.open()
    #expect(try store.status.embedder?.name == "hashing")
    // Also while the store is open in this process.
    #expect(await storeErrorCode { _ = try await scratch.open(embedder: NamedEmbedder(identity: others[0])) } == .embedderMismatch)
    try await store.close()
  }

  @Test func theFirstEmbedderIsPinned() async throws {
    var store = try await scratch.open(dimension: 16)
    #expect(try store.status.embedder == nil)
    try await store.close()
    #expect(await storeErrorCode { _ = try await scratch.open(embedder: HashingEmbedder(dimension: 32)) } == .embedderMismatch)
    store = try await scratch.open(embedder: HashingEmbedder(dimension: 16))
    #expect(try store.status.embedder?.dimension == 16)
    try await store.close()
    let other = NamedEmbedder(identity: EmbedderIdentity(name: "late", dimension: 16, version: "1"))
    #expect(await storeErrorCode { _ = try await scratch.open(embedder: other) } == .embedderMismatch)
  }

  @Test func anEmbedderMustFitTheDimensionAskedFor() async throws {
    let error = await storeError { _ = try await scratch.open(dimension: 8, embedder: HashingEmbedder(dimension: 16)) }
    #expect(error?.code == .embedderMismatch)
    #expect(!FileManager.default.fileExists(atPath: scratch.url.path))
  }

  @Test func anEmbedderThatGivesTheWrongNumberOfVectorsIsRefused() async throws {
    let embedder = NamedEmbedder(identity: EmbedderIdentity(name: "short", dimension: 4, version: "1"), answers: 2)
    let store = try await scratch.open(embedder: embedder)
    #expect(
      await storeErrorCode {
        try await store.add([MemoryDraft(userID: "u", text: "a"), .init(userID: "u", text: "b"), .init(userID: "u", text: "c")])
      } == .embedderMismatch)
    #expect(await storeErrorCode { _ = try await store.search("x", scope: .all) } == .embedderMismatch)
    #expect(try store.count() == 0)
    try await store.close()
  }

  @Test func draftsWithTheirOwnEmbeddingKeepIt() async throws {
    let embedder = HashingEmbedder(dimension: 4)
    let store = try await scratch.open(embedder: embedder)
    let ids = try await store.add([
      MemoryDraft(userID: "u", text: "a"), MemoryDraft(userID: "u", text: "b", embedding: [0, 0, 0, 1]),
      MemoryDraft(userID: "u", text: "c"),
    ]).map(\.id)
    #expect(
      try ids.map { try store.embedding(of: $0, for: "u") } == [embedder.embedding(of: "a"), [0, 0, 0, 1], embedder.embedding(of: "c")])
    try await store.close()
  }
}
