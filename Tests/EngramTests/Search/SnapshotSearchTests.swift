import Foundation
import TestSupport
import Testing

@testable import Engram

/// A snapshot shows rows and records of one instant.
@Suite(.serialized) struct SnapshotSearchTests {
  private let scratch = ScratchStore()

  @Test func aSnapshotIgnoresLaterAddsDeletesAndUpdates() async throws {
    let store = try await scratch.open(dimension: 2, metric: .dot)
    let ids = try await store.add((0..<50).map { MemoryDraft(userID: "u", text: "\($0)", embedding: [Float($0), 1], kind: "old") }).map(
      \.id)
    let query = SearchQuery(embedding: [1, 1], scope: .user("u"), limit: 1_000, includesExplanation: true)
    let filtered = SearchQuery(embedding: [1, 1], scope: .all, limit: 1_000, filter: .kind("old"), includesExplanation: true)
    let before = try store.search(query)
    let snapshot = try store.snapshot()
    try await store.add((0..<500).map { MemoryDraft(userID: "u", text: "new \($0)", embedding: [1_000, Float($0)]) })
    for id in ids[..<20] { try await store.delete(id, for: "u") }
    for id in ids[20..<30] { try await store.update(id, for: "u", embedding: [-1, -1]) { $0.with(text: "changed", kind: "new") } }
    try await store.delete(where: .ids(Set(ids[40...])), scope: .all)
    // Only how long a search took may differ.
    let again = try snapshot.search(query)
    #expect(again.map(\.memory) == before.map(\.memory) && again.map(\.score) == before.map(\.score))
    #expect(again.map(\.explanation?.batchSequence) == before.map(\.explanation?.batchSequence))
    #expect(try snapshot.search(batch: [query, filtered, query]).map(\.count) == [50, 50, 50])
    for (index, id) in ids.enumerated() {
      #expect(try snapshot.embedding(of: id, for: "u") == [Float(index), 1])
      #expect(try snapshot.memory(id, for: "u")?.text == "\(index)")
    }
    #expect(try snapshot.count(scope: .user("u")) == 50)
    #expect(try snapshot.batchSequence == before[0].explanation?.batchSequence)
    #expect(try store.search(query).count == 520)
    #expect(try store.search(filtered).map(\.memory.id).sorted() == Array(ids[30..<40]))
    _ = consume snapshot
    try await store.close()
  }

  @Test func noRowIsEverUsedTwice() async throws {
    var random = SeededGenerator(seed: 51)
    let store = try await scratch.open(dimension: 2, metric: .dot)
    var rowsSeen: [Int: MemoryID] = [:]
    var versions: [MemoryID: Int] = [:]
    var live: [(id: MemoryID, user: String)] = []
    for round in 0..<40 {
      let user = "u\(round % 2)"
      live += try await store.add(
        (0..<Int.random(in: 1...20, using: &random)).map { MemoryDraft(userID: user, text: "\($0)", embedding: [1, Float($0)]) }
      ).map { ($0.id, user) }
      for _ in 0..<8 where !live.isEmpty {
        let index = Int.random(in: 0..<live.count, using: &random)
        if random.chance(percent: 50) {
          let (id, user) = live.remove(at: index)
          try await store.delete(id, for: user)
        } else {
          // A changed embedding is a new row.
          versions[live[index].id, default: 0] += 1
          try await store.update(live[index].id, for: live[index].user, embedding: [2, Float(round)]) { $0 }
        }
      }
      if round % 10 == 9 {
        // A user who is deleted and added again gets new rows, too.
        try await store.delete(where: .and([]), scope: .user("u0"))
        live = try live.filter { try store.memory($0.id, for: $0.user) != nil }
      }
      let found = try store.search(SearchQuery(embedding: [1, 1], scope: .all, limit: 10_000, includesExplanation: true))
      #expect(Set(found.map(\.memory.id)) == Set(live.map(\.id)))
      #expect(Set(found.compactMap { $0.explanation?.row }).count == live.count)
      for hit in found {
        let row = try #require(hit.explanation?.row)
        if let owner = rowsSeen[row] { #expect(owner == hit.memory.id, "row \(row)") }
        rowsSeen[row] = hit.memory.id
        #expect(try row < store.status.rowsAllocated)
      }
    }
    #expect(rowsSeen.count > live.count)
    #expect(try store.status.rowsLive == live.count)
    try await store.close()
  }

  @Test func aLentRowIsTheStoredUnitVector() async throws {
    let store = try await scratch.open(dimension: 5)
    let id = try await store.add(MemoryDraft(userID: "u", text: "t", embedding: [0, 3, 0, 4, 0])).id
    let plain = try await store.add(MemoryDraft(userID: "u", text: "t")).id
    let snapshot = try store.snapshot()
    let sum = try snapshot.withEmbedding(of: id, for: "u") { row -> Float in
      #expect(row.count == 5)
      return row[1] + row[3]
    }
    #expect(sum == Float(0.6) + Float(0.8))
    #expect(try snapshot.embedding(of: id, for: "u") == Embedding([0, Float(0.6), 0, Float(0.8), 0]))
    #expect(try snapshot.embedding(of: plain, for: "u") == nil)
    #expect(try snapshot.embedding(of: MemoryID(), for: "u") == nil)
    _ = consume snapshot
    try await store.close()
  }
}
