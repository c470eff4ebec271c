import Foundation
import TestSupport
import Testing
import VectorSearch

@testable import Engram

/// A search by words and embeddings that scores few rows gives the results of one that scores all of them, bit for bit.
@Suite(.serialized) struct HybridBoundsTests {
  private let place = TestStore()

  private static let vocabulary = (0..<40).map { "word\($0)" } + ["ramen", "October", "2020", "4", "Ada", "what", "is"]

  private static func text(_ random: inout SeededGenerator, most: Int = 20) -> String {
    (0..<Int.random(in: 0...most, using: &random)).map { _ in
      random.element(of: vocabulary) + random.element(of: ["", "", "", "?", ".", "!"])
    }.joined(separator: " ")
  }

  /// Clusters, so that many scores are close to each other or equal.
  private static func vector(_ dimension: Int, _ metric: Metric, _ random: inout SeededGenerator) -> [Float] {
    var centers = SeededGenerator(seed: UInt64.random(in: 0..<30, using: &random))
    let center = centers.vector(dimension)
    switch Int.random(in: 0..<20, using: &random) {
    case 0: return center
    case 1 where metric == .dot: return [Float](repeating: 0, count: dimension)
    case 2 where metric == .dot:
      return center.map { $0 * Float(sign: .plus, exponent: Int.random(in: -40...3, using: &random), significand: 1) }
    default: return center.map { $0 + Float.random(in: -0.2...0.2, using: &random) }
    }
  }

  private struct Maker {
    let dimension: Int
    let metric: Metric
    let hasSessions: Bool
    var random: SeededGenerator
    var earlier: [MemoryDraft] = []

    mutating func draft() -> MemoryDraft {
      // A text and an embedding that are there already.
      if let copied = earlier.last, random.chance(percent: 5) {
        var draft = copied
        draft.replaces = nil
        draft.id = nil
        return draft
      }
      var draft = MemoryDraft(userID: random.element(of: ["a", "a", "a", "b", "c"]), text: HybridBoundsTests.text(&random))
      if random.chance(percent: 85) { draft.embedding = Embedding(HybridBoundsTests.vector(dimension, metric, &random)) }
      if hasSessions, random.chance(percent: 90) { draft.sessionID = "session-\(earlier.count / 9 % 60)" }
      draft.speaker = random.element(of: [nil, "Ada", "Bob"])
      draft.kind = random.element(of: [nil, "k", "l"])
      draft.importance = random.chance(percent: 50) ? Double.random(in: 0...1, using: &random) : 0
      draft.createdAt = Date(timeIntervalSince1970: Double(1_601_800_000 + (earlier.count + Int.random(in: 0..<4, using: &random)) * 3600))
      if random.chance(percent: 5) { draft.expiresAt = Date(timeIntervalSinceNow: random.chance(percent: 50) ? -9 : 90_000) }
      earlier.append(draft)
      return draft
    }

    mutating func query() -> TextQuery {
      var query = TextQuery(
        random.chance(percent: 10) ? "" : HybridBoundsTests.text(&random, most: 8),
        embedding: Embedding(HybridBoundsTests.vector(dimension, metric, &random)),
        scope: random.element(of: [.user("a"), .user("a"), .user("b"), .users(["a", "c"]), .all]),
        limit: random.element(of: [1, 2, 10, 100, 1000, .max]), includesExplanation: true)
      if metric == .cosine || query.embedding!.values.contains(where: { $0 != 0 }) {
        if random.chance(percent: 20) { query.threshold = Float.random(in: -0.5...0.7, using: &random) }
      }
      if random.chance(percent: 20) { query.minimumFusedScore = Float.random(in: 0...2, using: &random) }
      if random.chance(percent: 25) { query.filter = random.element(of: [.kind("k"), .importance(atLeast: 0.5), .kind("none")]) }
      if random.chance(percent: 20) {
        query.asOf = Date(timeIntervalSince1970: Double(1_601_800_000 + Int.random(in: 0..<900, using: &random) * 3600))
      }
      query.includesSuperseded = random.chance(percent: 30)
      query.ranking.prefersStatements = random.chance(percent: 70)
      if random.chance(percent: 20) { query.ranking.importance = random.element(of: [0.1, 1]) }
      if random.chance(percent: 20) {
        query.ranking.recency = .init(halfLife: .seconds(86_400 * 900), weight: random.element(of: [0, 0.3, 5]))
      }
      return query
    }
  }

  private struct Work {
    var scored = 0
    var coded = 0
    var bounded = 0
  }

