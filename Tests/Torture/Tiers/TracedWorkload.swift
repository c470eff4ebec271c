import Foundation
import TestSupport

/// The canonical workload: one process makes a store, writes with two lanes, forgets, compacts, moves to another
/// embedder, backs up and closes.
struct TracedWorkload: Sendable {
  let lanes: [Lane]
  static let writes = 8

  init(_ campaign: Campaign) {
    lanes = ["a", "b"].map { Lane(name: $0, seed: campaign.seed, forgets: true) }
  }

  func arguments(_ victims: Victims) -> [String] {
    victims.worker(
      lanes, writes: Self.writes, compactEvery: 4, reembedsAfter: 6, backup: victims.scratch.path("backup"), marker: true)
  }

  /// Runs it to its end, counting the calls that name a file of the store.
  ///
  /// - Parameter filter: Options of the tracer that say which of them count.
  func calls(_ victims: Victims, _ filter: [String] = []) throws -> [TracedCall] {
    let log = victims.scratch.path("calls")
    let outcome = try victims.trace(["--marker", "--scope", victims.scratch.path, "--log", log] + filter, arguments(victims))
    guard outcome.termination == .exited(0) else { throw WorkloadFailed(outcome: outcome) }
    return try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").compactMap { TracedCall($0) }
  }

  struct WorkloadFailed: Error {
    let outcome: Subprocess.Outcome
  }
}

/// A line of the tracer's log.
struct TracedCall: Sendable {
  let number: Int
  let name: String
  let result: Int
  let path: String

  /// Whether it changes a file or a name, when it succeeds.
  var isChange: Bool { Self.changes.contains(name) }

  private static let changes: Set = [
    "write", "writev", "pwrite64", "pwritev", "ftruncate", "truncate", "fallocate", "mkdir", "mkdirat", "rename", "renameat", "renameat2",
    "rmdir", "unlink", "unlinkat",
  ]

  /// Nil for a line of another kind.
  init?(_ line: Substring) {
    let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
    guard fields.count == 5, fields[0] == "call", let number = Int(fields[1]), let result = Int(fields[3]) else { return nil }
    self.number = number
    name = String(fields[2])
    self.result = result
    path = String(fields[4])
  }
}
