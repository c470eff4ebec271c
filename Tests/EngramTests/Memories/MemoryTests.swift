import Files
import Foundation
import TestSupport
import Testing

@testable import Engram

/// Adding, reading and deleting memories.
@Suite(.serialized) struct MemoryTests {
  private let scratch = ScratchStore()

  @Test func everyFieldComesBackAlsoAfterReopening() async throws {
    let draft = MemoryDraft(
      userID: "u\u{0}/%_", text: "likes \u{0} ramen 水 e\u{301}", embedding: [3, 4, 0], kind: "fact", sessionID: "s-1", speaker: "Ünal",
      createdAt: Date(timeIntervalSince1970: 1_700_000_000.123_4), importance: 0.1,
      expiresAt: Date(timeIntervalSince1970: 4_000_000_000.000_6),
      dedupeKey: "ramen",
      metadata: [
        "": "", "text": "x", "int": 7, "min": .integer(.min), "double": 0.1, "whole": 1.0, "zero": .double(-0.0), "bool": true,
        "e\u{301}": false,
      ])
    var store = try await scratch.open(dimension: 3, metric: .cosine)
    let id = try await store.add(draft).id
    for _ in 0..<2 {
      let memory = try #require(try store.memory(id, for: draft.userID))
      #expect(memory.id == id)
      #expect(memory.userID == draft.userID)
      #expect(Array(memory.text.utf8) == Array(draft.text.utf8))
      #expect(memory.kind == "fact" && memory.sessionID == "s-1" && memory.speaker == "Ünal" && memory.dedupeKey == "ramen")
      #expect(memory.createdAt == Date(milliseconds: 1_700_000_000_123))
      #expect(memory.expiresAt == Date(milliseconds: 4_000_000_000_001))
      #expect(memory.importance == 0.1)
      #expect(memory.metadata == draft.metadata)
      #expect(memory.metadata["int"] == .integer(7) && memory.metadata["whole"] == .double(1) && memory.metadata["bool"] == .bool(true))
      #expect(try store.embedding(of: id, for: draft.userID) == [0.6, 0.8, 0])
      try await store.close()
      store = try await scratch.open()
    }
    try await store.close()
  }

  @Test func theBarestDraftGetsDefaults() async throws {
    let store = try await scratch.open()
    let before = Date(milliseconds: WallClock.now())
    let id = try await store.add(MemoryDraft(userID: "u", text: "")).id
    let memory = try #require(try store.memory(id, for: "u"))
    #expect(memory.text == "" && memory.kind == nil && memory.sessionID == nil && memory.speaker == nil)
    #expect(memory.expiresAt == nil && memory.dedupeKey == nil && memory.metadata.isEmpty && memory.importance == 0.5)
    #expect(memory.createdAt >= before && memory.createdAt <= Date())
    #expect(try store.embedding(of: id, for: "u") == nil)
    try await store.close()
  }

