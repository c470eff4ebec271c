import Foundation
import TestSupport
import Testing
import VectorSearch

@testable import Engram

/// Searches by codes give the results of searches by floats, bit for bit, whatever the codes are worth.
@Suite(.serialized) struct CodeSearchTests {
  private let place = TestStore()

  private func open(dimension: Int, metric: Metric = .cosine) async throws -> MemoryStore {
    var options = StoreOptions(dimension: dimension, metric: metric)
    options.leastCodedRows = 64
    return try await place.open(options)
  }

  /// Results by codes and by floats of the same commit, ids and scores.
  private func expectSameResults(_ store: MemoryStore, _ queries: [SearchQuery], sourceLocation: SourceLocation = #_sourceLocation) throws {
    let coarse = queries.enumerated().filter { $0.offset % 3 == 0 }.map { _, query in
      var query = query
      query.tier = .coarseCodes
      return query
    }
    let floats = queries.map { query in
      var query = query
      query.tier = .floats
      return query
    }
    let (coded, coarsely, plain, unaided, count) = try store.readOnce { reader in
      let state = try reader.state()
      let codes = reader.generation.codes?.reading(reader, state)
      #expect(codes != nil, sourceLocation: sourceLocation)
      return (
        try ExactSearch(reader, leastRowsInScope: 1).results(queries), try ExactSearch(reader).results(coarse),
        try ExactSearch(reader).results(floats), try ExactSearch(reader, leastRowsInScope: .max).results(queries), state.rowsLive
      )
    }
    #expect(coded == plain && unaided == plain, "of \(count) rows", sourceLocation: sourceLocation)
    let some = plain.enumerated().filter { $0.offset % 3 == 0 }.map(\.element)
    #expect(coarsely == some, "of \(count) rows", sourceLocation: sourceLocation)
    let scores = { (results: [[SearchResult]]) in results.map { $0.map(\.score.bitPattern) } }
    #expect(
      scores(coded) == scores(plain) && scores(unaided) == scores(plain) && scores(coarsely) == scores(some), sourceLocation: sourceLocation
    )
  }

  private func queries(_ count: Int, _ dimension: Int, users: [String], _ random: inout SeededGenerator) -> [SearchQuery] {
    (0..<count).map { _ in
      let scope: SearchScope =
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<3: .all
        case 3: .users(users.filter { _ in random.chance(percent: 50) } + ["nobody"])
        case 4: .user("nobody")
        default: .user(random.element(of: users))
        }
      return SearchQuery(
        embedding: Embedding(random.vector(dimension)), scope: scope, limit: random.element(of: [1, 3, 10, 100, 5000]),
        threshold: random.chance(percent: 30) ? Float.random(in: -0.3...0.5, using: &random) : nil,
        filter: random.chance(percent: 40) ? RandomFilter.tree([], &random) : nil, includesSuperseded: random.chance(percent: 30))
    }
  }

  /// Clusters, so that many scores are close to each other; equal embeddings; zeros, unless they have no direction.
  private func embedding(_ dimension: Int, _ metric: Metric, _ random: inout SeededGenerator) -> [Float] {
    var centers = SeededGenerator(seed: UInt64.random(in: 0..<12, using: &random))
    let center = centers.vector(dimension)
    switch Int.random(in: 0..<20, using: &random) {
    case 0: return center
    case 1 where metric == .dot: return [Float](repeating: 0, count: dimension)
    case 2 where metric == .dot:
      return center.map { $0 * Float(sign: .plus, exponent: Int.random(in: -50...50, using: &random), significand: 1) }
    default: return center.map { $0 + Float.random(in: -0.2...0.2, using: &random) }
    }
  }

  @Test(.timeLimit(.minutes(5)), arguments: [(1, Metric.dot), (7, .dot), (48, .cosine), (384, .cosine), (384, .dot)])
  func resultsAreThoseOfFloats(_ dimension: Int, _ metric: Metric) async throws {
    var random = SeededGenerator(seed: UInt64(dimension))
    let store = try await open(dimension: dimension, metric: metric)
    let users = ["a", "b", "c"]
    func add(_ count: Int) async throws -> [MemoryID] {
      let drafts = (0..<count).map { _ in
        var draft = RandomFilter.draft(user: random.element(of: users), embedding: embedding(dimension, metric, &random), &random)
        // Blocks whose columns a search need not look at.
        if draft.userID != "a" { draft.expiresAt = nil }
        return draft
      }
      return try await store.add(drafts).map(\.id)
    }
    let ids = try await add(900)
    for id in ids.prefix(200) where random.chance(percent: 50) {
      for user in users { _ = try await store.delete(id, for: user) }
    }
    try await store.core.buildCodesNow()
    try expectSameResults(store, queries(40, dimension, users: users, &random))
    // Codes are written with the rows from now on.
    for count in [1, 2, 150, 300] { _ = try await add(count) }
    for id in ids.suffix(50) {
      for user in users { _ = try await store.delete(id, for: user) }
    }
    try expectSameResults(store, queries(40, dimension, users: users, &random))
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  /// More queries than are compared in one pass; some of them by other tiers, or with a filter, which a pass over the rows does not have.
  @Test(.timeLimit(.minutes(5))) func aBatchFindsWhatEachQueryFindsAlone() async throws {
    var random = SeededGenerator(seed: 9)
    let store = try await open(dimension: 16)
    let users = ["a", "b"]
    try await store.add(
      (0..<900).map { number in
        var draft = RandomFilter.draft(user: users[number % 2], embedding: embedding(16, .cosine, &random), &random)
        if number >= 40 { draft.expiresAt = nil }
        return draft
      })
    try await store.core.buildCodesNow()
    var queries = queries(40, 16, users: users, &random)
    queries += (0..<90).map { number in
      SearchQuery(
        embedding: Embedding(random.vector(16)), scope: number % 5 == 0 ? .user("b") : .all, limit: number % 7 == 0 ? 100 : 5,
        threshold: number % 11 == 0 ? 0.2 : nil, includesExplanation: true,
        tier: number % 5 == 0 ? .codes : number % 13 == 0 ? .coarseCodes : number % 17 == 0 ? .floats : .codes)
    }
    let found = try store.search(batch: queries)
    for (query, results) in zip(queries, found) {
      let alone = try store.search(query)
      #expect(results.map(\.memory) == alone.map(\.memory))
      #expect(results.map(\.score.bitPattern) == alone.map(\.score.bitPattern))
      #expect(results.first?.explanation?.tier == alone.first?.explanation?.tier)
      #expect(results.first?.explanation?.rowsInScope == alone.first?.explanation?.rowsInScope)
      #expect(results.first?.explanation?.rowsCoded == alone.first?.explanation?.rowsCoded)
    }
    try await store.close()
  }

  /// A mean far from the rows excludes less, and changes no result.
  @Test(.timeLimit(.minutes(5))) func anyMeanGivesTheSameResults() async throws {
    var random = SeededGenerator(seed: 3)
    let store = try await open(dimension: 24)
    let codes = try #require(store.core.generation.codes)
    _ = try codes.create(mean: (0..<24).map { _ in Float.random(in: -9...9, using: &random) })
    try await store.add((0..<500).map { _ in RandomFilter.draft(user: "u", embedding: embedding(24, .cosine, &random), &random) })
    try await store.core.buildCodesNow()
    try expectSameResults(store, queries(30, 24, users: ["u"], &random))
    try await store.close()
  }

  /// The dimension beyond which sums of products are not exact.
  @Test(.timeLimit(.minutes(5))) func longEmbeddingsHaveNoCodes() async throws {
    let store = try await open(dimension: CodeFileHeader.largestDimension + 1, metric: .dot)
    #expect(store.core.generation.codes == nil)
    var random = SeededGenerator(seed: 8)
    let drafts = (0..<70).map { _ in
      RandomFilter.draft(user: "u", embedding: embedding(CodeFileHeader.largestDimension + 1, .dot, &random), &random)
    }
    try await store.add(drafts)
    try await store.core.buildCodes()
    #expect(try store.readOnce { try $0.state().codesThrough } == 0)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func theLongestEmbeddingsHaveCodes() async throws {
    var random = SeededGenerator(seed: 4)
    let dimension = CodeFileHeader.largestDimension
    let store = try await open(dimension: dimension)
    try await store.add((0..<70).map { _ in RandomFilter.draft(user: "u", embedding: embedding(dimension, .cosine, &random), &random) })
    try await store.core.buildCodesNow()
    try expectSameResults(store, queries(5, dimension, users: ["u"], &random))
    try await store.close()
  }

  /// Most rows of a search are excluded by their codes: otherwise codes would be of no use.
  @Test(.timeLimit(.minutes(5))) func codesExcludeMostRows() async throws {
    var random = SeededGenerator(seed: 5)
    let store = try await open(dimension: 256)
    try await store.add((0..<1000).map { MemoryDraft(userID: "u", text: "\($0)", embedding: Embedding(embedding(256, .cosine, &random))) })
    try await store.core.buildCodesNow()
    try store.readOnce { reader in
      let reading = try reader.generation.codes?.reading(reader, reader.state())
      let codes = try #require(reading)
      let query = SearchQuery(embedding: Embedding(embedding(256, .cosine, &random)), scope: .user("u"), limit: 10)
      let results = try ExactSearch(reader, leastRowsInScope: .max).results([query])[0]
      let least = try #require(results.last?.score)
      let plan = try SearchPlan(query, reader, reader.generation.requireRows())
      var filter = CodeFilter(codes, embedding: plan.embedding)
      var left = 0
      try BlockScan(reader, rowsHigh: reader.state().rowsHigh).forEachBlock(of: nil) { block in
        let (first, later) = filter.split(firstRow: block.record.firstRow, count: block.record.used, block.record.live, atLeast: least)
        left += (first | later).nonzeroBitCount
      }
      #expect((10...200).contains(left), "\(left) of 1000 rows are not excluded")
    }
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func anExplanationAndTheInspectionSayWhetherCodesWereUsed() async throws {
    var random = SeededGenerator(seed: 6)
    let store = try await open(dimension: 128)
    try await store.add((0..<1000).map { MemoryDraft(userID: "u", text: "\($0)", embedding: Embedding(embedding(128, .cosine, &random))) })
    let query = SearchQuery(embedding: Embedding(embedding(128, .cosine, &random)), scope: .user("u"), limit: 5, includesExplanation: true)
    var explanation = try #require(try store.search(query).first?.explanation)
    #expect(explanation.rowsCoded == 0 && explanation.rowsScored == 1000)
    try await store.core.buildCodesNow()
    explanation = try #require(try store.search(query).first?.explanation)
    #expect(explanation.rowsCoded == 1000 && (5..<500).contains(explanation.rowsScored), "\(explanation)")
    #expect(explanation.tier == .codes && explanation.bytesRead == 1000 * 64 + explanation.rowsScored * 512)
    #expect(try store.inspection().hasCodes == true)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aQueryCanSayWhatIsComparedFirst() async throws {
    var random = SeededGenerator(seed: 8)
    let store = try await open(dimension: 128)
    let drafts = (0..<3000).map { MemoryDraft(userID: "u\($0 % 2)", text: "\($0)", embedding: Embedding(embedding(128, .cosine, &random))) }
    try await store.add(drafts)
    let asked = Embedding(embedding(128, .cosine, &random))
    for scope in [SearchScope.user("u1"), .all] {
      // Without codes, nothing else can be compared.
      let query = SearchQuery(embedding: asked, scope: scope, limit: 20, includesExplanation: true, tier: .codes)
      #expect(try store.search(query).first?.explanation?.tier == .floats)
    }
    try await store.core.buildCodesNow()
    for (scope, count) in [(SearchScope.user("u1"), 1500), (.all, 3000)] {
      var found: [SearchTier?: [SearchResult]] = [:]
      for tier in [nil] + SearchTier.allCases {
        let query = SearchQuery(embedding: asked, scope: scope, limit: 20, includesExplanation: true, tier: tier)
        let results = try store.search(query)
        let explanation = try #require(results.first?.explanation)
        #expect(explanation.tier == tier ?? .codes && explanation.rowsInScope == count)
        #expect(explanation.rowsCoded == (tier == .floats ? 0 : count))
        switch explanation.tier {
        case .floats: #expect(explanation.bytesRead == count * 512)
        case .codes: #expect(explanation.bytesRead == count * 64 + explanation.rowsScored * 512)
        case .coarseCodes:
          #expect((count * 32 + explanation.rowsScored * 512...count * 96 + explanation.rowsScored * 512).contains(explanation.bytesRead))
        }
        found[tier] = results
        let decoded = try JSONDecoder().decode(SearchQuery.self, from: JSONEncoder().encode(query))
        #expect(decoded == query)
      }
      for results in found.values {
        #expect(results.map(\.memory) == found[.floats]?.map(\.memory) && results.map(\.score) == found[.floats]?.map(\.score))
      }
    }
    try await store.close()
  }
}
