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
    let first = try await store.add(draft("u", "first"))
    let sequence = try store.status.batchSequence
    #expect(try await store.add(draft("u", "second")) == first)
    #expect(try store.status.batchSequence == sequence)
    #expect(try store.memory(first)?.text == "first")
    #expect(try await store.add([draft("u", "third"), draft("u", "other", "k2"), draft("u", "fourth")]).filter { $0 == first }.count == 2)
    #expect(try store.count() == 2)
    #expect(try store.status.rowsLive == 2)
    try await store.close()
  }

  @Test func keysBelongToOneUser() async throws {
    let store = try await scratch.open(dimension: 2)
    let ids = [
      try await store.add(draft("u", "a")), try await store.add(draft("v", "b")), try await store.add(draft("u", "c", "")),
      try await store.add(draft("u", "d", nil)), try await store.add(draft("u", "e", nil)),
    ]
    #expect(Set(ids).count == 5)
    #expect(try await store.add(draft("v", "again")) == ids[1])
    #expect(try await store.add(draft("u", "again", "")) == ids[2])
    try await store.close()
  }

  @Test func aDeletedHolderFreesItsKey() async throws {
    let store = try await scratch.open(dimension: 2)
    let first = try await store.add(draft("u", "first"))
    try await store.delete(first)
    let second = try await store.add(draft("u", "second"))
    #expect(second != first)
    #expect(try await store.add(draft("u", "third")) == second)
    try await store.close()
  }

  @Test func anExpiredHolderCountsAsAbsent() async throws {
    let store = try await scratch.open(dimension: 2)
    let ids = try await store.write { transaction in
      // Within one transaction, so that the sweep cannot come between.
      let first = try transaction.add(draft("u", "first", expiresAt: Date(timeIntervalSince1970: 1)))
      let second = try transaction.add(draft("u", "second"))
      return [first, second, try transaction.add(draft("u", "third"))]
    }
    #expect(ids[0] != ids[1] && ids[1] == ids[2])
    #expect(try store.memory(ids[0]) == nil)
    #expect(try store.memory(ids[1])?.text == "second")
    #expect(try store.status.rowsLive == 1)
    #expect(try store.count() == 1)
    try await store.close()
  }

  @Test func aKeyStaysWithItsMemoryThroughUpdates() async throws {
    let store = try await scratch.open(dimension: 2)
    let first = try await store.add(draft("u", "first"))
    try await store.update(first, embedding: [2, 1]) { $0.with(text: "changed", kind: "x") }
    #expect(try store.memory(first)?.dedupeKey == "k")
    #expect(try await store.add(draft("u", "second")) == first)
    try await store.update(first) { $0.with(expiresAt: Date(timeIntervalSince1970: 5)) }
    #expect(try await store.add(draft("u", "third")) != first)
    try await store.close()
  }
}
