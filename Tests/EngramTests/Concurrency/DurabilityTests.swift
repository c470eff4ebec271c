import Foundation
import Synchronization
import Testing

@testable import Engram

/// What `.eventual` promises: a killed process loses no acknowledged write, and a deferred commit is flushed within the delay.
@Suite(.serialized) struct DurabilityTests {
  private let place = TestStore()

  @Test(.timeLimit(.minutes(5))) func deferredCommitsAreFlushedWithinTheirDelayAndAtClose() async throws {
    let store = try await place.open(StoreOptions(dimension: 8, durability: .eventual(maxDelay: .milliseconds(100))))
    for number in 0..<20 { try await store.add(TestStore.draft("u", number)) }
    let coordinator = try #require(store.core.coordinator)
    try await waitUntil { coordinator.progress.withLock { $0.flushedBatches == $0.batches } }
    try await store.add(TestStore.draft("u", 20))
    try await store.close()

    let again = try await place.open()
    #expect(try again.count(scope: .user("u")) == 21)
    #expect(try await again.verify().problems == [])
    try await again.close()
  }
}
