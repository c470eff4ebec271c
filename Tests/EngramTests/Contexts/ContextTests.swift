import Foundation
import TestSupport
import Testing

@testable import Engram

/// Reads and changes of users' contexts, compared with plain values in memory.
@Suite(.serialized) struct ContextTests {
  private let scratch = ScratchStore()

  @Test func aUserWithoutAContextHasNone() async throws {
    let store = try await scratch.open()
    #expect(try store.context(for: "nobody") == nil)
    #expect(try store.history(for: "nobody").isEmpty)
    #expect(try store.users().isEmpty)
    #expect(try await store.deleteContext(UserContext.self, for: "nobody") == false)
    #expect(try store.status.batchSequence == 0)
    try await store.close()
  }

  @Test func aPutContextComesBackEqualAlsoAfterReopening() async throws {
    var random = SeededGenerator(seed: 1)
    let contexts = (0..<60).map { UserContext.random(userID: "user \($0)", &random) }
    let store = try await scratch.open()
    for context in contexts { try await store.put(context) }
    for context in contexts { #expect(try store.context(for: context.userID) == context) }
    try await store.close()
    let again = try await scratch.open()
    for context in contexts { #expect(try again.context(for: context.userID) == context) }
    #expect(try again.status.contexts == 60)
    #expect(try again.status.users == 60)
    try await again.close()
  }

  @Test func aNewUserGetsAFreshContext() async throws {
    let store = try await scratch.open()
    let before = Date().roundedToMilliseconds
    let context = try await store.updateContext(for: "new", message: "Hi", response: "Hello!")
    #expect(context.userID == "new")
    #expect(context.conversationsCount == 1)
    #expect(context.friendshipLevel == 0)
    #expect(context.preferences.isEmpty && context.topics.isEmpty)
    #expect(context.lastMessage == "Hi" && context.lastResponse == "Hello!")
    #expect(context.firstSeen >= before && context.lastSeen >= context.firstSeen)
    #expect(try store.context(for: "new") == context)
    let transformed = try await store.updateContext(for: "other") { $0.with(friendshipLevel: $0.friendshipLevel + 1) }
    #expect(transformed.friendshipLevel == 1 && transformed.conversationsCount == 0)
    try await store.close()
  }

  @Test func updatesBuildOnEachOther() async throws {
    let store = try await scratch.open()
    var expected = try await store.updateContext(for: "u", message: "1", response: "one")
    for turn in 2...20 {
      let stored = try await store.updateContext(for: "u", message: "\(turn)", response: "answer \(turn)")
      expected = expected.with(conversationsCount: turn, lastMessage: "\(turn)", lastResponse: "answer \(turn)", lastSeen: stored.lastSeen)
      #expect(stored == expected)
    }
    #expect(try store.context(for: "u") == expected)
    try await store.close()
  }

  @Test func anUpdateWhoseTransformThrowsChangesNothing() async throws {
    struct Refusal: Error {}
    let store = try await scratch.open()
    let context = try await store.updateContext(for: "u", message: "a", response: "b")
    await #expect(throws: Refusal.self) { try await store.updateContext(for: "u") { _ in throw Refusal() } }
    await #expect(throws: Refusal.self) { try await store.updateContext(for: "new") { _ in throw Refusal() } }
    #expect(try store.context(for: "u") == context)
    #expect(try store.context(for: "new") == nil)
    #expect(try store.users().map(\.userID) == ["u"])
    try await store.close()
  }

  @Test func aTransformMayNotReturnAnotherUsersContext() async throws {
    let store = try await scratch.open()
    try await store.put(UserContext(userID: "a", friendshipLevel: 1))
    try await store.put(UserContext(userID: "b", friendshipLevel: 2))
    let sequence = try store.status.batchSequence
    #expect(
      await storeErrorCode { try await store.updateContext(for: "a") { _ in UserContext(userID: "b", friendshipLevel: 9) } }
        == .invalidArgument)
    #expect(try store.context(for: "a")?.friendshipLevel == 1)
    #expect(try store.context(for: "b")?.friendshipLevel == 2)
    #expect(try store.status.batchSequence == sequence)
    try await store.close()
  }

  /// Bug: `==` on strings is canonical equivalence, but the key of a user is a hash of the bytes, so a transform could write under
  /// another user's key. Fix: compare the UTF-8.
  @Test func aTransformMayNotReturnAUserIDOfOtherBytes() async throws {
    let store = try await scratch.open()
    let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
    try await store.put(UserContext(userID: decomposed, friendshipLevel: 2))
    #expect(
      await storeErrorCode { try await store.updateContext(for: composed) { _ in UserContext(userID: decomposed, friendshipLevel: 9) } }
        == .invalidArgument)
    #expect(try store.context(for: decomposed)?.friendshipLevel == 2)
    #expect(try store.context(for: composed) == nil)
    try await store.close()
  }