  /// Runs queries by codes and by floats on the same commit.
  private func compare(_ store: MemoryStore, _ queries: [TextQuery], mostFloats: Double) throws -> Work {
    var work = Work()
    try store.readOnce { reader in
      for query in queries {
        let bounded = try TextSearch(reader, leastRowsInScope: 1, mostFloats: mostFloats).results(query)
        let plain = try TextSearch(reader, leastRowsInScope: .max).results(query)
        #expect(bounded.map(\.memory) == plain.map(\.memory), "\(query)")
        #expect(bounded.map(\.score.bitPattern) == plain.map(\.score.bitPattern), "\(query)")
        #expect(bounded.map { $0.explanation?.parts } == plain.map { $0.explanation?.parts }, "\(query)")
        #expect(bounded.map { $0.explanation?.rowsInScope } == plain.map { $0.explanation?.rowsInScope })
        guard let explanation = bounded.first?.explanation else { continue }
        work.scored += explanation.rowsScored
        work.coded += explanation.rowsCoded
        if explanation.rowsCoded > 0 { work.bounded += 1 }
      }
    }
    return work
  }

  @Test(
    .timeLimit(.minutes(5)),
    arguments: [(384, Metric.cosine, true), (384, .cosine, false), (48, .dot, true), (7, .dot, false), (1, .dot, true)])
  func resultsAreThoseOfFloats(_ dimension: Int, _ metric: Metric, _ hasSessions: Bool) async throws {
    var options = StoreOptions(dimension: dimension, metric: metric)
    options.leastCodedRows = 64
    var store = try await place.open(options)
    var maker = Maker(dimension: dimension, metric: metric, hasSessions: hasSessions, random: SeededGenerator(seed: UInt64(dimension)))
    var ids: [(id: MemoryID, user: String)] = []
    func add(_ count: Int) async throws {
      let drafts = (0..<count).map { _ in maker.draft() }
      ids += zip(try await store.add(drafts), drafts).map { ($0.id, $1.userID) }
    }
    func change(_ count: Int) async throws {
      for _ in 0..<count {
        let (id, user) = maker.random.element(of: ids)
        guard let memory = try store.memory(id, for: user) else { continue }
        if memory.supersededBy == nil, maker.random.chance(percent: 50) {
          var draft = maker.draft()
          (draft.userID, draft.replaces) = (user, id)
          ids.append((try await store.add(draft).id, user))
        } else {
          try await store.delete(id, for: user)
        }
      }
    }
    try await add(700)
    try await change(40)
    try await store.core.buildCodesNow()
    let built = try compare(store, (0..<30).map { _ in maker.query() }, mostFloats: 1)
    #expect(built.bounded > 20)
    // Codes are written with the rows from now on.
    for count in [1, 30, 200] { try await add(count) }
    try await change(40)
    _ = try compare(store, (0..<30).map { _ in maker.query() }, mostFloats: 1)
    _ = try compare(store, (0..<10).map { _ in maker.query() }, mostFloats: TextSearch.mostFloats)
    // The codes of the last batches may not be on the disk: they are not used.
    try await store.close()
    store = try await place.open(options)
    let reopened = try compare(store, (0..<30).map { _ in maker.query() }, mostFloats: 1)
    #expect(reopened.bounded > 20)
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  /// Embeddings at all distances from the query, which tell what decides.
  @Test(.timeLimit(.minutes(5)), arguments: [true, false]) func fewRowsAreScored(hasSessions: Bool) async throws {
    var options = StoreOptions(dimension: 128)
    options.leastCodedRows = 64
    let store = try await place.open(options)
    var maker = Maker(dimension: 128, metric: .cosine, hasSessions: hasSessions, random: SeededGenerator(seed: 2))
    let direction = maker.random.vector(128)
    try await store.add(
      (0..<2000).map { _ in
        var draft = maker.draft()
        draft.userID = "a"
        // Few are nearly as near, or as far, as the nearest and the farthest.
        let share = (0..<4).reduce(Float(0)) { sum, _ in sum + Float.random(in: -0.4...0.4, using: &maker.random) }
        draft.embedding = Embedding(zip(direction, maker.random.vector(128)).map { share * $0 + $1 })
        return draft
      })
    try await store.core.buildCodesNow()
    let queries = (0..<20).map { _ in
      TextQuery(
        Self.text(&maker.random, most: 8), embedding: Embedding(direction.map { $0 + Float.random(in: -0.1...0.1, using: &maker.random) }),
        scope: .user("a"), limit: 5, includesExplanation: true)
    }
    let work = try compare(store, queries, mostFloats: TextSearch.mostFloats)
    #expect(work.bounded == 20 && work.scored < work.coded / 3, "\(work)")
    try await store.close()
  }
}
