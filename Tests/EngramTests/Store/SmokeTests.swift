import Foundation
import Testing

@testable import Engram

@Suite struct SmokeTests {
  @Test func contextsMemoriesAndSearchWorkEndToEnd() async throws {
    let place = TestStore()
    let directory = place.url
    let store = try await MemoryStore.open(at: directory, options: StoreOptions(dimension: 4, metric: .dot))
    #expect(try store.context(for: "u") == nil)
    let context = try await store.updateContext(for: "u", message: "Hi", response: "Hello!")
    #expect(context.conversationsCount == 1)
    #expect(try store.context(for: "u") == context)
    let ids = try await store.add(
      (0..<500).map { MemoryDraft(userID: "u\($0 % 3)", text: "m\($0)", embedding: Embedding([Float($0), 1, 2, 3])) }
    ).map(\.id)
    #expect(try store.count() == 500)
    let hits = try store.search(SearchQuery(embedding: [500, 1, 2, 3], scope: .user("u1"), limit: 3, includesExplanation: true))
    #expect(hits.map(\.memory.text) == ["m499", "m496", "m493"])
    #expect(hits[0].memory.userID == "u1")
    #expect(try await store.delete(ids[499], for: "u1"))
    #expect(try store.search(SearchQuery(embedding: [500, 1, 2, 3], scope: .user("u1"), limit: 1))[0].memory.text == "m496")
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<100 {
        group.addTask { _ = try? await store.updateContext(for: "c") { $0.with(conversationsCount: $0.conversationsCount + 1) } }
      }
    }
    #expect(try store.context(for: "c")?.conversationsCount == 100)
    try await store.close()
    let again = try await MemoryStore.open(at: directory)
    #expect(try again.count() == 499)
    try await again.close()
  }
}
