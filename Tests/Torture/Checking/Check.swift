import ArgumentParser
import Engram
import Foundation

/// Opens a store as the next user would and compares it with the oracle: in a process of its own, so that a signal is a finding.
struct Check: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Compares a store with what was acknowledged.", shouldDisplay: false)

  @Argument var store: String
  @Option(help: "A file of JSON: what was acknowledged.") var oracle: String
  @Flag(help: "Only read: the store is on a read-only mount, or others write.") var readsOnly = false

  func run() async throws {
    let oracle = try JSONDecoder().decode(WorkerOracle.self, from: Data(contentsOf: URL(fileURLWithPath: oracle)))
    var check = StoreCheck(path: store, oracle: oracle, readsOnly: readsOnly)
    await check.run()
    let result = CheckResult(violations: check.violations, counts: check.counts)
    print(String(decoding: try JSONEncoder().encode(result), as: UTF8.self))
  }
}

/// The result of a check.
struct CheckResult: Codable, Sendable {
  var violations: [String] = []
  /// How many writes of each lane the store holds.
  var counts: [String: Int] = [:]
}
