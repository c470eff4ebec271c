import Foundation
import TestSupport
import Testing

@testable import Engram

/// Every call on one memory names its user: a memory of another user is absent, even if the caller knows its id.
@Suite(.serialized) struct OwnershipTests {
  private let scratch = ScratchStore()
  /// Names whose characters are composed differently are different users.
  private let others = ["v", "U", "u ", "\u{E9}", "e\u{301}"]

  private func fill(_ store: MemoryStore, _ user: String) async throws -> MemoryID {
    let id = MemoryID()
    try await store.add(MemoryDraft(userID: user, text: "mine", embedding: [1, 0], id: id))
    return id
  }

  @Test func readsFindNothingOfAnotherUser() async throws {
    let store = try await scratch.open(dimension: 2)
    let id = try await fill(store, "u")
    try store.read { snapshot in
      for user in ["u"] + others {
        let expected: (text: String?, embedding: Embedding?, count: Int?) = user == "u" ? ("mine", [1, 0], 2) : (nil, nil, nil)
        let (inSnapshot, inStore) = (try snapshot.memory(id, for: user), try store.memory(id, for: user))
        #expect(inSnapshot?.text == expected.text && inStore?.text == expected.text, "\(user)")
        let embeddings = [try snapshot.embedding(of: id, for: user), try store.embedding(of: id, for: user)]
        #expect(embeddings == [expected.embedding, expected.embedding], "\(user)")
        let counts = [try snapshot.withEmbedding(of: id, for: user) { $0.count }, try store.withEmbedding(of: id, for: user) { $0.count }]
        #expect(counts == [expected.count, expected.count], "\(user)")
      }
    }
    await expectCode(.invalidUserID) { _ = try store.memory(id, for: "") }
    await expectCode(.invalidUserID) { _ = try store.embedding(of: id, for: "") }
    try await store.close()
  }

  @Test func aComposedNameIsAnotherUser() async throws {
    let store = try await scratch.open(dimension: 2)
    let id = try await fill(store, "\u{E9}")
    #expect(try store.memory(id, for: "\u{E9}") != nil && store.memory(id, for: "e\u{301}") == nil)
    #expect(try await store.delete(id, for: "e\u{301}") == false)
    #expect(try await store.delete(id, for: "\u{E9}"))
    try await store.close()
  }

  @Test(arguments: [false, true]) func writesChangeNothingOfAnotherUser(hasEmbedder: Bool) async throws {
    let store =
      hasEmbedder ? try await scratch.open(embedder: HashingEmbedder(dimension: 2)) : try await scratch.open(dimension: 2)
    let id = try await fill(store, "u")
    let sequence = try store.status.batchSequence
    for user in others {
      let error = await storeError { try await store.update(id, for: user) { $0.with(text: "stolen") } }
      let missing = await storeError { try await store.update(id.next, for: user) { $0.with(text: "stolen") } }
      #expect(error?.code == .notFound)
      // The message must not show that the id exists.
      #expect(error?.message.replacing("\(id)", with: "") == missing?.message.replacing("\(id.next)", with: ""))
      await expectCode(.notFound) { try await store.update(id, for: user, embedding: [0, 1]) { $0 } }
      #expect(try await store.delete(id, for: user) == false)
      let wasSeen = try await store.write { transaction in
        let isThere = try transaction.memory(id, for: user) != nil || transaction.embedding(of: id, for: user) != nil
        let isLent = try transaction.withEmbedding(of: id, for: user) { $0.count } != nil
        do {
          try transaction.update(id, for: user) { $0.with(importance: 1) }
          return true
        } catch let error as StoreError where error.code == .notFound {
          return try transaction.delete(id, for: user) || isThere || isLent
        }
      }
      #expect(!wasSeen, "\(user)")
    }
    #expect(try store.status.batchSequence == sequence)
    #expect(try store.memory(id, for: "u")?.text == "mine")
    await expectCode(.invalidUserID) { try await store.update(id, for: "") { $0 } }
    await expectCode(.invalidUserID) { try await store.delete(id, for: "") }
    await expectCode(.invalidUserID) { try await store.erase([id], for: "") }
    try await store.close()
  }

  @Test func anErasureLeavesTheMemoriesOfOtherUsers() async throws {
    let store = try await scratch.open(dimension: 2)
    let draft = { (user: String, text: String) in MemoryDraft(userID: user, text: text, embedding: [1, 0], id: MemoryID()) }
    let drafts = [draft("u", "the first memory of this user"), draft("v", "the only memory of the other"), draft("u", "the second one")]
    try await store.add(drafts)
    let ids = drafts.compactMap(\.id)
    let receipt = try await store.erase(ids + [MemoryID()], for: "u", verifiesErasure: true)
    #expect(receipt.memories == 2 && receipt.embeddings == 2 && receipt.isComplete && receipt.scan?.isClean == true, "\(receipt)")
    #expect(receipt.subject == .memories(receipt.subject.ids, userID: "u") && receipt.subject.ids.prefix(3) == ids[...])
    for subject in [receipt.subject, .memories(ids, userID: nil), .memories([], userID: "u"), .user("u")] {
      #expect(try JSONDecoder().decode(ErasureReceipt.Subject.self, from: try JSONEncoder().encode(subject)) == subject)
    }
    #expect(try store.memory(ids[1], for: "v")?.text == "the only memory of the other")
    #expect(try store.embedding(of: ids[1], for: "v") == [1, 0])
    let again = try await store.erase([ids[1]], for: "u", verifiesErasure: true)
    #expect(again.memories == 0 && again.hadNoRecords && again.scan?.isClean == true, "\(again)")
    #expect(try store.count() == 1)
    #expect(try await store.verify(deep: true).isIntact)
    try await store.close()
  }

  /// A row that the transaction itself has added is either in memory only, or in the file but not published.
  @Test func aTransactionReadsTheEmbeddingsThatItAdds() async throws {
    let store = try await scratch.open(dimension: 1024, metric: .dot)
    let old = MemoryID()
    try await store.add(MemoryDraft(userID: "u", text: "old", embedding: Self.components(7), id: old))
    let differing = try await store.write { transaction in
      // More rows than are buffered before they are written.
      let ids = (0..<1100).map { _ in MemoryID() }
      for (number, id) in ids.enumerated() {
        try transaction.add(MemoryDraft(userID: "u", text: "new", embedding: Self.components(number), id: id))
      }
      try transaction.update(old, for: "u", embedding: Self.components(8)) { $0 }
      var differing: [Int] = []
      if try transaction.embedding(of: old, for: "u") != Self.components(8) { differing.append(-1) }
      for (number, id) in ids.enumerated() where number % 50 == 0 || number > 1090 {
        if try transaction.embedding(of: id, for: "u") != Self.components(number) { differing.append(number) }
      }
      if try transaction.withEmbedding(of: ids[3], for: "u", { $0[0] }) != 3 { differing.append(-3) }
      return differing
    }
    #expect(differing == [])
    try await store.close()
  }

  private static func components(_ number: Int) -> Embedding { Embedding((0..<1024).map { Float($0 + number) }) }
}

extension ErasureReceipt.Subject {
  fileprivate var ids: [MemoryID] { if case .memories(let ids, _) = self { ids } else { [] } }
}

extension MemoryID {
  /// An id that no memory has in these tests.
  fileprivate var next: MemoryID { MemoryID(high: high, low: low &+ 1) }
}
