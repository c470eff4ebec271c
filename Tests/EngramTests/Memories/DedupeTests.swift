import Foundation
import TestSupport
import Testing

@testable import Engram

/// No two memories of a user have the same dedupe key.
@Suite(.serialized) struct DedupeTests {
  private let scratch = ScratchStore()

  private func draft(_ user: String, _ text: String, _ key: String? = "k", expiresAt: Date? = nil) -> MemoryDraft {
    MemoryDraft(userID: user, text: text, embedding: [1, 2], expiresAt: expiresAt, dedupeKey: key)
  }

  @Test func aSecondMemoryOfTheSameKeyIsNotAdded() async throws {
    let store = try await scratch.open(dimension: 2)
    let first = try await store.add(draft("u", "first")).id
    let sequence = try store.status.batchSequence
    #expect(try await store.add(draft("u", "second")).id == first)
    #expect(try store.status.batchSequence == sequence)
    #expect(try store.memory(first, for: "u")?.text == "first")
    #expect(
      try await store.add([draft("u", "third"), draft("u", "other", "k2"), draft("u", "fourth")]).map(\.id).filter { $0 == first }.count
        == 2)
    #expect(try store.count() == 2)
    #expect(try store.status.rowsLive == 2)
    try await store.close()
  }

  @Test func keysBelongToOneUser() async throws {
    let store = try await scratch.open(dimension: 2)
    let ids = [
      try await store.add(draft("u", "a")).id, try await store.add(draft("v", "b")).id, try await store.add(draft("u", "c", "")).id,
      try await store.add(draft("u", "d", nil)).id, try await store.add(draft("u", "e", nil)).id,
    ]
    #expect(Set(ids).count == 5)
    #expect(try await store.add(draft("v", "again")).id == ids[1])
    #expect(try await store.add(draft("u", "again", "")).id == ids[2])
    try await store.close()
  }

  @Test func aDeletedHolderFreesItsKey() async throws {
    let store = try await scratch.open(dimension: 2)
    let first = try await store.add(draft("u", "first")).id
    try await store.delete(first, for: "u")
    let second = try await store.add(draft("u", "second")).id
    #expect(second != first)
    #expect(try await store.add(draft("u", "third")).id == second)
    try await store.close()
  }

  @Test func anExpiredHolderCountsAsAbsent() async throws {
    let store = try await scratch.open(dimension: 2)
    let ids = try await store.write { transaction in
      // One transaction, so that the sweep cannot run in between.
      let first = try transaction.add(draft("u", "first", expiresAt: Date(timeIntervalSince1970: 1))).id
      let second = try transaction.add(draft("u", "second")).id
      return [first, second, try transaction.add(draft("u", "third")).id]
    }
    #expect(ids[0] != ids[1] && ids[1] == ids[2])
    #expect(try store.memory(ids[0], for: "u") == nil)
    #expect(try store.memory(ids[1], for: "u")?.text == "second")
    #expect(try store.status.rowsLive == 1)
    #expect(try store.count() == 1)
    try await store.close()
  }

  @Test func aKeyStaysWithItsMemoryThroughUpdates() async throws {
    let store = try await scratch.open(dimension: 2)
    let first = try await store.add(draft("u", "first")).id
    try await store.update(first, for: "u", embedding: [2, 1]) { $0.with(text: "changed", kind: "x") }
    #expect(try store.memory(first, for: "u")?.dedupeKey == "k")
    #expect(try await store.add(draft("u", "second")).id == first)
    try await store.update(first, for: "u") { $0.with(expiresAt: Date(timeIntervalSince1970: 5)) }
    #expect(try await store.add(draft("u", "third")).id != first)
    try await store.close()
  }
}
