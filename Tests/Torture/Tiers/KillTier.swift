import Foundation
import TestSupport

/// SIGKILL before every system call of the canonical workload that names a file of the store, and after each that changes a file.
///
/// If a process is killed after a call, another process has the store open and goes on: it may not know what the call left in a file.
/// This happens mostly between the two steps of LMDB's commits, the meta page and the number in the lock table: so these writes are
/// points of their own.
struct KillTier: Tier {
  static let name = "kill"
  static let summary = "SIGKILL before every system call of the canonical workload, and after each that changes a file"

  static func obstacle() -> String? { Tracing.obstacle() }

  private struct Point: Sendable {
    let isAfter: Bool
    /// The number of the call among those that the filter lets through, from 1.
    let number: Int
    /// Options of the tracer.
    var filter: [String] = []
  }

  private let campaign: Campaign
  private let workload: TracedWorkload
  private let points: [Point]
  var caseCount: Int? { points.count }

  /// How often each kill after a call is tried: the other process is at another place each time.
  private static let repetitions = 3
  /// Filters for the meta pages of data.mdb, and for the renames that tell which of them were switches of the generation.
  private static let metaPages = ["--meta-pages", "--only", "pwrite64,rename,renameat,renameat2"]

  init(_ campaign: Campaign) throws {
    self.campaign = campaign
    let workload = TracedWorkload(campaign)
    self.workload = workload
    func calls(_ filter: [String], _ isAfter: Bool) throws -> [TracedCall] {
      let scratch = try Scratch("\(campaign.directory)/kill-count")
      defer { scratch.remove() }
      let victims = Victims(campaign: campaign.withoutDefect, scratch: scratch)
      // The bystander makes the store, so that the workload has fewer calls.
      let bystander = isAfter ? try victims.start(victims.worker([Self.heir(campaign)], writes: 1, waits: true)) : nil
      _ = try bystander?.readLine()
      defer { bystander?.kill() }
      return try workload.calls(victims, filter)
    }
    let commits = try calls(Self.metaPages, true)
    points = try campaign.fault.map { Self.aimed($0, commits) } ?? Self.all(commits, calls)
  }

  private static func all(
    _ commits: [TracedCall], _ calls: (_ filter: [String], _ isAfter: Bool) throws -> [TracedCall]
  ) rethrows -> [Point] {
    // Threads interleave differently in each run, so a few points follow the last call of this one.
    let before = (1...(try calls([], false).count) + 16).map { Point(isAfter: false, number: $0) }
    let after = try calls([], true).filter(\.isChange).map { Point(isAfter: true, number: $0.number) }
    let aimed = (1...commits.count + 2).map { Point(isAfter: true, number: $0, filter: metaPages) }
    return before + (0..<repetitions).flatMap { _ in after + aimed }
  }

  /// The lane of the process beside the one that is killed.
  private static func heir(_ campaign: Campaign) -> Lane { Lane(name: "c", seed: campaign.seed, forgets: false) }

  /// The points around the commits that switch to another generation, or else at all commits; each is tried a hundred times.
  private static func aimed(_ aim: String, _ commits: [TracedCall]) -> [Point] {
    let switches = commits.indices.dropFirst().filter { commits[$0].path.split(separator: "/").last?.hasPrefix("current") ?? false }
    let chosen = aim == "switch" ? switches.flatMap { [$0 - 1, $0, $0 - 2] } : commits.indices.filter { commits[$0].name == "pwrite64" }
    let points = chosen.map { Point(isAfter: true, number: commits[max($0, 0)].number, filter: metaPages) }
    return (0..<100).flatMap { _ in points }
  }

