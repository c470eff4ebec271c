import Foundation
import TestSupport
import Testing

@testable import Engram

/// A writer is killed at any moment: acknowledged writes are complete; every other write is complete or absent.
@Suite(.serialized) struct KilledWriterTests {
  private let place = TestStore()

  @Test(.timeLimit(.minutes(6))) func acknowledgedWritesSurviveSixtyKills() async throws {
    try await acknowledgedWritesSurvive(kills: 60, command: "acknowledge")
  }

  @Test(.timeLimit(.minutes(6))) func acknowledgedWritesSurviveKillsWithDeferredFlushes() async throws {
    try await acknowledgedWritesSurvive(kills: 20, command: "acknowledge-deferred")
  }

  private func acknowledgedWritesSurvive(kills: Int, command: String) async throws {
    var generator = SeededGenerator(seed: 7)
    var (acknowledged, unacknowledged, committed) = (0, 0, 0)
    for round in 0..<kills {
      let child = try ChildProcess([command, place.path, "k\(round)"])
      #expect(try await child.readLine() == "ready")
      // A time alone would end every writer of a slow machine before its first write.
      for _ in 0..<Int.random(in: 0...4, using: &generator) { _ = try await child.readLine() }
      try await Task.sleep(for: .microseconds(Int.random(in: 0..<10_000, using: &generator)))
      child.kill()
      let outcome = try await child.finish()
      #expect(outcome.termination == .signalled(SIGKILL))
      let lines = outcome.standardOutput.split(separator: "\n").dropFirst().count
      acknowledged += lines
      let store = try await place.open()
      for number in 0..<lines {
        let isThere = try (store.wasCommitted("k\(round)-\(number)"), store.count(scope: .user("k\(round)-\(number)")))
        #expect(isThere == (true, 3), "write \(number) of round \(round) was acknowledged")
      }
      // The token says whether the write that was under way was committed.
      let isCommitted = try store.wasCommitted("k\(round)-\(lines)")
      #expect(try store.count(scope: .user("k\(round)-\(lines)")) == (isCommitted ? 3 : 0))
      unacknowledged += isCommitted ? 1 : 0
      #expect(try !store.wasCommitted("k\(round)-\(lines + 1)"))
      committed += lines + (isCommitted ? 1 : 0)
      #expect(try store.context(for: "total")?.conversationsCount ?? 0 == committed)
      #expect(try store.count() == 3 * committed)
      if round % 10 == 9 { _ = try StoreContents(store) }
      try await store.close()
    }
    #expect(acknowledged > kills, "\(acknowledged) writes were acknowledged, \(unacknowledged) committed without")
  }
}
