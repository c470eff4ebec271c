import Foundation
import TestSupport

/// SIGKILL before and after every system call of the canonical workload that names a file of the store.
///
/// Whoever is killed after a call has another process beside it that has the store open and goes on: what the call left in a file, it may not
/// have heard of.
struct KillTier: Tier {
  static let name = "kill"
  static let summary = "SIGKILL before and after every system call of the canonical workload"

  static func obstacle() -> String? { Tracing.obstacle() }

  private let campaign: Campaign
  private let workload: TracedWorkload
  let caseCount: Int?

  init(_ campaign: Campaign) throws {
    self.campaign = campaign
    workload = TracedWorkload(campaign)
    let scratch = try Scratch("\(campaign.directory)/kill-count")
    defer { scratch.remove() }
    // Threads interleave anew in each run: a few points beyond the last call of this one.
    caseCount = 2 * (try workload.calls(Victims(campaign: campaign.withoutDefect, scratch: scratch)).count + 16)
  }

  func run(_ number: Int, in scratch: Scratch) throws -> CaseOutcome {
    var outcome = CaseOutcome()
    let victims = Victims(campaign: campaign, scratch: scratch)
    let log = scratch.path("hit")
    let isAfter = number % 2 == 1
    let heir = Lane(name: "c", seed: campaign.seed, forgets: false)
    var oracle = WorkerOracle(workload.lanes + (isAfter ? [heir] : []))
    let end: Subprocess.Outcome
    do {
      let bystander = isAfter ? try victims.start(victims.worker([heir], writes: 3, compactEvery: 2, waits: true)) : nil
      _ = try bystander?.readLine()
      end = try victims.trace(
        [
          "--marker", "--scope", scratch.path, "--point", "\(number / 2 + 1)", "--action", isAfter ? "kill-after" : "kill", "--log", log,
        ],
        workload.arguments(victims))
      if let bystander { outcome.violations += try goOn(bystander, &oracle) }
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

  /// Lets the process that waits write and compact: nothing must keep it from that.
  private func goOn(_ bystander: Subprocess, _ oracle: inout WorkerOracle) throws -> [String] {
    let end = try bystander.finish()
    let counts = oracle.read(end.standardOutput)
    guard end.termination == .exited(0), counts["acknowledged"] == 3, counts["compact"] == 1 else {
      return ["the process beside it ended with \(end.termination): \(end.standardOutput.suffix(300)) \(end.standardError.suffix(300))"]
    }
    return []
  }
}

/// What every tier needs that stops processes at their system calls.
enum Tracing {
  /// How often the tracer changed what its program did, by its log.
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

/// A backup that was broken off is not there at all; one that is there is whole.
struct BackupCheck {
  let scratch: Scratch
  let victims: Victims
  let oracle: WorkerOracle

  func violations() throws -> [String] {
    guard FileManager.default.fileExists(atPath: scratch.path("backup")) else { return [] }
    // It shows an instant in the middle: any number of writes up to those that were begun.
    var early = WorkerOracle(oracle.lanes.values.map(\.lane))
    for progress in oracle.lanes.values { early.allow(progress.lane.name, upTo: progress.issued) }
    return try victims.check(early, store: scratch.path("backup")).violations.map { "the backup: \($0)" }
  }
}
