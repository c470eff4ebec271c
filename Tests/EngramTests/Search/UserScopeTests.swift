import Foundation
import TestSupport
import Testing

@testable import Engram

/// A scope of several users gives the merged results of the single users.
@Suite(.serialized) struct UserScopeTests {
  private static let users = (0..<12).map { "user\($0)" }
  private let scratch = ScratchStore()

  /// Components are whole numbers, so that many scores are equal. Some memories have expired, and the sweep has not removed them.
  private func filled(_ random: inout SeededGenerator) async throws -> (store: MemoryStore, ids: [MemoryID]) {
    let store = try await scratch.open(dimension: 2, metric: .dot, clock: TestClock(bootHoursPerLook: 0).clock)
    let drafts = (0..<900).map { index in
      var draft = RandomFilter.draft(
        user: random.element(of: Self.users), embedding: random.chance(percent: 10) ? nil : random.wholeVector(2), &random)
      if index % 11 == 0 { draft.expiresAt = Date(timeIntervalSinceNow: -1000) }
      return draft
    }
    return (store, try await store.add(drafts).map(\.id).sorted())
  }

  /// A random list, in any order, with repeats and unknown users.
  private func list(_ random: inout SeededGenerator) -> [String] {
    (0..<Int.random(in: 0...9, using: &random)).map { _ in random.element(of: Self.users + ["nobody"]) }
  }

  @Test func aSearchOfUsersIsTheMergeOfTheirSearches() async throws {
    var random = SeededGenerator(seed: 71)
    let (store, ids) = try await filled(&random)
    var queries: [SearchQuery] = []
    for round in 0..<150 {
      let users = list(&random)
      let query = SearchQuery(
        embedding: Embedding(random.wholeVector(2)), scope: .users(users), limit: random.element(of: [1, 4, 30, 1_000]),
        threshold: round % 3 == 0 ? Float(Int.random(in: -20...40, using: &random)) : nil,
        filter: round % 2 == 0 ? RandomFilter.tree(ids, &random) : nil, includesExplanation: true)
      let single = try Set(users).map { user in
        var query = query
        (query.scope, query.limit) = (.user(user), 1_000)
        return try store.search(query)
      }
      let expected = single.joined()
        .sorted { $0.score != $1.score ? $0.score > $1.score : $0.memory.id < $1.memory.id }.prefix(query.limit)
      let found = try store.search(query)
      #expect(found.map(\.memory) == expected.map(\.memory) && found.map(\.score) == expected.map(\.score), "\(users)")
      // The search reads no row of another user.
      if let explanation = found.first?.explanation, single.allSatisfy({ !$0.isEmpty }) {
        #expect(explanation.rowsInScope == single.compactMap { $0.first?.explanation?.rowsInScope }.reduce(0, +))
      }
      queries.append(query)
    }
    // Only how long a search took may differ.
    let (batch, single) = (try store.search(batch: queries), try queries.map { try store.search($0) })
    #expect(batch.map { $0.map(\.memory) } == single.map { $0.map(\.memory) })
    #expect(batch.map { $0.map(\.score) } == single.map { $0.map(\.score) })
    try await store.close()
  }

