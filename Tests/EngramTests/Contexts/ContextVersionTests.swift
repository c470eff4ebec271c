import Foundation
import TestSupport
import Testing

@testable import Engram

/// Writes of a context that expect a version.
@Suite(.serialized) struct ContextVersionTests {
  private let scratch = ScratchStore()

  @Test func versionsCountFromOneAndBeginAnew() async throws {
    let store = try await scratch.open()
    #expect(try store.versionedContext(for: "u") == nil)
    for number in 1...3 {
      try await store.put(UserContext(userID: "u", friendshipLevel: number))
      let found = try #require(try store.versionedContext(for: "u"))
      #expect(found.version == number && found.context.friendshipLevel == number && abs(found.updatedAt.timeIntervalSinceNow) < 600)
      let others = try store.read { snapshot in try snapshot.versionedContext(for: "u")?.version }
      let inTransaction = try await store.write { try $0.versionedContext(for: "u")?.version }
      #expect(others == number && inTransaction == number)
    }
    #expect(try store.history(for: "u").map(\.version) == [2, 1])
    try await store.put(Tally(userID: "u", value: 1))
    #expect(try store.versionedContext(Tally.self, for: "u")?.version == 1)
    try await store.deleteContext(UserContext.self, for: "u")
    #expect(try store.versionedContext(for: "u") == nil)
    try await store.put(UserContext(userID: "u"), ifVersion: 0)
    #expect(try store.versionedContext(for: "u")?.version == 1)
    await expectCode(.invalidUserID) { _ = try store.versionedContext(for: "") }
    try await store.close()
  }

  @Test func aMismatchChangesNothing() async throws {
    let store = try await scratch.open()
    try await store.put(UserContext(userID: "u", friendshipLevel: 1))
    try await store.put(UserContext(userID: "u", friendshipLevel: 2))
    let sequence = try store.status.batchSequence
    let called = Recorder<Int>()
    for (user, version) in [("u", 0), ("u", 1), ("u", 3), ("u", Int.max), ("nobody", 1), ("nobody", 2)] {
      let error = await storeError { try await store.put(UserContext(userID: user), ifVersion: version) }
      #expect(error?.code == .versionMismatch, "\(user) \(version)")
      await expectCode(.versionMismatch) {
        try await store.updateContext(for: user, ifVersion: version) {
          called.append(version)
          return $0
        }
      }
      await expectCode(.versionMismatch) {
        try await store.updateContext(UserContext.self, for: user, ifVersion: version) {
          called.append(version)
          return $0 ?? UserContext(userID: user)
        }
      }
      await expectCode(.versionMismatch) { try await store.updateContext(for: user, message: "a", response: "b", ifVersion: version) }
    }
    for version in [-1, Int.min] {
      await expectCode(.invalidArgument) { try await store.put(UserContext(userID: "u"), ifVersion: version) }
    }
    await expectCode(.invalidUserID) { try await store.put(UserContext(userID: ""), ifVersion: 0) }
    #expect(called.values.isEmpty)
    #expect(try store.status.batchSequence == sequence && store.users().count == 1)
    // A transaction can go on after it, and sees its own versions.
    let level = try await store.write { transaction in
      do {
        try transaction.put(UserContext(userID: "u", friendshipLevel: 9), ifVersion: 1)
        return -1
      } catch let error as StoreError where error.code == .versionMismatch {}
      try transaction.updateContext(for: "u", ifVersion: 2) { $0.with(friendshipLevel: $0.friendshipLevel + 1) }
      return try transaction.updateContext(for: "u", ifVersion: 3) { $0.with(friendshipLevel: $0.friendshipLevel + 1) }.friendshipLevel
    }
    #expect(level == 4)
    #expect(try store.versionedContext(for: "u")?.version == 4)
    try await store.close()
  }

  /// Of several tasks that all expect the same version one succeeds; each of the others reads the context again and retries.
  @Test(.timeLimit(.minutes(5))) func readingAndWritingByVersionsLosesNoUpdate() async throws {
    let store = try await scratch.open()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          var left = 10
          while left > 0 {
            let current = try store.versionedContext(for: "u")
            let context = current?.context ?? UserContext(userID: "u")
            do {
              try await store.put(
                context.with(conversationsCount: context.conversationsCount + 1), ifVersion: current?.version ?? 0)
              left -= 1
            } catch let error as StoreError where error.code == .versionMismatch {}
          }
        }
      }
      try await group.waitForAll()
    }
    let found = try #require(try store.versionedContext(for: "u"))
    #expect(found.context.conversationsCount == 80 && found.version == 80)
    try await store.close()
  }
}
