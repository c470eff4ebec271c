import Foundation
import Testing

@testable import Engram

/// The options of a query's ranking, and the explanation that comes with a result.
@Suite(.serialized) struct RankingOptionTests {
  private let place = TestStore()

  /// Twenty memories of equal words, a day apart, the last one now; the fifth is important.
  private func filled() async throws -> (store: MemoryStore, ids: [MemoryID]) {
    let store = try await place.open(StoreOptions())
    let now = Date()
    let drafts = (0..<20).map { number in
      MemoryDraft(
        userID: "u", text: "likes tea", createdAt: now - Double(19 - number) * 86_400, importance: number == 4 ? 1 : 0.25)
    }
    return (store, try await store.add(drafts).map(\.id))
  }

  @Test(.timeLimit(.minutes(5))) func recencyAndImportanceAddToTheScore() async throws {
    let (store, ids) = try await filled()
    var query = TextQuery("tea", scope: .user("u"), limit: 3, includesExplanation: true)
    let plain = try store.search(query)
    // Equal scores are in the order of ids, which is the order of adding.
    #expect(plain.map(\.memory.id) == Array(ids[0..<3]) && Set(plain.map(\.score)).count == 1)
    query.ranking.recency = .init(halfLife: .seconds(2 * 86_400), weight: 0.5)
    let recent = try store.search(query)
    #expect(recent.map(\.memory.id) == [ids[19], ids[18], ids[17]])
    for (days, hit) in recent.enumerated() {
      let parts = try #require(hit.explanation?.parts)
      #expect(abs(Double(parts.recency) - 0.5 * pow(0.5, Double(days) / 2)) < 1e-3 && parts.importance == 0)
      #expect(abs(hit.score - plain[0].score - parts.recency) < 1e-6)
    }
    query.ranking = TextRanking(importance: 0.4)
    let important = try store.search(query)
    #expect(important.map(\.memory.id) == [ids[4], ids[0], ids[1]])
    #expect(important[0].explanation?.parts?.importance == 0.4 && abs(important[1].score - plain[0].score - 0.1) < 1e-6)
    // Records that cannot be among the results are not read; the results stay the same.
    query.limit = 20
    query.filter = .importance(atLeast: 0.5)
    #expect(try store.search(query).map(\.memory.id) == [ids[4]])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func questionsCountAsStatementsIfAsked() async throws {
    let store = try await place.open(StoreOptions())
    let question = try await store.add(MemoryDraft(userID: "u", text: "Do you like green tea?", sessionID: "s")).id
    let other = try await store.add(MemoryDraft(userID: "u", text: "Green tea is in the cupboard upstairs", sessionID: "t")).id
    var query = TextQuery("green tea", scope: .user("u"))
    #expect(try store.search(query).map(\.memory.id) == [other, question])
    query.ranking.prefersStatements = false
    #expect(try store.search(query).map(\.memory.id) == [question, other])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func neighborsComeWithAResult() async throws {
    let store = try await place.open()
    let ids = try await store.add((1...7).map { TestStore.draft("u", $0) }).map(\.id)
    try await store.add(TestStore.draft("v", 4))
    var query = TextQuery("memory", embedding: TestStore.vector(4), scope: .user("u"), mode: .dense, limit: 1, neighbors: 2)
    var vector = SearchQuery(embedding: TestStore.vector(4), scope: .user("u"), limit: 1, neighbors: 2)
    let around = try store.neighbors(of: ids[3], for: "u", count: 2)
    #expect(around.count == 4)
    #expect(try store.search(query)[0].neighbors == around && store.search(vector)[0].neighbors == around)
    (query.neighbors, vector.neighbors) = (0, 0)
    #expect(try store.search(query)[0].neighbors == [] && store.search(vector)[0].neighbors == [])
    query.mode = .lexical
    query.text = "4"
    query.neighbors = 1
    #expect(try store.search(query)[0].neighbors.map(\.id) == [ids[2], ids[4]])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func whatIsOutOfRangeIsRefused() async throws {
    let store = try await place.open()
    let rankings = [
      TextRanking(importance: -0.1), TextRanking(importance: 11), TextRanking(importance: .nan),
      TextRanking(recency: .init(halfLife: .zero)), TextRanking(recency: .init(halfLife: .seconds(-1))),
      TextRanking(recency: .init(halfLife: .seconds(1), weight: .infinity)), TextRanking(recency: .init(halfLife: .seconds(1), weight: -1)),
    ]
    for ranking in rankings {
      await expectCode(.invalidArgument) { _ = try store.search(TextQuery("x", scope: .all, ranking: ranking)) }
    }
    await expectCode(.invalidArgument) {
      _ = try store.search(
        TextQuery("x", embedding: TestStore.vector(1), scope: .all, mode: .dense, ranking: TextRanking(importance: 1)))
    }
    for neighbors in [-1, 65] {
      await expectCode(.invalidArgument) { _ = try store.search(TextQuery("x", scope: .all, neighbors: neighbors)) }
      await expectCode(.invalidArgument) {
        _ = try store.search(SearchQuery(embedding: TestStore.vector(1), scope: .all, neighbors: neighbors))
      }
    }
    try await store.close()
  }

  /// A budget returns whole memories, at least one, and returns those that were left out.
  @Test(.timeLimit(.minutes(5))) func resultsFitIntoABudget() async throws {
    let store = try await place.open(StoreOptions())
    for text in ["tea", "tea " + String(repeating: "leaf ", count: 40), "tea with milk", "日本のお茶 tea"] {
      try await store.add(MemoryDraft(userID: "u", text: text))
    }
    let hits = try store.search(TextQuery("tea", scope: .user("u"), neighbors: 1))
    #expect(hits.count == 4)
    func words(_ text: String) -> Int { text.split(separator: " ").count }
    for budget in 0...120 {
      let fitting = hits.fitting(maxTokens: budget, countTokens: words)
      #expect(fitting.kept.first?.memory == hits[0].memory)
      #expect(Set((fitting.kept + fitting.omitted).map(\.memory.id)) == Set(hits.map(\.memory.id)))
      let counted = fitting.kept.reduce(0) { sum, hit in sum + words(hit.memory.text) + hit.neighbors.reduce(0) { $0 + words($1.text) } }
      #expect(counted == fitting.tokens && (fitting.tokens <= budget || fitting.kept.count == 1))
      for omitted in fitting.omitted { #expect(words(omitted.memory.text) > budget - fitting.tokens) }
    }
    #expect(hits.fitting(maxTokens: 1000).omitted == [] && hits.fitting(maxTokens: 1000).kept == hits)
    #expect([SearchResult]().fitting(maxTokens: 10).kept == [])
    #expect(TokenEstimate.tokens(of: "") == 0 && TokenEstimate.tokens(of: "tea with milk") == 4 && TokenEstimate.tokens(of: "お茶 tea") == 3)
    try await store.close()
  }

  @Test func aQueryIsTheSameAfterJSON() throws {
    let query = TextQuery(
      "tea", scope: .user("u"), ranking: TextRanking(prefersStatements: false, recency: .init(halfLife: .seconds(60)), importance: 2),
      neighbors: 3)
    #expect(try JSONDecoder().decode(TextQuery.self, from: JSONEncoder().encode(query)) == query)
    let least = try JSONDecoder().decode(TextQuery.self, from: Data(#"{"text":"tea","scope":{"all":true},"ranking":{}}"#.utf8))
    #expect(least == TextQuery("tea", scope: .all))
  }
}
