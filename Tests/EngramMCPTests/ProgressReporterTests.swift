import Engram
import Formats
import Synchronization
import Testing

@testable import EngramMCP

@Suite struct ProgressReporterTests {
  private final class Lines: Sendable {
    let all = Mutex<[JSONValue]>([])
    func add(_ line: [UInt8]) {
      let value = try? JSONReader.read(line) { reader in try reader.readValue() }
      all.withLock { $0.append(value ?? .null) }
    }
  }

  private func report(_ reporter: ProgressReporter, _ phase: OperationProgress.Phase, _ done: Int, of total: Int = 100) {
    reporter.report(OperationProgress(phase: phase, done: done, total: total, count: done))
  }

  @Test func progressOnlyIncreasesAndIsRare() throws {
    let lines = Lines()
    let reporter = ProgressReporter(token: "\"t\"") { lines.add($0) }
    let start = ContinuousClock.now
    // The total grows and a phase comes back: the fraction falls meanwhile.
    for (phase, done, total) in [(OperationProgress.Phase.copying, 50, 100), (.copying, 60, 400), (.scanning, 0, 100), (.copying, 1, 100)] {
      report(reporter, phase, done, of: total)
    }
    // Others follow for half a second.
    while ContinuousClock.now - start < .milliseconds(500) { for done in 0...100 { report(reporter, .copying, done) } }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let sent = lines.all.withLock { $0 }
    let values: [Double] = sent.compactMap { if case .number(let number)? = $0["params"]?["progress"] { number.double } else { nil } }
    #expect(values.count == sent.count && !values.isEmpty && Double(values.count) <= 1 + seconds * 5)
    #expect(values.first == 0.5 && zip(values, values.dropFirst()).allSatisfy { $0 < $1 })
    #expect(sent.allSatisfy { $0["method"] == .string("notifications/progress") && $0["params"]?["progressToken"] == .string("t") })
  }

  @Test func withoutATokenNothingIsSent() {
    let lines = Lines()
    report(ProgressReporter(token: nil) { lines.add($0) }, .copying, 50)
    #expect(lines.all.withLock { $0.isEmpty })
  }
}
