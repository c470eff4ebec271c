import Foundation
import TestSupport
import Testing

@testable import Engram

/// Memories with an expiry time.
@Suite(.serialized) struct ExpiryTests {
  private let scratch = ScratchStore()
  private let past = Date(timeIntervalSince1970: 1_000)
  private let future = Date(timeIntervalSinceNow: 1e8)

  @Test func anExpiredMemoryIsAbsentEverywhereAtOnce() async throws {
    let store = try await scratch.open(dimension: 2)
    let live = try await store.add(MemoryDraft(userID: "u", text: "live", embedding: [1, 0], expiresAt: future)).id
    // The transaction itself looks, and then a read: the result is the same whether or not the sweep has run in between.
    let past = past
    let (id, wasSeen, deleted) = try await store.write { transaction in
      let id = try transaction.add(MemoryDraft(userID: "u", text: "gone", embedding: [1, 0], expiresAt: past)).id
      let other = try transaction.add(MemoryDraft(userID: "v", text: "gone", expiresAt: past)).id
      let seen = try transaction.memory(id, for: "u") != nil || transaction.memory(other, for: "v") != nil
      return (id, seen, try transaction.delete(where: .and([]), scope: .user("v")))
    }
    #expect(!wasSeen && deleted == 0)
    #expect(try store.memory(id, for: "u") == nil)
    #expect(try store.embedding(of: id, for: "u") == nil)
    #expect(try store.count() == 1)
    #expect(try store.count(scope: .user("u")) == 1)
    #expect(try store.count(scope: .user("v")) == 0)
    #expect(try store.memories(for: "u").map(\.id) == [live])
    #expect(try store.search(SearchQuery(embedding: [1, 0], scope: .all)).map(\.memory.id) == [live])
    #expect(try store.status.memories == 1)
    #expect(await storeErrorCode { try await store.update(id, for: "u") { $0 } } == .notFound)
    #expect(try await store.delete(id, for: "u") == false)
    try await store.close()
  }

  @Test func theSweepRemovesWhatHasExpired() async throws {
    let store = try await scratch.open(dimension: 2, clock: TestClock(bootHoursPerLook: 1).clock)
    let past = past
    try await store.add(
      (0..<300).map { MemoryDraft(userID: "u\($0 % 2)", text: "\($0)", embedding: [1, 0], expiresAt: $0 % 3 == 0 ? nil : past) })
    try await store.add(MemoryDraft(userID: "only expired", text: "x", expiresAt: past))
    #expect(try store.count() == 100)
    #expect(try await eventually { try store.status.rowsLive == 100 && store.status.users == 2 })
    #expect(try store.users().map(\.memories).sorted() == [50, 50])
    #expect(try store.read { snapshot in try snapshot.read { try $0.state().memories } } == 100)
    #expect(try store.count() == 100)
    try await store.close()
  }

  /// The only test that waits for the real clock: a memory expires while a snapshot is held.
  @Test(.timeLimit(.minutes(5))) func aSnapshotJudgesByItsOwnClock() async throws {
    let store = try await scratch.open(dimension: 2, clock: TestClock(bootHoursPerLook: 1).clock)
    let expiry = Date(timeIntervalSinceNow: 1.5).roundedToMilliseconds
    let id = try await store.add(MemoryDraft(userID: "u", text: "soon gone", embedding: [1, 0], expiresAt: expiry)).id
    let snapshot = try store.snapshot()
    try #require(Date() < expiry, "the machine was too slow for this test: a write took longer than a second")
    #expect(try store.memory(id, for: "u") != nil)
    #expect(try await eventually { try store.memory(id, for: "u") == nil })
    // The clock is rounded to the nearest millisecond.
    #expect(Date() >= expiry.addingTimeInterval(-0.001))
    #expect(try store.count() == 0)
    #expect(try store.search(SearchQuery(embedding: [1, 0], scope: .user("u"))).isEmpty)
    #expect(try snapshot.memory(id, for: "u")?.text == "soon gone")
    #expect(try snapshot.count(scope: .user("u")) == 1)
    #expect(try snapshot.search(SearchQuery(embedding: [1, 0], scope: .all)).map(\.memory.id) == [id])
    // The snapshot shows the memory even after the sweep has removed it.
    #expect(try await eventually { try store.status.rowsLive == 0 })
    #expect(try snapshot.embedding(of: id, for: "u") == [1, 0])
    #expect(try snapshot.memories(for: "u").count == 1)
    _ = consume snapshot
    try await store.close()
  }

  @Test func anExpiryCanBeMovedAndTakenBack() async throws {
    let store = try await scratch.open(dimension: 2, clock: TestClock(bootHoursPerLook: 1).clock)
    let (past, future) = (past, future)
    let ids = try await store.add(
      (0..<3).map { MemoryDraft(userID: "u", text: "\($0)", embedding: [1, 0], expiresAt: $0 == 0 ? nil : future) }
    ).map(\.id)
    try await store.update(ids[0], for: "u") { $0.with(expiresAt: .some(past)) }
    try await store.update(ids[1], for: "u") { $0.with(expiresAt: .some(nil)) }
    try await store.update(ids[2], for: "u") { $0.with(expiresAt: .some(past)) }
    #expect(try store.memories(for: "u").map(\.id) == [ids[1]])
    #expect(try store.memory(ids[1], for: "u")?.expiresAt == nil)
    #expect(try await eventually { try store.status.rowsLive == 1 })
    #expect(try store.read { snapshot in try snapshot.read { try $0.expiredCount(nil) } } == 0)
    try await store.close()
  }

  @Test func anExpiredMemorysIDIsFree() async throws {
    let store = try await scratch.open(dimension: 2)
    let (id, past) = (MemoryID(), past)
    let again = try await store.write { transaction in
      try transaction.add(MemoryDraft(userID: "u", text: "old", embedding: [1, 0], expiresAt: past, id: id))
      return try transaction.add(MemoryDraft(userID: "v", text: "new", embedding: [0, 1], id: id)).id
    }
    #expect(again == id)
    #expect(try store.memory(id, for: "v")?.userID == "v")
    #expect(try store.users().map(\.userID) == ["v"])
    #expect(try store.search(SearchQuery(embedding: [1, 1], scope: .all)).map(\.memory.text) == ["new"])
    try await store.close()
  }
}
