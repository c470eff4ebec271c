import Foundation
import TestSupport
import Testing

@testable import Engram

/// Eight processes on one store. `EngramTestChild soak STORE --seconds 60 --writers 3 --readers 5` runs the same for a minute.
@Suite(.serialized) struct SoakTests {
  private let place = TestStore()

  private struct Summary: Decodable {
    let writes, hitsVerified, expectedMemories, foundMemories, expectedUpdates, foundUpdates: Int
    let errors: [String]
    let readerMaximumMilliseconds: Double
  }

  @Test(.timeLimit(.minutes(6))) func threeWritersAndFiveReadersLoseNothing() async throws {
    let outcome = try await ChildProcess.run(["soak", place.path, "--seconds", "5", "--writers", "3", "--readers", "5"])
    #expect(outcome.termination == .exited(0), "\(outcome)")
    let summary = try JSONDecoder().decode(Summary.self, from: Data(outcome.standardOutput.utf8))
    #expect(summary.errors.isEmpty)
    #expect(summary.writes > 100 && summary.hitsVerified > 1000, "\(summary)")
    #expect(summary.expectedMemories == summary.foundMemories)
    #expect(summary.expectedUpdates == summary.foundUpdates)
    // Nine processes share the machine; a reader that waited in a writer's queue would take far longer.
    #expect(summary.readerMaximumMilliseconds < (TestProcess.hasThreadSanitizer ? 10_000 : 2000), "\(summary)")
    let store = try await place.open()
    _ = try StoreContents(store)
    #expect(try store.count() == summary.foundMemories)
    try await store.close()
  }
}
