import Foundation
import TestSupport

/// Starts the workload's processes and the check.
struct Victims: Sendable {
  let campaign: Campaign
  let scratch: Scratch

  /// The longest time that any process may take. A process that takes longer hangs, which is a violation.
  static let patience = Duration.seconds(30)

  /// The arguments of a worker on the case's store.
  func worker(
    _ lanes: [Lane], writes: Int, compactEvery: Int = 0, reembedsAfter: Int? = nil, backup: String? = nil, eventualMilliseconds: Int? = nil,
    marker: Bool = false,
    waits: Bool = false, compactsFirst: Bool = false, watching: [Lane] = [], store: String? = nil
  ) -> [String] {
    var arguments = [
      "worker", store ?? scratch.store, "--seed", "\(lanes[0].seed)", "--writes", "\(writes)", "--compact-every", "\(compactEvery)",
    ]
    for lane in lanes { arguments += ["--lane", lane.name] }
    if lanes[0].forgets { arguments.append("--forgets") }
    if let reembedsAfter { arguments += ["--reembeds-after", "\(reembedsAfter)"] }
    if let backup { arguments += ["--backup", backup] }
    if let eventualMilliseconds { arguments += ["--eventual-milliseconds", "\(eventualMilliseconds)"] }
    if marker { arguments.append("--marker") }
    if waits { arguments.append("--waits") }
    if compactsFirst { arguments.append("--compacts-first") }
    for lane in watching { arguments += ["--watch", lane.name] }
    return arguments
  }

  /// Starts a worker; it ends when its writes are done.
  ///
  /// - Parameter wrapper: A program that runs the one that its arguments name, such as `unshare --pid --fork`.
  func start(_ arguments: [String], wrapper: [String] = []) throws -> Subprocess {
    let words = wrapper + [campaign.executables.torture] + arguments
    return try Subprocess(words[0], Array(words.dropFirst()), timeout: Self.patience, environment: environment)
  }

  /// Runs a worker under the tracer to its end.
  func trace(_ tracing: [String], _ arguments: [String]) throws -> Subprocess.Outcome {
    try Subprocess.run(
      campaign.executables.tracer, tracing + ["--", campaign.executables.torture] + arguments, timeout: Self.patience,
      environment: environment)
  }

  /// Runs several workers at the same time under one tracer, to their ends.
  func trace(_ tracing: [String], together workers: [[String]]) throws -> Subprocess.Outcome {
    let starts = workers.map { worker in
      ([campaign.executables.torture] + worker).map { "'\($0.replacingOccurrences(of: "'", with: "'\\''"))'" }.joined(separator: " ")
    }
    let script = starts.map { "\($0) & pids=\"$pids $!\"; " }.joined() + "for pid in $pids; do wait $pid || exit; done"
    return try Subprocess.run(
      campaign.executables.tracer, tracing + ["--", "/bin/sh", "-c", script], timeout: Self.patience, environment: environment)
  }

  private var environment: [String: String] {
    campaign.plantedDefect.map { [PlantedDefects.variable: $0] } ?? [:]
  }

  /// Compares a store with the oracle in another process.
  ///
  /// - Returns: The violations, a check that died or hung among them.
  func check(_ oracle: WorkerOracle, store: String? = nil, readsOnly: Bool = false) throws -> CheckResult {
    var result = try inProcess(["check", store ?? scratch.store] + (readsOnly ? ["--reads-only"] : []), oracle)
    result.violations += oracle.violations
    return result
  }

  /// Verifies, uses and repairs a damaged store in another process.
  func checkDamage(_ oracle: WorkerOracle) throws -> CheckResult {
    try inProcess(["damage-check", scratch.store, "--into", scratch.path("repaired")], oracle)
  }

  private func inProcess(_ arguments: [String], _ oracle: WorkerOracle) throws -> CheckResult {
    let file = scratch.path("oracle-\(UUID().uuidString).json")
    try JSONEncoder().encode(oracle).write(to: URL(fileURLWithPath: file))
    defer { try? FileManager.default.removeItem(atPath: file) }
    do {
      let outcome = try Subprocess.run(
        campaign.executables.torture, arguments + ["--oracle", file], timeout: Self.patience, environment: environment)
      if outcome.termination == .exited(0) {
        return try JSONDecoder().decode(CheckResult.self, from: Data(outcome.standardOutput.utf8))
      }
      return CheckResult(violations: ["the check ended with \(outcome.termination): \(outcome.standardError.suffix(300))"])
    } catch Subprocess.Failure.timedOut(let output) {
      return CheckResult(violations: ["the check hangs: \(output)"])
    }
  }
}
