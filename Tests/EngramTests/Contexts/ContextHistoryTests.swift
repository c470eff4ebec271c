import Foundation
import TestSupport
import Testing

@testable import Engram

/// Earlier versions of contexts.
@Suite(.serialized) struct ContextHistoryTests {
  private let scratch = ScratchStore()

  private func levels(_ store: MemoryStore, _ userID: String = "u", limit: Int = 1000) throws -> [Int] {
    try store.history(for: userID, limit: limit).map(\.context.friendshipLevel)
  }

  @Test(arguments: [0, 1, 16]) func historyHoldsTheNewestVersionsUpToItsLimit(_ limit: Int) async throws {
    let store = try await scratch.open(historyLimit: limit)
    for level in 1...40 {
      try await store.put(UserContext(userID: "u", friendshipLevel: level, firstSeen: Date(timeIntervalSince1970: 0)))
      let expected = Array((1..<level).reversed().prefix(limit))
      let history = try store.history(for: "u", limit: 1000)
      #expect(history.map(\.context.friendshipLevel) == expected)
      #expect(history.map(\.version) == expected)
      #expect(history.map(\.updatedAt) == history.map(\.updatedAt).sorted(by: >))
    }
    #expect(try levels(store, limit: 3) == Array((1...39).reversed().prefix(min(3, limit))))
    #expect(try levels(store, limit: 0) == [])
    #expect(try store.context(for: "u")?.friendshipLevel == 40)
    try await store.close()
  }

  @Test func aLowerLimitTrimsAtTheNextPutAndAHigherOneKeepsMore() async throws {
    var store = try await scratch.open(historyLimit: 16)
    for level in 1...20 { try await store.put(UserContext(userID: "u", friendshipLevel: level)) }
    try await store.close()
    store = try await scratch.open(historyLimit: 3)
    #expect(try levels(store).count == 16)
    try await store.put(UserContext(userID: "u", friendshipLevel: 21))
    #expect(try levels(store) == [20, 19, 18])
    try await store.close()
    store = try await scratch.open(historyLimit: 5)
    for level in 22...24 { try await store.put(UserContext(userID: "u", friendshipLevel: level)) }
    #expect(try levels(store) == [23, 22, 21, 20, 19])
    try await store.close()
    store = try await scratch.open(historyLimit: 0)
    try await store.put(UserContext(userID: "u", friendshipLevel: 25))
    #expect(try levels(store) == [])
    try await store.close()
  }

  @Test func deletingAContextDeletesItsHistoryAndNobodyElses() async throws {
    let store = try await scratch.open()
    for level in 1...5 {
      for user in ["u", "v"] { try await store.put(UserContext(userID: user, friendshipLevel: level)) }
      try await store.put(Note(userID: "u", body: "\(level)"))
    }
    #expect(try await store.deleteContext(UserContext.self, for: "u"))
    #expect(try store.context(for: "u") == nil)
    #expect(try levels(store, "u") == [])
    #expect(try levels(store, "v") == [4, 3, 2, 1])
    #expect(try store.history(Note.self, for: "u").map(\.context.body) == ["4", "3", "2", "1"])
    #expect(try await store.deleteContext(UserContext.self, for: "u") == false)
    try await store.put(UserContext(userID: "u", friendshipLevel: 9))
    #expect(try levels(store, "u") == [])
    #expect(try store.status.contexts == 3)
    try await store.close()
  }

  @Test func everyVersionWrittenInOneTransactionIsKept() async throws {
    let store = try await scratch.open(historyLimit: 4)
    try await store.write { transaction in
      for level in 1...10 { try transaction.put(UserContext(userID: "u", friendshipLevel: level)) }
    }
    #expect(try levels(store) == [9, 8, 7, 6])
    #expect(try store.history(for: "u").map(\.version) == [9, 8, 7, 6])
    try await store.close()
  }

  @Test func aSnapshotKeepsTheHistoryOfItsInstant() async throws {
    let store = try await scratch.open(historyLimit: 2)
    for level in 1...3 { try await store.put(UserContext(userID: "u", friendshipLevel: level)) }
    let snapshot = try store.snapshot()
    for level in 4...9 { try await store.put(UserContext(userID: "u", friendshipLevel: level)) }
    try await store.deleteContext(UserContext.self, for: "u")
    #expect(try snapshot.context(for: "u")?.friendshipLevel == 3)
    #expect(try snapshot.history(for: "u").map(\.context.friendshipLevel) == [2, 1])
    #expect(try levels(store) == [])
    _ = consume snapshot
    try await store.close()
  }

  /// Bug: trimming to a negative limit took a version from an empty list and trapped. Fix: the options refuse or clamp it.
  @Test func aNegativeLimitDoesNotTrapAtThePut() async {
    await #expect(processExitsWith: .success) {
      let scratch = ScratchStore()
      do {
        var store = try await scratch.open()
        for level in 1...3 { try await store.put(UserContext(userID: "u", friendshipLevel: level)) }
        try await store.close()
        store = try await scratch.open(historyLimit: -1)
        for level in 4...5 { try await store.put(UserContext(userID: "u", friendshipLevel: level)) }
        guard try store.history(for: "u").isEmpty else { exit(3) }
      } catch let error as StoreError where error.code == .invalidArgument {
        // Refused when the store is opened, which is as good.
      }
    }
  }

  struct Note: ContextRecord, Equatable {
    static let recordType = "UserContext.Note"
    let userID: String
    let body: String
  }
}
