import Foundation
import TestSupport
import Testing

@testable import Engram

/// Write bodies that declare their users.
@Suite(.serialized) struct DeclaredUsersTests {
  private let scratch = ScratchStore()
  private typealias Call = @Sendable (inout WriteTransaction, _ user: String, MemoryID) throws -> Void

  /// Every call of a transaction that names a user or a scope.
  private static let calls: [(name: String, call: Call)] = [
    ("context", { transaction, user, _ in _ = try transaction.context(for: user) }),
    ("contextOfType", { transaction, user, _ in _ = try transaction.context(UserContext.self, for: user) }),
    ("versionedContext", { transaction, user, _ in _ = try transaction.versionedContext(for: user) }),
    ("put", { transaction, user, _ in try transaction.put(UserContext(userID: user)) }),
    ("putIfVersion", { transaction, user, _ in try transaction.put(UserContext(userID: user), ifVersion: 7) }),
    ("updateContext", { transaction, user, _ in try transaction.updateContext(for: user) { $0 } }),
    ("updateContextIfVersion", { transaction, user, _ in try transaction.updateContext(for: user, ifVersion: 7) { $0 } }),
    ("exchange", { transaction, user, _ in try transaction.updateContext(for: user, message: "a", response: "b") }),
    ("deleteContext", { transaction, user, _ in try transaction.deleteContext(UserContext.self, for: user) }),
    ("memory", { transaction, user, id in _ = try transaction.memory(id, for: user) }),
    ("memoryByKey", { transaction, user, _ in _ = try transaction.memory(dedupeKey: "k", for: user) }),
    ("neighbors", { transaction, user, id in _ = try transaction.neighbors(of: id, for: user, count: 1) }),
    ("embedding", { transaction, user, id in _ = try transaction.embedding(of: id, for: user) }),
    ("withEmbedding", { transaction, user, id in _ = try transaction.withEmbedding(of: id, for: user) { $0.count } }),
    ("add", { transaction, user, _ in try transaction.add(MemoryDraft(userID: user, text: "t")) }),
    ("addMany", { transaction, user, _ in try transaction.add([MemoryDraft(userID: user, text: "t")]) }),
    ("upsert", { transaction, user, _ in try transaction.upsert(MemoryDraft(userID: user, text: "t", dedupeKey: "k")) }),
    ("update", { transaction, user, id in try transaction.update(id, for: user) { $0 } }),
    ("delete", { transaction, user, id in try transaction.delete(id, for: user) }),
    ("deleteWhereOfUsers", { transaction, user, _ in try transaction.delete(where: .kind("none"), scope: .users(["a", user])) }),
    ("deleteWhere", { transaction, user, _ in try transaction.delete(where: .kind("none"), scope: .user(user)) }),
  ]

  private func fill(_ store: MemoryStore) async throws -> [String: MemoryID] {
    var ids: [String: MemoryID] = [:]
    for user in ["a", "b", "c"] {
      ids[user] = try await store.add(MemoryDraft(userID: user, text: "of \(user)", embedding: [1, 0], dedupeKey: "k")).id
      try await store.put(UserContext(userID: user))
    }
    return ids
  }

  /// - Returns: The error that the whole write throws; nil if it succeeds.
  private func write(
    _ store: MemoryStore, _ users: [String]?, swallows: Bool, _ call: @escaping Call, _ user: String, _ id: MemoryID
  ) async
    -> StoreError?
  {
    await storeError {
      try await store.write(users: users) { transaction in
        try transaction.updateContext(for: "a", message: "before", response: "it")
        do {
          try call(&transaction, user, id)
        } catch  where swallows {}
        try transaction.updateContext(for: "a", message: "after", response: "it")
      }
    }
  }

  @Test(arguments: [false, true]) func everyCallForAnotherUserFailsTheWrite(swallows: Bool) async throws {
    let store = try await scratch.open(dimension: 2)
    let ids = try await fill(store)
    let sequence = try store.status.batchSequence
    for (name, call) in Self.calls {
      let error = await write(store, ["a", "b"], swallows: swallows, call, "c", try #require(ids["c"]))
      #expect(error?.code == .undeclaredUser, "\(name): \(error.map { "\($0)" } ?? "no error")")
      #expect(error?.message.contains("'c'") == true)
    }
    let all = await write(
      store, ["a", "b", "c"], swallows: swallows, { transaction, _, _ in try transaction.delete(where: .kind("none"), scope: .all) }, "a",
      MemoryID())
    #expect(all?.code == .undeclaredUser)
    // Nothing was committed, not even what the body did before the refused call.
    #expect(try store.status.batchSequence == sequence)
    #expect(try store.context(for: "a")?.conversationsCount == 0)
    try await store.close()
  }

  @Test func declaredUsersAndBodiesThatDeclareNoneMayAll() async throws {
    let store = try await scratch.open(dimension: 2)
    let ids = try await fill(store)
    for users in [nil, ["a", "b"]] {
      for (name, call) in Self.calls where !name.hasSuffix("IfVersion") && name != "update" {
        let error = await write(store, users, swallows: false, call, "b", try #require(ids["b"]))
        #expect(error == nil, "\(name): \(error.map { "\($0)" } ?? "")")
      }
    }
    let none = try await store.write(users: []) { _ in 1 }
    #expect(none == 1)
    #expect(await write(store, [], swallows: true, Self.calls[0].call, "a", MemoryID())?.code == .undeclaredUser)
    await expectCode(.invalidUserID) { try await store.write(users: ["a", ""]) { _ in } }
    // Names whose characters are composed differently are different users.
    await expectCode(.undeclaredUser) { try await store.write(users: ["\u{E9}"]) { _ = try $0.context(for: "e\u{301}") } }
    try await store.close()
  }

  /// Only the failing body of a batch is undone, and the users that it declared do not restrict the next body.
  @Test(.timeLimit(.minutes(5))) func theOtherWritesOfTheBatchStay() async throws {
    let store = try await scratch.open(dimension: 2)
    try await writesInOneBatch(store, 3) { group in
      for user in ["a", "b", "c"] {
        group.addTask {
          do {
            try await store.write(users: user == "c" ? nil : [user]) { transaction in
              try transaction.add(MemoryDraft(userID: user, text: "t", embedding: [1, 0]))
              try transaction.updateContext(for: user == "a" ? "a" : "shared") { $0.with(friendshipLevel: 1) }
            }
            #expect(user != "b")
          } catch let error as StoreError where error.code == .undeclaredUser {
            #expect(user == "b")
          }
        }
      }
    }
    #expect(try store.users().map(\.userID).sorted() == ["a", "c", "shared"])
    #expect(try await store.verify(deep: true).isIntact)
    try await store.close()
  }
}
