import Foundation
import TestSupport
import Testing

@testable import Engram

/// The memories before and after one of them.
@Suite(.serialized) struct NeighborTests {
  private let scratch = ScratchStore()

  @Test(arguments: [1, 2, 3] as [UInt64]) func neighborsAreThoseOfTheSortedList(_ seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let store = try await scratch.open()
    // Few distinct times, so that most are equal.
    let times: [Int64] = [WallClock.range.lowerBound, -1, 0, 255, 256, 1_700_000_000_000, WallClock.range.upperBound]
    var drafts: [MemoryDraft] = []
    for index in 0..<90 {
      let expired = random.chance(percent: 20)
      drafts.append(
        MemoryDraft(
          userID: "u\(index % 2)", text: "\(index)", createdAt: Date(milliseconds: random.element(of: times)),
          expiresAt: expired ? Date(timeIntervalSince1970: 1) : nil, id: MemoryID(high: random.next(), low: random.next())))
    }
    let (chosen, ids) = (drafts, drafts.compactMap(\.id))
    // One transaction, so that the sweep cannot run in between.
    let inTransaction = try await store.write { transaction in
      try transaction.add(chosen)
      return try ids.enumerated().map { try transaction.neighbors(of: $1, for: "u\($0 % 2)", count: 3).map(\.id) }
    }
    let snapshot = try store.snapshot()
    for user in ["u0", "u1"] {
      let list = drafts.filter { $0.userID == user && $0.expiresAt == nil }
        .compactMap { draft in draft.id.map { (time: draft.createdAt?.milliseconds ?? 0, id: $0) } }.sorted { $0 < $1 }.map(\.id)
      for (index, id) in ids.enumerated() where drafts[index].userID == user {
        for count in [1, 3, 1000] {
          var expected: [MemoryID] = []
          if let place = list.firstIndex(of: id) { expected = list[..<place].suffix(count) + list[(place + 1)...].prefix(count) }
          let (inStore, inSnapshot) = (
            try store.neighbors(of: id, for: user, count: count), try snapshot.neighbors(of: id, for: user, count: count)
          )
          #expect(inStore.map(\.id) == expected && inSnapshot == inStore, "\(index) \(count)")
          if count == 3 { #expect(inTransaction[index] == expected, "\(index)") }
        }
        #expect(try store.neighbors(of: id, for: user == "u0" ? "u1" : "u0", count: 3).isEmpty)
      }
    }
    _ = consume snapshot
    try await store.close()
  }

  @Test func whatIsAskedForMustMakeSense() async throws {
    let store = try await scratch.open()
    let id = try await store.add(MemoryDraft(userID: "u", text: "alone")).id
    #expect(try store.neighbors(of: id, for: "u", count: 5).isEmpty)
    #expect(try store.neighbors(of: MemoryID(), for: "u", count: .max).isEmpty)
    for count in [0, -1, .min] { await expectCode(.invalidArgument) { _ = try store.neighbors(of: id, for: "u", count: count) } }
    await expectCode(.invalidUserID) { _ = try store.neighbors(of: id, for: "", count: 1) }
    try await store.close()
  }
}
