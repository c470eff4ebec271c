import Foundation
import TestSupport
import Testing

@testable import Engram

/// Which pairs of embeddings are compared, and how.
@Suite(.serialized) struct NearDuplicateTests {
  private let scratch = ScratchStore()

  private static func drafts(_ user: String, _ count: Int, _ random: inout SeededGenerator) -> [MemoryDraft] {
    (0..<count).map { MemoryDraft(userID: user, text: "\($0)", embedding: Embedding(random.vector(32))) }
  }

  /// A vector very close to the given one: their cosine is above 0.999.
  private static func nearly(_ embedding: Embedding?) throws -> Embedding {
    var values = try #require(embedding).values
    values[0] += 0.01
    return Embedding(values)
  }

  @Test func aLargeUserIsComparedWithinTheWindowAndTheReportSaysSo() async throws {
    var random = SeededGenerator(seed: 5)
    let store = try await scratch.open(dimension: 32)
    var large = Self.drafts("large", 2_001, &random)
    var full = Self.drafts("full", 2_000, &random)
    large[15].embedding = try Self.nearly(large[10].embedding)
    large[106].embedding = try Self.nearly(large[100].embedding)
    large[2_000].embedding = try Self.nearly(large[1_995].embedding)
    full[1_999].embedding = try Self.nearly(full[0].embedding)
    let (largeIDs, fullIDs) = (try await store.add(large).map(\.id), try await store.add(full).map(\.id))
    func found(_ window: Int, _ scope: SearchScope) async throws -> (near: AuditReport.NearDuplicates, pairs: Set<[MemoryID]>) {
      let report = try await store.audit(AuditOptions(scope: scope, window: window))
      let near = try #require(report.nearDuplicates)
      return (near, Set(near.closest.map { [$0.first, $0.second] }))
    }
    let (near, pairs) = try await found(5, .all)
    let possible = (large: 2_001 * 2_000 / 2, full: 2_000 * 1_999 / 2)
    let compared = 2_001 * 5 - 15
    #expect(pairs == [[largeIDs[10], largeIDs[15]], [largeIDs[1_995], largeIDs[2_000]], [fullIDs[0], fullIDs[1_999]]])
    #expect(near.pairs == 3 && near.identical == 0 && near.closest.allSatisfy { $0.score > 0.999 && $0.score < 1 })
    #expect(near.possible == possible.large + possible.full && near.compared == compared + possible.full && !near.isComplete)
    #expect(near.partialUsers == 1)
    #expect(near.partial == [.init(userID: "large", embeddings: 2_001, compared: compared, possible: possible.large)])
    let wider = try await found(6, .user("large"))
    #expect(wider.pairs.contains([largeIDs[100], largeIDs[106]]) && wider.pairs.count == 3)
    for window in [2_000, 2_001, .max] {
      let all = try await found(window, .user("large")).near
      #expect(all.compared == possible.large && all.isComplete && all.partial.isEmpty && all.pairs == 3)
    }
    try await store.close()
  }

  @Test func normsOfEverySizeHaveTheSameCosine() async throws {
    let store = try await scratch.open(dimension: 3, metric: .dot)
    let scales: [Float] = [1e-30, 1e-18, 1, 1e9, 1e17]
    let ids = try await store.add(
      scales.map { MemoryDraft(userID: "u", text: "\($0)", embedding: [3 * $0, 4 * $0, 0]) }
        + scales.map { MemoryDraft(userID: "u", text: "\($0)", embedding: [-3 * $0, 4 * $0, 0]) }
    ).map(\.id)
    let report = try await store.audit(AuditOptions(limit: 1_000, threshold: 0.999))
    let near = try #require(report.nearDuplicates)
    #expect(near.pairs == 20 && near.identical == 0 && near.compared == 45)
    #expect(near.closest.allSatisfy { abs($0.score - 1) < 1e-6 && $0.score <= 1 })
    // The cosine of the two directions is 7/25.
    #expect(try await store.audit(AuditOptions(threshold: 0.28001)).nearDuplicates?.pairs == 20)
    #expect(try await store.audit(AuditOptions(threshold: 0.27999)).nearDuplicates?.pairs == 45)
    #expect(Set(near.closest.flatMap { [$0.first, $0.second] }) == Set(ids))
    try await store.close()
  }

  @Test func zeroEmbeddingsHaveNoCosine() async throws {
    let store = try await scratch.open(dimension: 2, metric: .dot)
    try await store.add([[0, 0], [1, 1], [-0.0, 0], [2, 2]].map { MemoryDraft(userID: "u", text: "t", embedding: Embedding($0)) })
    let report = try await store.audit()
    #expect(report.unmatched.zeroEmbeddings?.count == 2)
    #expect(report.nearDuplicates?.pairs == 1 && report.nearDuplicates?.possible == 1 && report.nearDuplicates?.isComplete == true)
    try await store.close()
  }

  @Test func equalEmbeddingsArePairsAndUsersAreNotComparedWithEachOther() async throws {
    let store = try await scratch.open(dimension: 2)
    try await store.add((0..<10).map { MemoryDraft(userID: $0 < 6 ? "u" : "v", text: "\($0)", embedding: [1, 3]) })
    let report = try await store.audit(AuditOptions(threshold: 1, constantCount: 10))
    let near = try #require(report.nearDuplicates)
    #expect(near.pairs == 15 + 6 && near.identical == 21 && near.closest.isEmpty && near.possible == 21)
    #expect(report.sameEmbedding.groups == 2 && report.sameEmbedding.surplus == 8)
    let constants = try #require(report.unmatched.constants)
    #expect(constants.count == 1 && constants.memories == 10)
    #expect(constants.largest.map { [$0.count, $0.users, $0.texts, $0.ids.count] } == [[10, 2, 10, 10]])
    #expect(try await store.audit(AuditOptions(constantCount: 11)).unmatched.constants?.count == 0)
    try await store.close()
  }
}