  func run(_ number: Int, in scratch: Scratch) throws -> CaseOutcome {
    var outcome = CaseOutcome()
    let victims = Victims(campaign: campaign, scratch: scratch)
    let log = scratch.path("hit")
    let point = points[number]
    var generator = campaign.generator(Self.self, number)
    // A process that compacts first has read nothing since the kill; one that writes first reads the last commit.
    let compactsFirst = generator.chance(percent: 50)
    let heir = Self.heir(campaign)
    var oracle = WorkerOracle(workload.lanes + (point.isAfter ? [heir] : []))
    let end: Subprocess.Outcome
    do {
      let bystander =
        point.isAfter
        ? try victims.start(
          victims.worker([heir], writes: 3, compactEvery: 2, waits: true, compactsFirst: compactsFirst, watching: workload.lanes)) : nil
      _ = try bystander?.readLine()
      end = try victims.trace(
        [
          "--marker", "--scope", scratch.path, "--point", "\(point.number)", "--action", point.isAfter ? "kill-after" : "kill", "--log",
          log,
        ] + point.filter,
        workload.arguments(victims))
      if let bystander { outcome.violations += try goOn(bystander, &oracle, compactions: compactsFirst ? 2 : 1) }
    } catch Subprocess.Failure.timedOut(let output) {
      outcome.violations.append("the workload hangs: \(output.suffix(200))")
      return outcome
    }
    oracle.read(end.standardOutput)
    switch end.termination {
    case .signalled(SIGKILL) where Tracing.injections(log) > 0: outcome.inject("killed")
    case .exited(0): break
    default: outcome.violations.append("the workload ended with \(end.termination): \(end.standardError.suffix(300))")
    }
    let result = try victims.check(oracle)
    outcome.violations += result.violations
    for progress in oracle.lanes.values {
      guard let count = result.counts[progress.lane.name], count > progress.acknowledged else { continue }
      outcome.count("committed, not acknowledged")
    }
    outcome.violations += try BackupCheck(scratch: scratch, victims: victims, oracle: oracle).violations()
    if !outcome.violations.isEmpty, let hit = try? String(contentsOfFile: log, encoding: .utf8) {
      outcome.violations.append("killed at \(hit.split(separator: "\n").first ?? "no call")")
    }
    return outcome
  }

  /// Lets the process that waits write and compact, which must succeed.
  private func goOn(_ bystander: Subprocess, _ oracle: inout WorkerOracle, compactions: Int) throws -> [String] {
    let end = try bystander.finish()
    let counts = oracle.read(end.standardOutput)
    guard end.termination == .exited(0), counts["acknowledged"] == 3, counts["compact"] == compactions else {
      return ["the process beside it ended with \(end.termination): \(end.standardOutput.suffix(300)) \(end.standardError.suffix(300))"]
    }
    return []
  }
}

/// Functions for tiers that stop processes at their system calls.
enum Tracing {
  /// How often the tracer injected a kill or a fault, according to its log.
  static func injections(_ log: String) -> Int {
    guard let text = try? String(contentsOfFile: log, encoding: .utf8) else { return 0 }
    return text.split(separator: "\n").count { $0.hasPrefix("injected\t") }
  }

  static func obstacle() -> String? {
    guard let executables = try? Executables(), FileManager.default.isExecutableFile(atPath: executables.tracer) else {
      return "TortureTracer is not built beside this program"
    }
    guard let outcome = try? Subprocess.run(executables.tracer, ["--", "/bin/true"]), outcome.termination == .exited(0) else {
      return "this system does not allow a process to trace another (ptrace): run as root, or set kernel.yama.ptrace_scope to 0 or 1"
    }
    return nil
  }
}

/// Checks that a backup is complete, or does not exist if it was interrupted.
struct BackupCheck {
  let scratch: Scratch
  let victims: Victims
  let oracle: WorkerOracle

  func violations() throws -> [String] {
    guard FileManager.default.fileExists(atPath: scratch.path("backup")) else { return [] }
    // A backup shows a commit in the middle: it may have any number of the writes that were begun.
    var early = WorkerOracle(oracle.lanes.values.map(\.lane))
    early.embedsAll = oracle.embedsAll
    for progress in oracle.lanes.values { early.allow(progress.lane.name, upTo: progress.issued) }
    return try victims.check(early, store: scratch.path("backup")).violations.map { "the backup: \($0)" }
  }
}
