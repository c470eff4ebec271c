import Testing

@testable import Engram

/// The tests of the system that Engram replaces, under their own names.
@Suite(.serialized) struct SeedTests {
  private let place = TestStore()

  @Test(.timeLimit(.minutes(5))) func testConcurrentReads() async throws {
    let store = try await place.open()
    try await store.updateContext(for: "user1", message: "Hi", response: "Hello!")
    let results = try await withThrowingTaskGroup(of: UserContext?.self) { group in
      for _ in 0..<100 { group.addTask { try store.context(for: "user1") } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(results.count == 100)
    #expect(results.allSatisfy { $0?.userID == "user1" })
    #expect(Set(results).count == 1)
    #expect(Set(results.map { $0?.conversationsCount }) == [1])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func testConcurrentWrites() async throws {
    let store = try await place.open()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<100 {
        group.addTask { try await store.updateContext(for: "user1", message: "msg\(number)", response: "resp\(number)") }
      }
      try await group.waitForAll()
    }
    #expect(try store.context(for: "user1")?.conversationsCount == 100)
    try await store.close()
  }
}