  @Test func addingManyGivesIDsInOrderInOneCommit() async throws {
    let store = try await scratch.open(dimension: 2)
    let sequence = try store.status.batchSequence
    let ids = try await store.add((0..<1500).map { MemoryDraft(userID: "u\($0 % 7)", text: "\($0)", embedding: [Float($0), 1]) }).map(\.id)
    #expect(ids.count == 1500 && Set(ids).count == 1500)
    #expect(ids == ids.sorted())
    #expect(try store.status.batchSequence == sequence + 1)
    for (index, id) in ids.enumerated() { #expect(try store.memory(id, for: "u\(index % 7)")?.text == "\(index)") }
    #expect(try await store.add([MemoryDraft]()).map(\.id) == [])
    #expect(try store.status.batchSequence == sequence + 1)
    try await store.close()
  }

  @Test func oneBadDraftAmongManyAddsNone() async throws {
    let store = try await scratch.open(dimension: 2)
    let drafts = [
      MemoryDraft(userID: "u", text: "1"), MemoryDraft(userID: "u", text: "2", embedding: [1]), MemoryDraft(userID: "u", text: "3"),
    ]
    #expect(await storeErrorCode { try await store.add(drafts) } == .dimensionMismatch)
    let id = MemoryID()
    let twice = [MemoryDraft(userID: "u", text: "1", id: id), MemoryDraft(userID: "u", text: "2", id: id)]
    #expect(await storeErrorCode { try await store.add(twice) } == .conflict)
    #expect(try store.count() == 0)
    #expect(try store.status.batchSequence == 0)
    #expect(try store.status.users == 0)
    try await store.close()
  }

  @Test func customIDsAreKeptAndConflictsRefused() async throws {
    let store = try await scratch.open(dimension: 2)
    let ids = ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "01234567-89ab-cdef-0123-456789abcdef"]
      .compactMap { MemoryID($0) }
    for id in ids { #expect(try await store.add(MemoryDraft(userID: "u", text: "\(id)", embedding: [1, 2], id: id)).id == id) }
    for id in ids { #expect(try store.memory(id, for: "u")?.text == "\(id)") }
    let sequence = try store.status.batchSequence
    for user in ["u", "other"] {
      let error = await storeError { try await store.add(MemoryDraft(userID: user, text: "again", embedding: [1, 2], id: ids[0])) }
      #expect(error?.code == .conflict)
      #expect(error?.message.contains("\(ids[0])") == true)
      // The message does not name the owner: it may be another user.
      #expect(error?.message.contains("user") == false)
    }
    #expect(try store.status.batchSequence == sequence)
    #expect(try store.count() == 3)
    try await store.delete(ids[0], for: "u")
    #expect(try await store.add(MemoryDraft(userID: "other", text: "free again", embedding: [1, 2], id: ids[0])).id == ids[0])
    #expect(try store.memory(ids[0], for: "other")?.userID == "other")
    try await store.close()
  }

  @Test func deletingTellsWhetherThereWasOne() async throws {
    let store = try await scratch.open(dimension: 2)
    let (a, b) = (
      try await store.add(MemoryDraft(userID: "u", text: "a", embedding: [1, 0])).id,
      try await store.add(MemoryDraft(userID: "u", text: "b")).id
    )
    for id in [a, b] {
      #expect(try await store.delete(id, for: "u"))
      #expect(try await store.delete(id, for: "u") == false)
      #expect(try store.memory(id, for: "u") == nil)
      #expect(try store.embedding(of: id, for: "u") == nil)
    }
    #expect(try await store.delete(MemoryID(), for: "u") == false)
    #expect(try store.status.memories == 0)
    #expect(try store.status.users == 0)
    #expect(try store.status.rowsLive == 0)
    try await store.close()
  }

  @Test func deletingByFilterDeletesWhatMatchesInTheScope() async throws {
    let store = try await scratch.open(dimension: 2)
    var expected: [MemoryID: Memory] = [:]
    let ids = try await store.add(
      (0..<600).map { index -> MemoryDraft in
        let kind = index % 3 == 0 ? "a" : index % 2 == 0 ? "b" : "c"
        let embedding = index % 5 == 0 ? nil : Embedding([Float(index), 1])
        return MemoryDraft(userID: "u\(index % 3)", text: "\(index)", embedding: embedding, kind: kind, importance: Double(index % 10) / 10)
      }
    ).map(\.id)
    for (index, id) in ids.enumerated() { expected[id] = try store.memory(id, for: "u\(index % 3)") }
    let steps: [(Filter, SearchScope)] = [
      (.kind("b") && .importance(atLeast: 0.5), .user("u1")), (.kind("a"), .all), (.ids(Set(ids[0..<50])), .all), (.or([]), .all),
      (!.importance(atLeast: 0.3), .user("u2")), (.and([]), .user("nobody")), (.and([]), .user("u1")),
    ]
    for (filter, scope) in steps {
      let doomed = expected.values.filter { memory in
        if case .user(let user) = scope, memory.userID != user { return false }
        return filter.matches(memory)
      }
      #expect(try await store.delete(where: filter, scope: scope) == doomed.count)
      for memory in doomed { expected[memory.id] = nil }
      #expect(try store.count() == expected.count)
      for (index, id) in ids.enumerated() { #expect(try store.memory(id, for: "u\(index % 3)") == expected[id]) }
      for user in ["u0", "u1", "u2", "nobody"] {
        #expect(try store.count(scope: .user(user)) == expected.values.count { $0.userID == user })
      }
    }
    #expect(!expected.isEmpty)
    #expect(await storeErrorCode { try await store.delete(where: .and([]), scope: .user("")) } == .invalidUserID)
    #expect(await storeErrorCode { _ = try store.count(scope: .user("")) } == .invalidUserID)
    try await store.close()
  }

  /// Bug: a body that removed a user's last memory marked the user's untouched blocks as removed and did not remember them. Undoing that
  /// body in a batch with others deleted those blocks, and the user's next memory found its block missing. Fix: remember the old block.
  @Test func aBodyThatEmptiesAUserAndThrowsIsUndoneWhole() async throws {
    struct Refusal: Error {}
    let store = try await scratch.open(dimension: 2)
    // Enough rows for a run of more than one block, of which the last block is untouched.
    while try store.status.rowsAllocated - store.status.rowsLive < 136 {
      try await store.add((0..<20).map { MemoryDraft(userID: "u", text: "\($0)", embedding: [1, Float($0)]) })
    }
    let count = try store.count()
    try await writesInOneBatch(store, 2) { group in
      group.addTask {
        await #expect(throws: Refusal.self) {
          try await store.write { transaction in
            try transaction.delete(where: .and([]), scope: .user("u"))
            throw Refusal()
          }
        }
      }
      group.addTask { _ = try await store.add(MemoryDraft(userID: "other", text: "stays", embedding: [1, 1])) }
    }
    #expect(try store.count(scope: .user("u")) == count)
    #expect(try store.count(scope: .user("other")) == 1)
    for _ in 0..<20 { try await store.add((0..<20).map { MemoryDraft(userID: "u", text: "after \($0)", embedding: [1, Float($0)]) }) }
    #expect(try store.count(scope: .user("u")) == count + 400)
    #expect(try store.search(SearchQuery(embedding: [1, 0], scope: .user("u"), limit: 10_000)).count == count + 400)
    try await store.close()
  }

  /// The bug: the file was extended for the rows that were written, but not for the rest of the run that the last one began. If the run
  /// crossed the end of the file, the store could not be opened until another write had made the file longer: "rows.f32 is truncated".
  /// Found by killing writers. The fix: the file is extended for every row that is allocated.
  @Test(.timeLimit(.minutes(5))) func theFileHoldsEveryRowThatIsGivenOut() async throws {
    let place = TestStore()
    let store = try await place.open(StoreOptions(dimension: 8, durability: .eventual(maxDelay: .seconds(1))))
    // A run of four rows for each user; the file grows by some four thousand rows at a time.
    for number in 0..<1100 {
      try await store.add(TestStore.draft("user\(number)", number))
      let size = try #require(try Directories.status("\(place.path)/gen-1/rows.f32")).sizeBytes
      let rows = try store.status.rowsAllocated
      try #require(size >= 4096 + rows * 64, "after \(number + 1) users")
    }
    try await store.close()
  }
}
