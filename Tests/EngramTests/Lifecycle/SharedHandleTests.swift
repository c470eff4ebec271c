import Foundation
import TestSupport
import Testing

@testable import Engram

/// One process, one store, several handles.
@Suite(.serialized) struct SharedHandleTests {
  private let place = TestStore()

  @Test(.timeLimit(.minutes(5))) func everyNameOfAStoreLeadsToTheSameOne() async throws {
    let store = try await place.open()
    let link = place.directory.path("link")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: place.path)
    let names = [
      place.path, place.path + "/", link, link + "/", "\(place.directory.path)/./store", "\(place.directory.path)/x/../store",
      "\(place.path)//",
    ]
    try FileManager.default.createDirectory(atPath: place.directory.path("x"), withIntermediateDirectories: false)
    for name in names {
      let handle = try await MemoryStore.open(at: URL(fileURLWithPath: name))
      #expect(handle.core === store.core, "\(name)")
      try await handle.updateContext(for: "u") { $0.with(conversationsCount: $0.conversationsCount + 1) }
      try await handle.close()
      await expectCode(.closed) { _ = try handle.count() }
    }
    #expect(try store.context(for: "u")?.conversationsCount == names.count)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aHandleWithOtherOptionsIsRefused() async throws {
    let store = try await place.open(StoreOptions(dimension: 8, metric: .cosine))
    await expectCode(.storeMismatch) { _ = try await place.open(StoreOptions(dimension: 9)) }
    await expectCode(.storeMismatch) { _ = try await place.open(StoreOptions(metric: .dot)) }
    await expectCode(.embedderMismatch) { _ = try await place.open(StoreOptions(embedder: HashingEmbedder())) }
    // Handles that were refused do not keep the store open.
    try await store.close()
    await expectCode(.closed) { _ = try store.count() }
    let again = try await place.open(StoreOptions())
    #expect(try again.count() == 0)
    await expectCode(.storeMismatch) { _ = try await place.open(StoreOptions(dimension: 9)) }
    try await again.close()
    await expectCode(.storeMismatch) { _ = try await place.open(StoreOptions(dimension: 9)) }
    await expectCode(.storeMismatch) { _ = try await place.open(StoreOptions(metric: .dot)) }
  }

  @Test(.timeLimit(.minutes(5))) func aReadOnlyHandleBesideAWritingOneStaysReadOnly() async throws {
    let writer = try await place.open()
    let reader = try await place.open(StoreOptions(access: .readOnly))
    try await writer.add(TestStore.draft("u", 1))
    #expect(try reader.count() == 1)
    await expectCode(.readOnly) { try await reader.add(TestStore.draft("u", 2)) }
    try await writer.close()
    // The store stays open for the remaining handle.
    #expect(try reader.count() == 1)
    try await reader.close()
  }

  @Test(.timeLimit(.minutes(5))) func aWritingHandleBesideAReadOnlyOneIsRefusedByName() async throws {
    let first = try await place.open()
    try await first.close()
    let reader = try await place.open(StoreOptions(access: .readOnly))
    await expectCode(.readOnly) { _ = try await place.open() }
    #expect(try reader.count() == 0)
    try await reader.close()
    let writer = try await place.open()
    try await writer.add(TestStore.draft("u", 1))
    try await writer.close()
  }

  @Test(.timeLimit(.minutes(5))) func manyTasksOpenAndCloseAtOnce() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<40 {
        group.addTask {
          let store = try await place.open()
          try await store.updateContext(for: "u") { $0.with(conversationsCount: $0.conversationsCount + 1) }
          try await store.close()
        }
      }
      try await group.waitForAll()
    }
    let store = try await place.open()
    #expect(try store.context(for: "u")?.conversationsCount == 40)
    try await store.close()
  }
}
