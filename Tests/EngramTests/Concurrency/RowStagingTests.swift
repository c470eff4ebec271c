import Files
import Foundation
import TestSupport
import Testing
import VectorSearch

@testable import Engram

/// Batches with so many rows that a second thread writes and flushes them. `FailedFlushTests` has the errors of that thread.
@Suite struct RowStagingTests {
  private let place = TestStore()
  /// A row has 4 KiB: 64 rows are passed to the second thread at once.
  private static let dimension = 1024

  private struct Refusal: Error {}

  private func store() async throws -> MemoryStore { try await place.open(StoreOptions(dimension: Self.dimension)) }

  /// Of unit length, so that it is stored as it is.
  private static func embedding(_ number: Int) -> Embedding {
    var components = [Float](repeating: 0, count: dimension)
    components[number % dimension] = number / dimension % 2 == 0 ? 1 : -1
    return Embedding(components)
  }

  private static func drafts(_ numbers: Range<Int>, users: Int = 3) -> [MemoryDraft] {
    numbers.map { MemoryDraft(userID: "u\($0 % users)", text: "\($0)", embedding: embedding($0)) }
  }

  /// Every memory has the embedding of its number, and they are those of `numbers`.
  private func check(_ store: MemoryStore, _ numbers: some Sequence<Int>, users: Int = 3) async throws {
    var found: [Int] = []
    for user in 0..<users {
      for memory in try store.memories(for: "u\(user)", limit: 100_000) {
        let number = try #require(Int(memory.text))
        found.append(number)
        #expect(try store.embedding(of: memory.id, for: memory.userID) == Self.embedding(number))
      }
    }
    #expect(found.sorted() == numbers.sorted())
    #expect(try await store.verify(deep: true).problems == [])
  }

  @Test(.timeLimit(.minutes(5)), arguments: [63, 64, 65, 300, 1500]) func everyRowOfALargeBatchIsStored(count: Int) async throws {
    var store = try await self.store()
    try await store.add(Self.drafts(0..<count))
    try await check(store, 0..<count)
    try await store.add(Self.drafts(count..<2 * count))
    try await store.close()
    store = try await self.store()
    try await check(store, 0..<2 * count)
    try await store.close()
  }

  /// The second thread also writes the codes: `verify` compares them with the rows.
  @Test(.timeLimit(.minutes(5))) func rowsOfLargeBatchesHaveTheirCodes() async throws {
    var options = StoreOptions(dimension: Self.dimension)
    options.leastCodedRows = 64
    let store = try await place.open(options)
    try await store.add(Self.drafts(0..<100))
    try await waitUntil(within: .seconds(60)) { try store.readOnce { try $0.state() }.codesThrough > 0 }
    try await store.add(Self.drafts(100..<800))
    #expect(try store.readOnce { try $0.state() }.codesThrough > 0)
    try await check(store, 0..<800)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aBodyReadsRowsThatTheSecondThreadHas() async throws {
    let store = try await self.store()
    try await store.write { transaction in
      var ids: [MemoryID] = []
      for draft in Self.drafts(0..<300, users: 1) {
        ids.append(try transaction.add(draft).id)
        // The last one, one that may be anywhere, and the first one.
        for number in [ids.count - 1, ids.count / 2, 0] {
          #expect(try transaction.embedding(of: ids[number], for: "u0") == Self.embedding(number))
        }
      }
    }
    try await check(store, 0..<300, users: 1)
    try await store.close()
  }

  /// The next body gets the slots of the undone one, whose rows were passed to the second thread before.
  @Test(.timeLimit(.minutes(5))) func anUndoneBodyLeavesItsSlotsToTheNext() async throws {
    let store = try await self.store()
    try await store.add(Self.drafts(0..<100))
    try await writesInOneBatch(store, 3) { group in
      for body in 1...3 {
        group.addTask {
          do {
            try await store.write { transaction in
              try transaction.add(Self.drafts(body * 1000..<body * 1000 + 200))
              if body == 2 { throw Refusal() }
            }
          } catch is Refusal {
            #expect(body == 2)
          }
        }
      }
    }
    try await check(store, Array(0..<100) + Array(1000..<1200) + Array(3000..<3200))
    try await store.close()
  }

  /// The thread of an aborted batch has ended before the lock is released: it must not write into the slots of the next one.
  @Test(.timeLimit(.minutes(5))) func anAbortedBatchDoesNotDisturbTheNext() async throws {
    let store = try await self.store()
    for round in 0..<8 {
      await #expect(throws: Refusal.self) {
        try await store.write { transaction in
          try transaction.add(Self.drafts(9000..<9500))
          throw Refusal()
        }
      }
      try await store.add(Self.drafts(round * 100..<round * 100 + 100))
    }
    try await check(store, 0..<800)
    try await store.close()
  }

  #if os(Linux)
    /// The second thread's flush fails, and then the batch ends by another error: a later flush could succeed without having written.
    @Test(.timeLimit(.minutes(5))) func aFlushThatFailedIsNotForgottenBecauseOfAnotherError() throws {
      let path = place.directory.path("rows")
      let header = RowFileHeader(storeID: [UInt8](repeating: 7, count: 16), generation: 1, dimension: Self.dimension, metric: .dot)
      try RowFile.create(path: path, header: header)
      let file = try RowFile(path: path, header: header, rowCount: 0, isReadOnly: false)
      try file.reserve(rowCount: 200)
      for fails in [false, true] {
        var staging = RowStaging(file, nil)
        for row in 0..<100 { try staging.append(row: row, [Float](repeating: 1, count: Self.dimension)) }
        // A row that is passed on was written when its components can be read from the file.
        #expect(try staging.components(ofRow: 0) == nil)
        if fails { try replaceDescriptor(of: path) }
        try? staging.begin(rowCount: 100)
        try? staging.finish(rowCount: 100)
        #expect((staging.abandon() != nil) == fails)
      }
    }

    /// The file's descriptor becomes one of a device that cannot be flushed.
    private func replaceDescriptor(of path: String) throws {
      let number = try Directories.entries("/proc/self/fd").compactMap { Int32($0) }.first {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) == path
      }
      let device = unsafe open("/dev/null", O_RDWR)
      try #require(dup2(device, try #require(number)) >= 0)
      close(device)
    }
  #endif
}
