import Foundation
import TestSupport
import Testing
import VectorSearch

@testable import Engram

/// A fast search says whether it was one, and is exact where it cannot save anything.
@Suite struct FastSearchTests {
  private let place = TestStore()
  private static let dimension = 128

  /// Rows of two users, with codes.
  private func store(_ count: Int, _ random: inout SeededGenerator) async throws -> MemoryStore {
    var options = StoreOptions(dimension: Self.dimension, metric: .cosine)
    options.leastCodedRows = 64
    let store = try await place.open(options)
    try await store.add(
      (0..<count).map { number in
        MemoryDraft(userID: "u\(number % 2)", text: "\(number)", embedding: Embedding(random.vector(Self.dimension)), kind: "fact")
      })
    try await store.core.buildCodesNow()
    return store
  }

  private func explanation(_ results: [SearchResult]) throws -> SearchResult.Explanation { try #require(results.first?.explanation) }

  @Test(.timeLimit(.minutes(5))) func aFastSearchFindsTheAskedShareOfTheResults() async throws {
    var random = SeededGenerator(seed: 31)
    let store = try await store(2000, &random)
    for (scope, count) in [(SearchScope.user("u1"), 1000), (.users(["u0", "u1"]), 2000), (.all, 2000)] {
      var found = 0
      for _ in 0..<10 {
        var query = SearchQuery(
          embedding: Embedding(random.vector(Self.dimension)), scope: scope, includesExplanation: true, tier: .coarseCodes)
        let exact = try store.search(query)
        query.precision = .fast(recall: 0.9)
        let fast = try store.search(query)
        #expect(fast.count == 10 && zip(fast, fast.dropFirst()).allSatisfy { $0.score >= $1.score })
        let (all, some) = (try explanation(exact), try explanation(fast))
        #expect(!all.isApproximate && some.isApproximate && some.tier == .coarseCodes)
        #expect(some.rowsInScope == count && some.rowsCoded == count && some.bytesRead < all.bytesRead)
        let scores = Dictionary(uniqueKeysWithValues: exact.map { ($0.memory.id, $0.score) })
        #expect(fast.allSatisfy { $0.score <= exact[9].score || $0.score == scores[$0.memory.id] })
        found += fast.count { scores[$0.memory.id] != nil }
      }
      #expect(found >= 90, "\(found) of 100")
    }
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aSearchIsExactWhereEstimatesSaveNothing() async throws {
    var random = SeededGenerator(seed: 32)
    let store = try await store(1200, &random)
    let plain = SearchQuery(embedding: Embedding(random.vector(Self.dimension)), scope: .all, includesExplanation: true)
    var queries = [plain]
    for tier in [SearchTier.floats, .codes] {
      queries.append(plain)
      queries[queries.count - 1].tier = tier
    }
    var coarse = plain
    coarse.tier = .coarseCodes
    for change in [{ $0.filter = .kind("fact") }, { $0.asOf = Date(timeIntervalSinceNow: 60) }, { $0.precision = .fast(recall: 1) }]
      as [(inout SearchQuery) -> Void]
    {
      var query = coarse
      change(&query)
      queries.append(query)
    }
    for query in queries {
      var fast = query
      if fast.precision == .exact { fast.precision = .fast(recall: 0.5) }
      var exact = query
      exact.precision = .exact
      let (found, expected) = (try store.search(fast), try store.search(exact))
      #expect(found.map(\.memory) == expected.map(\.memory) && found.map(\.score) == expected.map(\.score))
      #expect(try !explanation(found).isApproximate, "\(query)")
    }
    // Each query of a batch is as precise as it asks to be.
    var fast = coarse
    fast.precision = .fast(recall: 0.9)
    let results = try store.search(batch: [coarse, fast, coarse])
    #expect(try results.map { try explanation($0).isApproximate } == [false, true, false])
    #expect(results[0].map(\.memory) == results[2].map(\.memory))
    try await store.close()
  }

  @Test func aRecallThatNoSearchCanHaveIsRefused() async throws {
    let store = try await place.open(StoreOptions(dimension: 2))
    var query = SearchQuery(embedding: [1, 0], scope: .all)
    for recall in [0, 0.49, 1.01, -1, .infinity, .nan] {
      query.precision = .fast(recall: recall)
      let error = #expect(throws: StoreError.self) { try store.search(query) }
      #expect(error?.code == .invalidArgument && error?.message.contains("recall") == true)
    }
    for recall in [0.5, 1] {
      query.precision = .fast(recall: recall)
      #expect(try store.search(query).isEmpty)
      #expect(try JSONDecoder().decode(SearchQuery.self, from: JSONEncoder().encode(query)) == query)
    }
    try await store.close()
  }
}
