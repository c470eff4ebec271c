import Foundation
import TestSupport
import Testing

@testable import Engram

/// Memories that take the place of several others, and how that is undone.
@Suite(.serialized) struct SupersedingTests {
  private let place = TestStore()

  private static func summary(_ origins: [MemoryID], _ number: Int = 9) -> MemoryDraft {
    var draft = TestStore.draft("u", number)
    draft.derivedFrom = origins
    draft.supersedesOrigins = true
    return draft
  }

  private func found(_ store: MemoryStore) throws -> Set<MemoryID> {
    Set(try store.search(SearchQuery(embedding: TestStore.vector(1), scope: .user("u"), limit: 20)).map(\.memory.id))
  }

  @Test(.timeLimit(.minutes(5))) func aSummaryTakesThePlaceOfItsOriginsInOneCommit() async throws {
    let store = try await place.open()
    let ids = try await store.add((1...4).map { TestStore.draft("u", $0) }).map(\.id)
    let sequence = try store.status.batchSequence
    let id = try await store.add(Self.summary(Array(ids[0..<3]))).id
    #expect(try store.status.batchSequence == sequence + 1)
    #expect(try found(store) == [id, ids[3]])
    #expect(try store.memory(id, for: "u")?.derivedFrom == Array(ids[0..<3]))
    for origin in ids[0..<3] {
      let memory = try #require(try store.memory(origin, for: "u"))
      #expect(memory.supersededBy == id && memory.version == 2)
      #expect(try store.history(of: origin, for: "u").first?.supersededBy == nil)
    }
    #expect(try await store.verify().problems == [])
    // A summary of summaries.
    let last = try await store.add(Self.summary([id, ids[3]], 10)).id
    #expect(try found(store) == [last])
    #expect(try await store.retract(last, for: "u") == [id, ids[3]])
    #expect(try found(store) == [id, ids[3]])
    #expect(try await store.retract(id, for: "u", ifVersion: 3) == Array(ids[0..<3]))
    #expect(try found(store) == Set(ids))
    #expect(try store.memory(id, for: "u") == nil && store.memory(ids[0], for: "u")?.version == 3)
    #expect(try await store.verify().problems == [])
    try await store.close()
    let again = try await place.open()
    #expect(try found(again) == Set(ids))
    try await again.close()
  }

  @Test(.timeLimit(.minutes(5))) func aRefusedSummaryChangesNothing() async throws {
    let store = try await place.open()
    let ids = try await store.add((1...3).map { TestStore.draft("u", $0) }).map(\.id)
    let other = try await store.add(TestStore.draft("v", 4)).id
    var successor = TestStore.draft("u", 5)
    successor.replaces = ids[2]
    let newer = try await store.add(successor).id
    let before = try StoreContents(store)

    await expectCode(.invalidArgument) { try await store.add(Self.summary([])) }
    await expectCode(.notFound) { try await store.add(Self.summary([ids[0], MemoryID()])) }
    // Another user's memory counts as absent.
    await expectCode(.notFound) { try await store.add(Self.summary([ids[0], other])) }
    await expectCode(.conflict) { try await store.add(Self.summary([ids[0], ids[2]])) }
    await expectCode(.valueTooLarge) { try await store.add(Self.summary((0..<65).map { _ in MemoryID() })) }
    var expired = Self.summary([ids[0]])
    expired.expiresAt = Date(timeIntervalSinceNow: -60)
    let late = expired
    await expectCode(.invalidArgument) { try await store.add(late) }
    await expectCode(.notFound) { try await store.retract(MemoryID(), for: "u") }
    await expectCode(.notFound) { try await store.retract(newer, for: "v") }
    await expectCode(.versionMismatch) { try await store.retract(newer, for: "u", ifVersion: 2) }
    await expectCode(.conflict) { try await store.retract(ids[0], for: "u") }
    #expect(try StoreContents(store) == before)

    // A body that catches the error commits the rest alone.
    let added = try await store.write { transaction in
      #expect(throws: StoreError.self) { try transaction.add(Self.summary([ids[0], ids[2]])) }
      return try transaction.add(TestStore.draft("u", 6)).id
    }
    #expect(try found(store) == [ids[0], ids[1], newer, added])
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func theTrustOfASummaryIsTheLowestOfItsOrigins() async throws {
    let store = try await place.open()
    func origins(_ trusts: [Trust?]) async throws -> [MemoryID] {
      try await store.add(
        trusts.enumerated().map { number, trust in
          var draft = TestStore.draft("u", number)
          draft.trust = trust
          return draft
        }
      ).map(\.id)
    }
    for (trusts, expected) in [([.high, .low, .medium], .low), ([.high, .high], .high), ([.high, nil], nil)] as [([Trust?], Trust?)] {
      let id = try await store.add(Self.summary(try await origins(trusts))).id
      #expect(try store.memory(id, for: "u")?.trust == expected, "\(trusts)")
      let matches = try store.search(
        SearchQuery(embedding: TestStore.vector(9), scope: .user("u"), limit: 20, filter: .trust(atLeast: .low)))
      #expect(matches.contains { $0.memory.id == id } == (expected != nil))
    }
    var own = Self.summary(try await origins([.low, .low]))
    own.trust = .high
    let id = try await store.add(own).id
    #expect(try store.memory(id, for: "u")?.trust == .high)
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func upsertsAndRetriesSupersedeOnce() async throws {
    let store = try await place.open()
    let ids = try await store.add((1...4).map { TestStore.draft("u", $0) }).map(\.id)
    var draft = Self.summary([ids[0], ids[1], ids[0]])
    draft.dedupeKey = "summary"
    let first = draft
    let id = try await store.add(first).id
    #expect(try store.memory(ids[0], for: "u")?.version == 2, "an origin that is named twice is changed once")
    // The answer was lost, and the caller tries again.
    #expect(try await store.add(first).outcome == .existing)
    #expect(try store.memory(ids[0], for: "u")?.version == 2)
    var wider = Self.summary(ids)
    wider.dedupeKey = "summary"
    let second = wider
    #expect(try await store.upsert(second).id == id)
    #expect(try found(store) == [id])
    #expect(try store.memory(ids[0], for: "u")?.version == 2, "a memory that is superseded already is not changed")
    // What was deleted or made current again meanwhile is left as it is.
    try await store.delete(ids[1], for: "u")
    try await store.update(ids[2], for: "u") { $0.with(supersededBy: .some(nil)) }
    #expect(try await store.retract(id, for: "u") == [ids[0], ids[3]])
    #expect(try found(store) == [ids[0], ids[2], ids[3]])
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aRetractedCorrectionBringsBackTheReplacedMemory() async throws {
    let store = try await place.open(StoreOptions(dimension: 8, historyLimit: 0))
    let old = try await store.add(TestStore.draft("u", 1)).id
    var draft = TestStore.draft("u", 2)
    draft.replaces = old
    let new = try await store.add(draft).id
    #expect(try found(store) == [new])
    #expect(try await store.write { try $0.retract(new, for: "u") } == [old])
    #expect(try found(store) == [old])
    try await store.close()
  }

  @Test func aDraftKeepsTheFlagInJSON() throws {
    let draft = Self.summary([MemoryID()])
    let decoded = try JSONDecoder().decode(MemoryDraft.self, from: try JSONEncoder().encode(draft))
    #expect(decoded == draft && decoded.supersedesOrigins)
    var other = draft
    other.supersedesOrigins = false
    #expect(other != draft)
  }
}
