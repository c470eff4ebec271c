import Foundation
import TestSupport
import Testing

/// What a metrics backend receives.
@Suite struct MetricsTests {
  /// The bug: searches of snapshots were not counted, and no page named the metrics.
  @Test(.timeLimit(.minutes(5))) func everySearchIsCountedAndEveryMetricIsDocumented() async throws {
    let directory = TemporaryDirectory()
    let outcome = try await ChildProcess.run(["metrics", directory.path("store")])
    #expect(outcome.termination == .exited(0), "\(outcome)")
    var received: [String: Int] = [:]
    for line in outcome.standardOutput.split(separator: "\n") {
      let words = line.split(separator: " ")
      received[words.dropLast().joined(separator: " ")] = Int(words.last ?? "")
    }
    // Two by text, one and two by vector; of the snapshot one, three, one, and one that fails.
    #expect(received["engram.searches"] == 11 && received["engram.search.failures"] == 1, "\(received)")
    // Calls: a batch is one.
    #expect(received["engram.search.duration times"] == 8, "\(received)")
    // The first opening commits the pin of the embedder, and may commit its upkeep.
    #expect((received["engram.commit.operations"] ?? 0) >= 3 && (received["engram.commit.batches"] ?? 0) >= 3, "\(received)")
    #expect(received["engram.commit.batches"] == received["engram.commit.duration times"], "\(received)")
    #expect((received["engram.snapshots"] ?? 0) >= 1 && (received["engram.writer.wait times"] ?? 0) >= 3, "\(received)")

    let page = try String(
      contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(
        path: "../../../Sources/Engram/Documentation.docc/Operating.md"),
      encoding: .utf8)
    let documented = Set(
      page.split(separator: "\n").filter { $0.hasPrefix("| `engram.") }.compactMap {
        $0.split(separator: "`").dropFirst().first.map(String.init)
      })
    #expect(documented == Set(received.keys.map { $0.replacingOccurrences(of: " times", with: "") }))
  }
}
