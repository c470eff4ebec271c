import Foundation
import TestSupport
import Testing
import VectorSearch

@testable import Engram

/// A condition that only records decide reads them in descending order of scores.
@Suite struct UndecidedFilterTests {
  private let place = TestStore()

  /// Bug: a record was read for each row whose score could still enter while the scan passed it. With few matches the bound is low until
  /// the end, so most records of the scope were read.
  @Test(.timeLimit(.minutes(5)), arguments: [400, 25, 2]) func recordsAreReadAsFarAsTheLastResult(_ share: Int) async throws {
    var random = SeededGenerator(seed: UInt64(share))
    let store = try await place.open()
    let count = 12_000
    for start in stride(from: 0, to: count, by: 2000) {
      try await store.add(
        (start..<start + 2000).map { number in
          var draft = MemoryDraft(userID: "u", text: "\(number)", embedding: Embedding(random.vector(8)))
          draft.metadata = ["sort": .integer(Int64(number % share))]
          return draft
        })
    }
    let filter = Filter.metadata("sort", equals: .integer(0))
    for limit in [1, 10] {
      let query = SearchQuery(embedding: Embedding(random.vector(8)), scope: .user("u"), limit: limit, filter: filter)
      let all = try store.search(SearchQuery(embedding: query.embedding, scope: .user("u"), limit: count))
      let expected = all.filter { filter.matches($0.memory) }.prefix(limit)
      #expect(try store.search(query) == Array(expected))
      let place = try #require(all.firstIndex { $0.memory.id == expected.last?.memory.id })
      let read = try store.readOnce { reader in
        let rows = try reader.generation.requireRows()
        var search = RunningSearch(try SearchPlan(query, reader, rows), nil)
        var scored: [ScoredSlot] = []
        try BlockScan(reader, rowsHigh: reader.state().rowsHigh).forEachBlock(of: nil) { block in
          let candidates = try BlockCandidates.of(block, search.plan.condition)
          try search.score(block, candidates, RowScorer(rows: rows), &scored)
        }
        try search.hits.settle(reader)
        return search.hits.recordsRead
      }
      // Those up to the last result are necessary; the first ones are read to learn how rare matches are.
      #expect(read > place && read < place + place / 2 + 4 * limit * 70, "\(read) records for place \(place)")
    }
    try await store.close()
  }

  @Test func aLimitMayBeTheGreatestInteger() async throws {
    let store = try await place.open()
    var drafts = (0..<3).map { MemoryDraft(userID: "u", text: "\($0)", embedding: Embedding([Float](repeating: Float($0 + 1), count: 8))) }
    drafts[1].metadata = ["a": .string("b")]
    try await store.add(drafts)
    let query = SearchQuery(
      embedding: Embedding([Float](repeating: 1, count: 8)), scope: .user("u"), limit: .max, filter: .metadata("a", equals: .string("b")))
    #expect(try store.search(query).map(\.memory.text) == ["1"])
    #expect(try store.search(batch: [query, query]).map(\.count) == [1, 1])
    try await store.close()
  }
}
