import Foundation
import TestSupport

/// A process moves a store to another embedder, while others write, forget and erase, and is killed at one of its system calls, or meets a
/// fault there. The next process goes on. In the end all memories have vectors of one embedder, and what was erased is in no file.
struct ReembedTier: Tier {
  static let name = "reembed"
  static let summary = "SIGKILL and faults at the system calls of a move to another embedder, while others write and forget"

  static func obstacle() -> String? { Tracing.obstacle() }

  /// Enough memories for two calls of the embedder.
  private static let writesOfTemplate = 45
  private static let workFile = "/reembed.work"

  private let campaign: Campaign
  private let template: Scratch
  private let oracle: WorkerOracle
  private let lanes: [Lane]
  /// The number of system calls of a move, of which one is hit, and the number of the first that concerns the vectors.
  private let calls: Int
  private let firstOfWork: Int

  init(_ campaign: Campaign) throws {
    self.campaign = campaign
    template = try Scratch("\(campaign.directory)/reembed-template")
    let lanes =
      [Lane(name: "f", seed: campaign.seed, forgets: true)]
      + ["a", "b", "c", "d", "e"].map { Lane(name: $0, seed: campaign.seed) }
    self.lanes = lanes
    let victims = Victims(campaign: campaign.withoutDefect, scratch: template)
    var oracle = WorkerOracle(lanes)
    for part in [[lanes[0]], Array(lanes.dropFirst())] {
      let end = try victims.start(victims.worker(part, writes: Self.writesOfTemplate)).finish()
      oracle.read(end.standardOutput)
      guard end.termination == .exited(0) else { throw TracedWorkload.WorkloadFailed(outcome: end) }
    }
    self.oracle = oracle
    let scratch = try Scratch("\(campaign.directory)/reembed-count")
    defer { scratch.remove() }
    try FileManager.default.copyItem(atPath: template.store, toPath: scratch.store)
    let log = scratch.path("calls")
    let counted = try Victims(campaign: campaign.withoutDefect, scratch: scratch).trace(
      ["--marker", "--scope", scratch.path, "--log", log], ["reembed-worker", scratch.store])
    guard counted.termination == .exited(0), counted.standardOutput.contains("moves ended") else {
      throw TracedWorkload.WorkloadFailed(outcome: counted)
    }
    let made = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").compactMap { TracedCall($0) }
    calls = made.count
    firstOfWork = made.firstIndex { $0.path.hasSuffix(Self.workFile) } ?? 0
  }

  func run(_ number: Int, in scratch: Scratch) throws -> CaseOutcome {
    var generator = campaign.generator(Self.self, number)
    var outcome = CaseOutcome()
    var oracle = oracle
    try FileManager.default.copyItem(atPath: template.store, toPath: scratch.store)
    let victims = Victims(campaign: campaign, scratch: scratch)
    do {
      for round in 0..<(generator.chance(percent: 50) ? 2 : 1) {
        try move(round, victims, &oracle, &outcome, &generator)
      }
      // Other processes write between two attempts.
      try finish(try startWriters(victims, writes: 4), &oracle, &outcome)
    } catch Subprocess.Failure.timedOut(let output) {
      outcome.violations.append("a process hangs: \(output.suffix(300))")
      return outcome
    }
    if FileManager.default.fileExists(atPath: scratch.store + Self.workFile) { outcome.count("stores with vectors that wait") }
    let result = try victims.check(oracle)
    outcome.violations += result.violations
    for name in ["moves resumed", "vectors reused"] { outcome.count(name, result.counts[name] ?? 0) }
    if !outcome.violations.isEmpty, let hit = try? String(contentsOfFile: scratch.path("hit-0"), encoding: .utf8) {
      outcome.violations.append("hit at \(hit.split(separator: "\n").first ?? "no call")")
    }
    return outcome
  }

  private func move(
    _ round: Int, _ victims: Victims, _ oracle: inout WorkerOracle, _ outcome: inout CaseOutcome, _ generator: inout SeededGenerator
  ) throws {
    let (point, fault) = (point(&generator), Self.faults[Int.random(in: 0..<Self.faults.count, using: &generator)])
    let log = victims.scratch.path("hit-\(round)")
    let writers = try startWriters(victims, writes: 10)
    let end = try victims.trace(
      ["--marker", "--scope", victims.scratch.path, "--point", "\(point)", "--log", log] + fault.arguments,
      ["reembed-worker", victims.scratch.store, "--pause", "\(Int.random(in: 0...40, using: &generator))"])
    read(end.standardOutput, &oracle, &outcome)
    if Tracing.injections(log) > 0 { outcome.inject(fault.name) }
    switch end.termination {
    case .exited(0), .signalled(SIGKILL): break
    default: outcome.violations.append("a move ended with \(end.termination): \(end.standardError.suffix(300))")
    }
    try finish(writers, &oracle, &outcome)
  }

  /// Starts the writers. A process forgets with all of its lanes or with none.
  private func startWriters(_ victims: Victims, writes: Int) throws -> [Subprocess] {
    try [[lanes[0]], Array(lanes[1...2])].map { try victims.start(victims.worker($0, writes: writes)) }
  }

  private func finish(_ writers: [Subprocess], _ oracle: inout WorkerOracle, _ outcome: inout CaseOutcome) throws {
    for writer in writers {
      let end = try writer.finish()
      read(end.standardOutput, &oracle, &outcome)
      if end.termination != .exited(0) {
        outcome.violations.append("a process that writes ended with \(end.termination): \(end.standardError.suffix(300))")
      }
    }
  }

  private func read(_ output: String, _ oracle: inout WorkerOracle, _ outcome: inout CaseOutcome) {
    for (name, count) in oracle.read(output) where name != WorkerOracle.reembedding { outcome.count(name, count) }
  }

  private func point(_ generator: inout SeededGenerator) -> Int {
    // Mostly the calls after the opening. Other writers can make a move take more calls than were counted.
    let range = generator.chance(percent: 85) ? firstOfWork...calls + calls / 4 : 1...calls
    return max(1, Int.random(in: range, using: &generator))
  }

  private struct Injection {
    let name: String
    let arguments: [String]
  }

  /// Kills more often than faults, of which the tier `faults` has more kinds.
  private static let faults =
    [Injection](repeating: Injection(name: "killed before a call", arguments: ["--action", "kill"]), count: 4)
    + [Injection](repeating: Injection(name: "killed after a call", arguments: ["--action", "kill-after"]), count: 2) + [
      Injection(name: "EIO", arguments: ["--action", "error", "--errno", "\(EIO)"]),
      Injection(name: "ENOSPC", arguments: ["--action", "error", "--errno", "\(ENOSPC)"]),
    ]
}
