import Foundation
import TestSupport
import Testing

@testable import Engram

/// Drafts without a vector in a store that has an embedder.
@Suite struct TextOnlyTests {
  private let directory = TemporaryDirectory()

  private func open(_ embedder: (any Embedder)?) async throws -> MemoryStore {
    try await MemoryStore.open(at: URL(fileURLWithPath: directory.path("store")), options: StoreOptions(embedder: embedder))
  }

  /// The bug: `write { transaction.add(…) }` silently stored a memory that no search finds, because no embedder is called inside a write.
  /// The fix: such a draft must say that it wants no vector; otherwise it is refused.
  @Test func aDraftWithoutAVectorIsRefusedInsideAWriteUnlessItSaysSo() async throws {
    let store = try await open(HashingEmbedder(dimension: 64))
    let plain = MemoryDraft(userID: "ada", text: "loves ramen")
    for body in [{ _ = try $0.add(plain) }, { _ = try $0.add([plain]) }] as [@Sendable (inout WriteTransaction) throws -> Void] {
      await expectCode(.embeddingRequired) { try await store.write { try body(&$0) } }
    }
    #expect(try store.count() == 0)
    var textOnly = plain
    textOnly.isTextOnly = true
    let draft = textOnly
    let id = try await store.write { try $0.add(draft).id }
    #expect(try store.memory(id, for: "ada")?.text == "loves ramen" && store.embedding(of: id, for: "ada") == nil)
    let vector = try await HashingEmbedder(dimension: 64).embed("loves ramen")
    let given = try await store.write { try $0.add(MemoryDraft(userID: "ada", text: "loves ramen", embedding: vector)).id }
    #expect(try store.embedding(of: given, for: "ada") != nil)
    try await store.close()
    // A handle without the embedder refuses the draft as well, because the store is pinned to the embedder.
    let bare = try await open(nil)
    await expectCode(.embeddingRequired) { try await bare.write { _ = try $0.add(plain) } }
    try await bare.close()
  }

  @Test func theStoresOwnAddEmbedsUnlessTheDraftIsTextOnly() async throws {
    let store = try await open(HashingEmbedder(dimension: 64))
    let ids = try await store.add([
      MemoryDraft(userID: "ada", text: "loves ramen"), MemoryDraft(userID: "ada", text: "loves ramen", isTextOnly: true),
    ]).map(\.id)
    #expect(try store.embedding(of: ids[0], for: "ada") != nil && store.embedding(of: ids[1], for: "ada") == nil)
    let similar = try await store.search("ramen", scope: .user("ada"), mode: .dense)
    #expect(similar.map(\.memory.id) == [ids[0]])
    // A search by words still finds it.
    let hits = try await store.search("ramen", scope: .user("ada"))
    #expect(hits.map(\.memory.id) == ids)
    try await store.close()
  }

  @Test func aStoreWithoutAnEmbedderTakesBoth() async throws {
    let store = try await open(nil)
    let plain = MemoryDraft(userID: "ada", text: "loves ramen")
    try await store.write { _ = try $0.add(plain) }
    #expect(try store.count() == 1)
    try await store.close()
  }

  /// The bug: `print(receipt)` printed a page of nested fields.
  @Test func aPrintedReceiptIsAFewLines() async throws {
    let store = try await open(HashingEmbedder(dimension: 64))
    let untouched = try await store.forget(userID: "nobody")
    #expect(
      !untouched.isRebuilt && untouched.hadNoRecords && "\(untouched)".hasPrefix("erased user nobody: no records; nothing to rebuild\n"))
    #expect(untouched.generation == 1)
    try await store.add((0..<30).map { MemoryDraft(userID: "ada", text: "said by ada at some length, number \($0)") })
    let receipt = try await store.forget(userID: "ada", verifiesErasure: true)
    let lines = "\(receipt)".split(separator: "\n")
    #expect(lines.first == "erased user ada: 30 memories, 30 embeddings, 0 contexts, 0 earlier versions")
    #expect(lines.count == 3 && lines[2].hasPrefix("searched for in the files: before, ") && lines[2].contains("; after, nothing in "))
    #expect(lines.allSatisfy { $0.count < 200 }, "\(receipt)")
    let again = try await store.forget(userID: "ada")
    #expect("\(again)".hasPrefix("erased user ada: no records; "))
    try await store.close()
  }
}
