import Foundation
import TestSupport
import Testing

@testable import Engram

@Suite(.serialized) struct GroupCommitTests {
  private let place = TestStore()
  private let other = TestStore()

  @Test(.timeLimit(.minutes(8))) func bodiesRunOnceAndInOrderAndShareOneCommit() async throws {
    // Two hundred tasks are queued one by one while other tests use the processor. No deadline: this test is not about deadlines.
    let store = try await place.open(StoreOptions(dimension: 8, writeTimeout: nil))
    let gate = await WriterGate(store)
    let before = try store.status
    let runs = Recorder<Int>()
    var tasks: [Task<Void, any Error>] = []
    for number in 0..<200 {
      tasks.append(Task { try await store.write { _ in runs.append(number) } })
      // The next task starts when this one is in the queue, so the order of the queue is the order of the tasks.
      try await waitUntil { try store.status.queueDepth == number + 1 }
    }
    try await gate.open()
    for task in tasks { try await task.value }
    #expect(runs.values == Array(0..<200))
    let after = try store.status
    #expect(after.batches == before.batches + 2)
    #expect(after.writes == before.writes + 201)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(8))) func sixtyFourUpdatersShareTheirCommits() async throws {
    let store = try await place.open()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for updater in 0..<64 {
        group.addTask {
          for _ in 0..<16 {
            try await store.updateContext(for: "user \(updater)") { $0.with(conversationsCount: $0.conversationsCount + 1) }
          }
        }
      }
      try await group.waitForAll()
    }
    let status = try store.status
    #expect(status.writes == 64 * 16)
    #expect(Double(status.writes) / Double(status.batches) > 8, "\(status.writes) writes in \(status.batches) batches")
    for updater in 0..<64 { #expect(try store.context(for: "user \(updater)")?.conversationsCount == 16) }
    try await store.close()
  }

  /// Bodies that throw leave no trace: the store equals one that ran only the other bodies, in the order of their commits.
  @Test(.timeLimit(.minutes(8)), arguments: [true, false], [1, 2, 3] as [UInt64])
  func aThrowingBodyIsUndoneWholly(together: Bool, seed: UInt64) async throws {
    var generator = SeededGenerator(seed: seed)
    let base = (0..<300).map { number in
      var draft = TestStore.draft("ann", number)
      draft.id = MemoryID()
      draft.createdAt = Date(milliseconds: 1_600_000_000_000)
      return draft
    }
    let writes = RandomWrite.make(count: 90, existing: base, &generator)
    let store = try await place.open()
    let replica = try await other.open()
    try await store.add(base)
    try await replica.add(base)
    let order = Recorder<Int>()
    let succeeded = try await run(writes, on: store, together: together, order)
    let ran = order.values
    // A body whose token was refused would not have run; every other body ran once.
    #expect(ran.sorted() == Array(writes.indices))
    #expect(succeeded.count >= 20 && succeeded.count <= 60)
    for index in ran where succeeded.contains(index) {
      try await replica.write(token: writes[index].token) { try writes[index].run(&$0) }
    }
    for (index, write) in writes.enumerated() {
      if let token = write.token { #expect(try store.wasCommitted(token) == succeeded.contains(index)) }
    }
    let (mine, expected) = (try StoreContents(store), try StoreContents(replica))
    #expect(mine.memories == expected.memories)
    #expect(mine.users == expected.users)
    #expect(mine == expected)
    try await store.close()
    try await replica.close()
  }

  private func run(
    _ writes: [RandomWrite], on store: MemoryStore, together: Bool, _ order: Recorder<Int>
  ) async throws -> Set<Int> {
    let gate = together ? await WriterGate(store) : nil
    var tasks: [Task<Bool, any Error>] = []
    for (index, write) in writes.enumerated() {
      let task = Task {
        do {
          try await store.write(token: write.token) { transaction in
            order.append(index)
            try write.run(&transaction)
          }
          return true
        } catch is RandomWrite.Refusal {
          return false
        } catch let error as StoreError where error.code == .notFound {
          return false
        }
      }
      if !together { _ = try await task.value }
      tasks.append(task)
    }
    if let gate {
      try await waitUntil { try store.status.queueDepth == writes.count }
      try await gate.open()
    }
    var succeeded: Set<Int> = []
    for (index, task) in tasks.enumerated() where try await task.value { succeeded.insert(index) }
    return succeeded
  }

  /// The bug: undoing a body that had deleted all memories of a large user removed the user's blocks that were still to be filled, and the
  /// next add that needed one failed as corrupted. The cause: ``WriteBatch/setBlock(_:_:)`` treated a block that the body had not read
  /// before as one that had not existed. The fix: it remembers the block as it is stored.
  @Test(.timeLimit(.minutes(8))) func anUndoneEmptyingKeepsTheBlocksThatAreStillToBeFilled() async throws {
    let store = try await place.open()
    // Runs of 4, 4, … rows grow with the user: at a thousand rows a run is several blocks.
    for part in 0..<10 { try await store.add((0..<100).map { TestStore.draft("ann", part * 100 + $0) }) }
    let before = try StoreContents(store)
    let unfilled = try #require(before.users["ann"]).record
    #expect(unfilled.blocks > unfilled.firstOpenBlock + 1, "the test needs a block beyond the one that is being filled")
    let gate = await WriterGate(store)
    let bystander = Task { try await store.add(TestStore.draft("bob", 1)) }
    let emptying = Task {
      try await store.write { transaction in
        #expect(try transaction.delete(where: .importance(atLeast: 0), scope: .user("ann")) == 1000)
        throw RandomWrite.Refusal()
      }
    }
    try await waitUntil { try store.status.queueDepth == 2 }
    try await gate.open()
    _ = try await bystander.value
    await #expect(throws: RandomWrite.Refusal.self) { try await emptying.value }
    #expect(try StoreContents(store).users["ann"] == before.users["ann"])
    try await store.add((0..<1000).map { TestStore.draft("ann", 1000 + $0) })
    #expect(try store.count(scope: .user("ann")) == 2000)
    _ = try StoreContents(store)
    try await store.close()
  }
}
