import Files
import Foundation
import TestSupport
import Testing

@testable import Engram

/// After forgetting, the data is no longer in the files, and the receipt says so.
@Suite(.serialized) struct ForgetTests {
  private let place = TestStore()

  private func fill(_ store: MemoryStore) async throws {
    for user in ["alice", "bob", "carol"] {
      try await store.add(
        (0..<20).map { number in
          var generator = SeededGenerator(seed: UInt64(number) * 1000 + UInt64(user.utf8.first ?? 0))
          var draft = MemoryDraft(
            userID: user, text: "", embedding: Embedding((0..<8).map { _ in Float.random(in: -1...1, using: &generator) }))
          draft.text = "\(user) told us at some length about the thing numbered \(number)"
          draft.dedupeKey = "\(user)-\(number)"
          return draft
        })
      for number in 0..<3 {
        try await store.updateContext(for: user, message: "a rather long message of \(user), number \(number)", response: "Certainly!")
      }
    }
  }

  private func bytes(_ needle: String) throws -> [String] {
    let needle = Data(needle.utf8)
    return try FileManager.default.subpathsOfDirectory(atPath: place.path).filter { name in
      // Opening LMDB's lock table would drop this process's locks.
      guard !name.hasSuffix("lock.mdb"), let data = FileManager.default.contents(atPath: "\(place.path)/\(name)") else { return false }
      return data.range(of: needle) != nil
    }
  }

  @Test func nothingOfTheUserIsLeftInTheFiles() async throws {
    let store = try await place.open()
    try await fill(store)
    #expect(try !bytes("alice").isEmpty)
    let before = try store.status
    let receipt = try await store.forget(userID: "alice", verifiesErasure: true)
    #expect(receipt.subject == .user("alice") && receipt.isComplete && receipt.holders.isEmpty)
    #expect(receipt.memories == 20 && receipt.embeddings == 20 && receipt.contexts == 1 && receipt.versions == 2)
    #expect(receipt.hiddenBy == before.batchSequence + 1 && receipt.generation == 2)
    let (scanBefore, scan) = (try #require(receipt.scanBefore), try #require(receipt.scan))
    #expect(Set(scanBefore.hits.keys) == ErasureScan.Kind.withoutCodes)
    #expect(scan.isClean && scan.searched == scanBefore.searched, "\(scan)")
    #expect(try bytes("alice").isEmpty)
    #expect(try store.count(scope: .user("alice")) == 0 && store.context(for: "alice") == nil && store.history(for: "alice").isEmpty)
    #expect(try store.count() == 40 && store.context(for: "bob")?.conversationsCount == 3 && store.history(for: "bob").count == 2)
    #expect(try store.readOnce { try $0.state().pendingErasure } == 0)
    #expect(try await store.verify().problems == [])
    _ = try StoreContents(store)
    try await store.add(TestStore.draft("alice", 1))
    #expect(try store.count(scope: .user("alice")) == 1)
    try await store.close()
  }

  @Test func singleMemoriesCanBeErased() async throws {
    let store = try await place.open()
    try await fill(store)
    let ids = try store.memories(for: "alice").prefix(3).map(\.id)
    let texts = try ids.map { try #require(try store.memory($0, for: "alice")).text }
    try await store.delete(ids[0], for: "alice")
    let receipt = try await store.erase(Array(ids), for: "alice", verifiesErasure: true)
    #expect(receipt.memories == 2 && receipt.isComplete && receipt.scan?.isClean == true)
    for text in texts { #expect(try bytes(text).isEmpty) }
    #expect(try store.count(scope: .user("alice")) == 17 && store.context(for: "alice") != nil)
    try await store.close()
  }

  @Test func whoIsNotThereIsForgottenAllTheSame() async throws {
    let store = try await place.open()
    try await fill(store)
    try await store.delete(where: .not(.ids([])), scope: .user("bob"))
    try await store.deleteContext(UserContext.self, for: "bob")
    #expect(try !bytes("bob told us").isEmpty)
    let receipt = try await store.forget(userID: "bob")
    #expect(receipt.memories == 0 && receipt.isComplete && receipt.scan == nil)
    #expect(try bytes("bob told us").isEmpty)
    await expectCode(.invalidUserID) { try await store.forget(userID: "") }
    try await store.close()
  }

  @Test func theReceiptNamesWhoHoldsTheOldFiles() async throws {
    let store = try await place.open()
    try await fill(store)
    let holder = try ChildProcess(["hold-snapshots", place.path, "1"])
    #expect(try await holder.readLine() == "holding 1")
    let receipt = try await store.forget(userID: "carol", timeout: .milliseconds(1500), verifiesErasure: true)
    #expect(!receipt.isComplete && receipt.remainingGenerations == [1] && receipt.holders == [holder.processID], "\(receipt)")
    #expect(receipt.scan?.isClean == false)
    #expect(try store.count(scope: .user("carol")) == 0)
    try await holder.finish()
    let again = try await store.forget(userID: "carol")
    #expect(again.isComplete)
    #expect(try bytes("carol").isEmpty)
    try await store.close()
  }

  /// If a process dies between the two halves, the process that opens the store next continues.
  @Test(.timeLimit(.minutes(5))) func aBrokenOffErasureIsFinishedByTheNextOpener() async throws {
    let store = try await place.open()
    try await fill(store)
    try await store.close()
    let child = try ChildProcess(["hide", place.path, "alice"])
    #expect(try await child.readLine() == "hidden")
    child.kill()
    try await child.finish()
    #expect(try !bytes("alice").isEmpty)
    let again = try await place.open()
    #expect(try again.count(scope: .user("alice")) == 0)
    try await waitUntil { try again.readOnce { try $0.state().pendingErasure } == 0 }
    try await waitUntil { try Directories.entries(place.path).filter { $0.hasPrefix("gen-") } == ["gen-2"] }
    #expect(try bytes("alice").isEmpty)
    #expect(try again.count() == 40)
    try await again.close()
  }

  @Test(.timeLimit(.minutes(6))) func usersAreForgottenWhileOthersWrite() async throws {
    let store = try await place.open()
    let soak = try ChildProcess(["soak", place.path, "--seconds", "4", "--writers", "3", "--readers", "0"])
    for number in 0..<8 {
      let user = "forgettable-\(number)"
      try await store.add((0..<30).map { TestStore.draft(user, $0) })
      try await store.updateContext(for: user, message: "this was said by \(user)", response: "and answered")
      let receipt = try await store.forget(userID: user, verifiesErasure: true)
      #expect(receipt.isComplete && receipt.memories == 30 && receipt.contexts == 1)
      #expect(receipt.scan?.isClean == true, "\(receipt)")
    }
    let outcome = try await soak.finish()
    #expect(outcome.standardOutput.contains(#""errors":[]"#), "\(outcome)")
    #expect(try await store.verify().problems == [])
    _ = try StoreContents(store)
    try await store.close()
  }
}
