import Foundation
import LMDB
import TestSupport
import Testing
import VectorSearch

@testable import Engram

/// Every condition alone and in random trees: the search, the columns and the whole memory must agree.
@Suite(.serialized) struct FilterTests {
  private let scratch = ScratchStore()

  private func filled(_ count: Int, seed: UInt64) async throws -> (store: MemoryStore, reference: ReferenceStore) {
    var random = SeededGenerator(seed: seed)
    let store = try await scratch.open(dimension: 4, metric: .dot)
    var reference = ReferenceStore()
    let drafts = (0..<count).map { _ -> MemoryDraft in
      var draft = RandomFilter.draft(user: random.element(of: ["a", "b"]), embedding: random.wholeVector(4), &random)
      RandomFilter.addDetails(to: &draft, &random)
      return draft
    }
    let ids = try await store.add(drafts).map(\.id)
    for (draft, id) in zip(drafts, ids) { reference.add(draft, id: id, createdAt: try #require(draft.createdAt)) }
    // One memory in ten, at random, is marked as superseded.
    for (draft, id) in zip(drafts, ids) where random.chance(percent: 10) {
      let memory = try await store.update(id, for: draft.userID) { $0.with(supersededBy: MemoryID(high: 1, low: 1)) }
      reference.entries[id]?.memory = memory
    }
    return (store, reference)
  }

  @Test func everyConditionAloneFindsWhatMatches() async throws {
    var random = SeededGenerator(seed: 41)
    let (store, reference) = try await filled(700, seed: 42)
    let ids = reference.entries.keys.sorted()
    for sort in 0..<RandomFilter.leafCount {
      var (nothing, something) = (0, 0)
      for _ in 0..<25 {
        let filter = RandomFilter.leaf(sort, ids, &random)
        let query = SearchQuery(embedding: [1, 2, 3, 4], scope: .all, limit: 1_000, filter: filter, includesSuperseded: true)
        let found = try store.search(query)
        reference.expectExact(found, query)
        if found.isEmpty { nothing += 1 } else { something += 1 }
        let negated = try store.search(
          SearchQuery(embedding: [1, 2, 3, 4], scope: .all, limit: 1_000, filter: !filter, includesSuperseded: true))
        #expect(found.count + negated.count == 700)
        #expect(Set(found.map(\.memory.id)).isDisjoint(with: negated.map(\.memory.id)))
      }
      #expect(something > 0, "sort \(sort)")
    }
    try await store.close()
  }

  @Test func treesFindWhatMatchesAndFilterBeforeTheLimit() async throws {
    var random = SeededGenerator(seed: 43)
    let (store, reference) = try await filled(400, seed: 44)
    let ids = reference.entries.keys.sorted()
    for _ in 0..<150 {
      let filter = RandomFilter.tree(ids, &random)
      let query = SearchQuery(
        embedding: Embedding(random.wholeVector(4)), scope: random.chance(percent: 50) ? .all : .user("a"),
        limit: random.element(of: [1, 5, 1_000]), filter: filter, includesSuperseded: random.chance(percent: 50))
      reference.expectExact(try store.search(query), query)
      let expected = reference.timeline("a").filter(filter.matches)
      #expect(try store.memories(for: "a", newestFirst: false, limit: 1_000, filter: filter).elements == expected)
    }
    try await store.close()
  }

  /// By its columns alone, a slot that certainly matches must match, and one that cannot match must not.
  @Test func masksAgreeWithTheWholeMemory() throws {
    var random = SeededGenerator(seed: 45)
    for count in [0, 1, 60, 128] {
      let memories = (0..<count).map { _ -> Memory in
        var reference = ReferenceStore()
        var draft = RandomFilter.draft(user: "u", embedding: nil, &random)
        if count > 60 {
          RandomFilter.addDetails(to: &draft, &random)
          draft.details.supersededBy = random.chance(percent: 30) ? MemoryID(high: 1, low: 1) : nil
        }
        reference.add(draft, id: MemoryID(high: random.next(), low: random.next()), createdAt: draft.createdAt ?? Date())
        // The reference has one memory.
        return reference.entries.values.first!.memory
      }
      var columns = BlockColumns()
      columns.slots = memories.map { BlockColumns.Slot($0) }
      var bytes: [UInt8] = []
      columns.encode(into: &bytes)
      let ids = memories.map(\.id)
      for _ in 0..<400 {
        let filter = RandomFilter.tree(ids, &random)
        let masks = try withRawSpan(bytes) { filter.masks(try ColumnsView($0)) }
        for (slot, memory) in memories.enumerated() {
          let bit: LiveMask = 1 << LiveMask(slot)
          #expect(masks.certain & bit == 0 || filter.matches(memory), "\(filter)")
          #expect(masks.possible & bit != 0 || !filter.matches(memory), "\(filter)")
        }
      }
    }
  }

  @Test func conditionsMeanWhatTheirCommentsSay() {
    func memory(_ metadata: [String: MetadataValue] = [:], createdAt: Int64 = 0, expiresAt: Int64? = nil, kind: String? = nil) -> Memory {
      Memory(
        id: MemoryID(high: 0, low: 0), userID: "u", text: "", kind: kind, sessionID: nil, speaker: nil,
        createdAt: Date(milliseconds: createdAt),
        importance: 0.5, expiresAt: expiresAt.map { Date(milliseconds: $0) }, dedupeKey: nil, metadata: metadata)
    }
    func date(_ milliseconds: Int64) -> Date { Date(milliseconds: milliseconds) }
    #expect(Filter.created(from: date(5), to: date(7)).matches(memory(createdAt: 5)))
    #expect(!Filter.created(from: date(5), to: date(7)).matches(memory(createdAt: 7)))
    #expect(Filter.created(since: date(5)).matches(memory(createdAt: 5)))
    #expect(!Filter.created(since: date(5)).matches(memory(createdAt: 4)))
    #expect(!Filter.expires(from: nil, to: nil).matches(memory()))
    #expect(Filter.expires(from: nil, to: nil).matches(memory(expiresAt: 9)))
    #expect(Filter.metadata("k", equals: 1).matches(memory(["k": 1.0])))
    #expect(Filter.metadata("k", equals: 1.0).matches(memory(["k": 1])))
    #expect(!Filter.metadata("k", equals: 1).matches(memory(["k": true])))
    #expect(!Filter.metadata("k", equals: "1").matches(memory(["k": 1])))
    #expect(!Filter.metadata("k", equals: .integer(.max)).matches(memory(["k": .integer(.max - 1)])))
    #expect(Filter.metadataRange("k", from: 1, to: 2).matches(memory(["k": 1.5])))
    #expect(!Filter.metadataRange("k", from: 1, to: 2).matches(memory(["k": 2])))
    #expect(Filter.metadataRange("k", from: "a", to: "c").matches(memory(["k": "b"])))
    #expect(!Filter.metadataRange("k", from: "a", to: nil).matches(memory(["k": 5])))
    #expect(!Filter.metadataRange("k", from: 1, to: nil).matches(memory()))
    #expect(!Filter.metadataRange("k", from: false, to: nil).matches(memory(["k": true])))
    #expect(Filter.and([]).matches(memory()) && !Filter.or([]).matches(memory()))
    #expect(!Filter.kind("").matches(memory()) && Filter.kind("").matches(memory(kind: "")))
    #expect((Filter.kind("a") || .hasMetadata("k")).matches(memory(["k": ""])))
    #expect(!(Filter.kind("a") && .hasMetadata("k")).matches(memory(["k": ""])))
  }
}
