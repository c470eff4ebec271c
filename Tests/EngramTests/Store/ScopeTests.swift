import Testing

@testable import Engram

@Suite struct ScopeTests {
  @Test func aCountTakesAScopeAndAFilterOnEveryPath() async throws {
    let place = TestStore()
    let store = try await place.open()
    for number in 0..<12 {
      var draft = TestStore.draft("user\(number % 3)", number)
      draft.kind = number % 2 == 0 ? "even" : "odd"
      try await store.add(draft)
    }
    func blocking(_ scope: SearchScope, _ filter: Filter?) throws -> [Int] {
      [try store.count(scope: scope, filter: filter), try store.read { try $0.count(scope: scope, filter: filter) }]
    }
    #expect(try blocking(.user("user1"), .kind("even")) == [2, 2])
    #expect(try blocking(.all, .kind("odd")) == [6, 6])
    #expect(try blocking(.user("user1"), nil) == [4, 4])
    #expect(try await store.count(scope: .user("user1"), filter: .kind("even")) == 2)
    #expect(try store.count(scope: .user("user1"), filter: nil) == 4)
    await expectCode(.invalidUserID) { _ = try blocking(.user(""), .kind("odd")) }
    try await store.close()
  }
}