  @Test func userIDsAreBytesAndNotSyntax() async throws {
    let names = [
      "%", "_", "/", "a", "a\u{0}", "a\u{0}b", "\u{0}", "caf\u{E9}", "cafe\u{301}", " ", "..", String(repeating: "x", count: 1024),
    ]
    let store = try await scratch.open()
    for (index, name) in names.enumerated() { try await store.put(UserContext(userID: name, conversationsCount: index)) }
    for (index, name) in names.enumerated() { #expect(try store.context(for: name)?.conversationsCount == index) }
    #expect(Set(try store.users().map { Array($0.userID.utf8) }) == Set(names.map { Array($0.utf8) }))
    for name in ["", String(repeating: "x", count: 1025), String(repeating: "é", count: 513)] {
      #expect(await storeErrorCode { try await store.put(UserContext(userID: name)) } == .invalidUserID)
      #expect(await storeErrorCode { _ = try store.context(for: name) } == .invalidUserID)
      #expect(await storeErrorCode { _ = try store.history(for: name) } == .invalidUserID)
      #expect(await storeErrorCode { try await store.updateContext(for: name) { $0 } } == .invalidUserID)
      #expect(await storeErrorCode { try await store.deleteContext(UserContext.self, for: name) } == .invalidUserID)
    }
    #expect(try store.status.contexts == names.count)
    try await store.close()
  }

  @Test func usersAreListedInPagesWithoutGapsOrRepeats() async throws {
    let store = try await scratch.open(dimension: 2)
    let names = (0..<137).map { "user-\($0)" }
    try await store.write { transaction in
      for (index, name) in names.enumerated() {
        if index % 3 != 0 { try transaction.put(UserContext(userID: name)) }
        if index % 3 != 1 { try transaction.add(MemoryDraft(userID: name, text: "t", embedding: index % 2 == 0 ? [1, 0] : nil)) }
      }
    }
    for limit in [1, 10, 136, 137, 1000] {
      var listed: [UserSummary] = []
      var cursor: PageCursor?
      repeat {
        let page = try store.users(after: cursor, limit: limit)
        #expect(page.count <= limit)
        listed += page
        cursor = page.next
      } while cursor != nil
      #expect(listed.count == names.count)
      #expect(Set(listed.map(\.userID)) == Set(names))
      for user in listed {
        let index = try #require(names.firstIndex(of: user.userID))
        #expect(user.contexts == (index % 3 != 0 ? 1 : 0))
        #expect(user.memories == (index % 3 != 1 ? 1 : 0))
        #expect(user.embeddings == (index % 3 != 1 && index % 2 == 0 ? 1 : 0))
      }
    }
    // The cursor stays valid if its user has been deleted since.
    let all = try store.users(limit: 1000).map(\.userID)
    let place = try #require(try store.users(limit: 51).next)
    try await store.deleteContext(UserContext.self, for: all[50])
    try await store.delete(where: .and([]), scope: .user(all[50]))
    #expect(try store.users(after: place, limit: 1000).map(\.userID) == Array(all[51...]))
    #expect(try store.status.users == 136)
    try await store.close()
  }

  /// Bug: the count of exchanges was incremented without a check for overflow. Fix: it stays at the largest value.
  @Test func aFullCounterOfExchangesDoesNotTrap() async {
    await #expect(processExitsWith: .success) {
      let scratch = ScratchStore()
      let store = try await scratch.open()
      try await store.put(UserContext(userID: "u", conversationsCount: .max))
      let context = try await store.updateContext(for: "u", message: "m", response: "r")
      guard context.conversationsCount == .max else { exit(3) }
      try await store.close()
    }
  }
}

extension UserContext {
  static func random(userID: String, _ random: inout SeededGenerator) -> UserContext {
    var preferences: [String: String] = [:]
    for _ in 0..<Int.random(in: 0...6, using: &random) { preferences[random.text(30)] = random.text(30) }
    return UserContext(
      userID: userID, conversationsCount: Int(truncatingIfNeeded: random.next()),
      friendshipLevel: Int.random(in: -300...300, using: &random),
      preferences: preferences, topics: (0..<Int.random(in: 0...30, using: &random)).map { _ in random.text(300) },
      lastMessage: random.chance(percent: 50) ? random.text(70_000) : nil, lastResponse: random.chance(percent: 50) ? random.text(20) : nil,
      firstSeen: random.date(), lastSeen: random.chance(percent: 50) ? random.date() : nil)
  }
}
