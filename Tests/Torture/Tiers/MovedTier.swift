import Foundation
import TestSupport

/// The store is moved, replaced, removed or restored over at every system call of a process that opens it, writes, forgets, compacts,
/// closes.
///
/// The process is stopped meanwhile. Two others, which keep running, have the store open as well: one writes all the time, the other
/// begins when the first has ended.
struct MovedTier: Tier {
  static let name = "moved"
  static let summary = "the store is moved, replaced, removed or restored over at every system call of a process that has it open"

  static func obstacle() -> String? { Tracing.obstacle() }

  private struct Point: Sendable {
    let moving: StoreMoving
    let isAfter: Bool
    /// The number of the call among those on the case's directory, from 1.
    let number: Int
  }

  private let campaign: Campaign
  private let template: MovedTemplate
  private let points: [Point]
  var caseCount: Int? { points.count }

  /// The writes of each lane of the traced process: enough to forget a user and to compact.
  private static let writes = 4

  init(_ campaign: Campaign) throws {
    self.campaign = campaign
    let template = try MovedTemplate(campaign)
    self.template = template
    let scratch = try Scratch("\(campaign.directory)/moved-count")
    defer { scratch.remove() }
    try template.copy(into: scratch)
    let victims = Victims(campaign: campaign.withoutDefect, scratch: scratch)
    let log = scratch.path("calls")
    let end = try victims.trace(
      ["--marker", "--scope", scratch.store, "--log", log],
      victims.worker(template.traced, writes: Self.writes, compactEvery: 4, marker: true))
    guard end.termination == .exited(0) else { throw TracedWorkload.WorkloadFailed(outcome: end) }
    let calls = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").compactMap { TracedCall($0) }
    // Before each call, and after each that changes a file or takes a lock.
    points = calls.flatMap { call in
      StoreMoving.allCases.flatMap { moving in
        let before = Point(moving: moving, isAfter: false, number: call.number)
        return call.isChange || call.name == "flock" ? [before, Point(moving: moving, isAfter: true, number: call.number)] : [before]
      }
    }
  }

  func run(_ number: Int, in scratch: Scratch) throws -> CaseOutcome {
    let point = points[number]
    var generator = campaign.generator(Self.self, number)
    var movedCase = MovedCase(
      campaign: campaign, template: template, scratch: scratch, moving: point.moving, compactsFirst: generator.chance(percent: 50))
    do {
      try movedCase.run(
        victims: Victims(campaign: campaign, scratch: scratch), writes: Self.writes,
        ["--point", "\(point.number)", "--action", point.isAfter ? "run-after" : "run"])
    } catch Subprocess.Failure.timedOut(let output) {
      movedCase.outcome.violations.append("a process hangs: \(output.suffix(600))")
    }
    return movedCase.outcome
  }
}
