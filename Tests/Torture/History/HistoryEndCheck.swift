import ArgumentParser
import Engram
import Foundation

/// Opens the store of a history when all its processes have ended, reports its content, and checks it: in a process of its own, so that
/// a signal is a finding.
struct HistoryEndCheck: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history-end", abstract: "Reads the store of a history at its end.", shouldDisplay: false)

  @Argument var store: String
  @Option(help: "A file with the id of each transaction, one a line.") var ids: String

  struct Result: Codable, Sendable {
    var violations: [String] = []
    /// Nil if the store could not be read.
    var end: HistoryEnd?
  }

  func run() async throws {
    let ids = try String(contentsOfFile: ids, encoding: .utf8).split(separator: "\n").map(String.init)
    var result = Result()
    let found = Found()
    var oracle = WorkerOracle([])
    oracle.read("\(WorkerEvent.opened.line)\n")
    var check = StoreCheck(path: store, oracle: oracle, readsOnly: false)
    check.comparison = { store in
      let requestedAt = History.now
      found.end = try store.read { snapshot in
        HistoryEnd(
          snapshot: HistorySnapshot(
            id: "at the end", requestedAt: requestedAt, takenAt: History.now, shows: try HistoryReader.state(snapshot)),
          committed: Set(try ids.filter { try store.wasCommitted($0) }))
      }
      return []
    }
    await check.run()
    result.violations = check.violations
    result.end = found.end
    print(String(decoding: try JSONEncoder().encode(result), as: UTF8.self))
  }

  /// Carries the result out of the closure that compares.
  private final class Found {
    var end: HistoryEnd?
  }
}
