import Foundation
import TestSupport

/// One system call of the canonical workload fails: each call on a file of the store, with each error that it can meet.
struct FaultTier: Tier {
  static let name = "faults"
  static let summary = "EIO, ENOSPC, EINTR, short writes and others at every call of the canonical workload"

  static func obstacle() -> String? { Tracing.obstacle() }

  private struct Point: Sendable {
    let group: FaultGroup
    let fault: Fault
    /// The number of the call among those of its group.
    let number: Int
    /// Options of the tracer.
    var filter: [String] { fault.isOfMetaPages ? Point.metaPages : ["--only", group.calls.joined(separator: ",")] }

    static let metaPages = ["--meta-pages", "--only", "pwrite64"]
  }

  private let campaign: Campaign
  private let workload: TracedWorkload
  private let points: [Point]
  var caseCount: Int? { points.count }

  init(_ campaign: Campaign) throws {
    self.campaign = campaign
    workload = TracedWorkload(campaign)
    let scratch = try Scratch("\(campaign.directory)/faults-count")
    defer { scratch.remove() }
    let calls = try workload.calls(Victims(campaign: campaign.withoutDefect, scratch: scratch))
    let again = try Scratch("\(campaign.directory)/faults-count-again")
    defer { again.remove() }
    let commits = try workload.calls(Victims(campaign: campaign.withoutDefect, scratch: again), Point.metaPages).count
    points = FaultGroup.all.flatMap { group in
      let count = calls.count { group.calls.contains($0.name) }
      let faults = group.faults.filter { fault in campaign.fault.map { $0 == "\(group.calls[0]) \(fault.name)" } ?? true }
      return faults.flatMap { fault in
        (1...max(fault.isOfMetaPages ? commits : count, 1)).map { Point(group: group, fault: fault, number: $0) }
      }
    }
  }

  func run(_ number: Int, in scratch: Scratch) throws -> CaseOutcome {
    let point = points[number]
    var outcome = CaseOutcome()
    let victims = Victims(campaign: campaign, scratch: scratch)
    var oracle = WorkerOracle(workload.lanes)
    oracle.failsFlushes = point.fault.losesFlushes
    let end: Subprocess.Outcome
    do {
      end = try victims.trace(
        [
          "--marker", "--announce", "--scope", scratch.path, "--point",
          "\(point.number)", "--log", scratch.path("hit"),
        ]
          + point.filter + point.fault.arguments, workload.arguments(victims))
    } catch Subprocess.Failure.timedOut(let output) {
      outcome.violations = ["the workload hangs: \(output.suffix(300))"]
      return outcome
    }
    let seen = oracle.read(end.standardOutput)
    switch end.termination {
    case .exited(0), .exited(1): break
    default: outcome.violations.append("the workload ended with \(end.termination): \(end.standardError.suffix(500))")
    }
    if Tracing.injections(scratch.path("hit")) > 0 { outcome.inject(point.fault.name) }
    for (name, count) in seen where name.hasPrefix("failed ") { outcome.count("write \(name)", count) }
    // The fault is over: the store opens, and nothing that was acknowledged is missing.
    outcome.violations += try victims.check(oracle).violations
    outcome.violations += try BackupCheck(scratch: scratch, victims: victims, oracle: oracle).violations()
    if !outcome.violations.isEmpty {
      let fault = end.standardOutput.split(separator: "\n").first { $0.hasPrefix("fault ") } ?? "no fault"
      outcome.violations.append("\(point.fault.name) at call \(point.number) of its kind: \(fault)")
    }
    return outcome
  }
}