  @Test func countsAuditsAndDeletionsAreTheSumsOfTheSingleUsers() async throws {
    var random = SeededGenerator(seed: 72)
    let (store, ids) = try await filled(&random)
    for user in Self.users.prefix(6) { try await store.put(UserContext(userID: user)) }
    for round in 0..<40 {
      let users = list(&random)
      let each = Set(users)
      let filter = RandomFilter.tree(ids, &random)
      #expect(try store.count(scope: .users(users)) == each.reduce(0) { try $0 + store.count(scope: .user($1)) })
      let matching = try each.reduce(0) { try $0 + store.count(scope: .user($1), filter: filter) }
      #expect(try store.read { try $0.count(scope: .users(users), filter: filter) } == matching)
      #expect(try await store.count(scope: .users(users), filter: filter) == matching)
      let known = try each.filter { user in try store.users(limit: 1_000).contains { $0.userID == user } }
      let report = try await store.audit(AuditOptions(scope: .users(users)))
      var (memories, contexts, expired) = (0, 0, 0)
      for user in known {
        let one = try await store.audit(AuditOptions(scope: .user(user)))
        (memories, contexts, expired) = (memories + one.memories, contexts + one.contexts, expired + one.times.expired)
      }
      #expect(report.memories == memories && report.contexts == contexts && report.times.expired == expired)
      #expect(report.users.count == known.count)
      if round % 8 == 0 {
        let before = try store.count()
        #expect(try await store.delete(where: filter, scope: .users(users)) == matching)
        #expect(try store.count() == before - matching)
        #expect(try await store.count(scope: .users(users), filter: filter) == 0)
      }
    }
    try await store.close()
  }

  @Test func noUsersFindNothingAndTooManyAreRefused() async throws {
    var random = SeededGenerator(seed: 73)
    let (store, _) = try await filled(&random)
    let many = (0..<1024).map { "user\($0)" }
    func search(_ users: [String]) throws -> Int {
      try store.search(SearchQuery(embedding: [1, 1], scope: .users(users), limit: 1_000)).count
    }
    #expect(try search([]) == 0 && store.count(scope: .users([])) == 0)
    #expect(try await store.delete(where: .and([]), scope: .users([])) == 0)
    #expect(try search(many) == store.search(SearchQuery(embedding: [1, 1], scope: .all, limit: 1_000)).count)
    // A user who is named twice counts once.
    #expect(try search(many + many) == search(many))
    for scope in [SearchScope.users(many + ["one more"]), .users(["user1", ""])] {
      let code: StoreError.Code = scope == .users(["user1", ""]) ? .invalidUserID : .invalidArgument
      await expectCode(code) { _ = try store.search(SearchQuery(embedding: [1, 1], scope: scope)) }
      await expectCode(code) { _ = try store.count(scope: scope) }
      await expectCode(code) { _ = try await store.count(scope: scope, filter: .kind("fact")) }
      await expectCode(code) { _ = try await store.delete(where: .kind("fact"), scope: scope) }
      await expectCode(code) { _ = try await store.audit(AuditOptions(scope: scope)) }
    }
    try await store.close()
  }

  @Test func usersAreTheSameByTheirBytes() async throws {
    let store = try await scratch.open(dimension: 2, metric: .dot)
    let names = ["\u{E9}", "e\u{301}"]
    for name in names { try await store.add(MemoryDraft(userID: name, text: "of \(name.utf8.count)", embedding: [1, 0])) }
    #expect(try store.count(scope: .users(names)) == 2 && store.count(scope: .users([names[1]])) == 1)
    #expect(SearchScope.users([names[0]]) != .users([names[1]]))
    try await store.close()
  }

  /// No scope is large, but all of them together read 190 MB.
  @Test func aBatchOfSmallSearchesLooksWhetherItIsCancelled() async throws {
    let (dimension, users) = (4096, (0..<6).map { "user\($0)" })
    let store = try await scratch.open(dimension: dimension)
    var embedding = [Float](repeating: 0, count: dimension)
    let drafts = (0..<360).map { number in
      embedding[number] = 1
      return MemoryDraft(userID: users[number % 6], text: "\(number)", embedding: Embedding(embedding))
    }
    try await store.add(drafts)
    let queries = (1..<64).map { set in
      SearchQuery(embedding: drafts[set].embedding ?? [], scope: .users((0..<6).filter { set >> $0 & 1 == 1 }.map { users[$0] }), limit: 1)
    }
    let calls = try store.readOnce { reader in
      var calls = 0
      _ = try ExactSearch(reader, check: { calls += 1 }).results(queries)
      return calls
    }
    #expect(calls >= 2)
    try await store.close()
  }
}
