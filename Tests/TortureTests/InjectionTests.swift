import Foundation
import TestSupport
import Testing

@testable import Torture

/// The bug: the tiers `kill` and `faults` passed with a tracer that did nothing, because they counted attempts. The fix: the tracer logs
/// the faults that happened, a case without any is counted separately, and a tier without any fails.
@Suite struct InjectionTests {
  private let directory = TemporaryDirectory()

  private func campaign(_ name: String, tracer: String? = nil) throws -> Campaign {
    var campaign = Campaign(seed: 7, directory: try Scratch(directory.path(name)).path, executables: try Executables())
    if let tracer { campaign.executables.tracer = tracer }
    return campaign
  }

  /// A tracer that counts calls as the real one does, but injects nothing: it only runs the program.
  private func idleTracer() throws -> String {
    let path = directory.path("idle-tracer")
    let script = """
      #!/bin/sh
      case " $* " in *" --action "*) ;; *) exec '\(try Executables().tracer)' "$@" ;; esac
      while [ "$1" != -- ]; do shift; done
      shift
      exec "$@"
      """
    // Another process writes the script: a program that a parallel test starts meanwhile would inherit the file open for writing, and a
    // file that is open for writing cannot be executed.
    let written = try Subprocess.run("/bin/sh", ["-c", #"printf %s "$2" >"$1" && chmod 700 "$1""#, "sh", path, script])
    try #require(written.termination == .exited(0), "\(written.standardError)")
    return path
  }

  private func report(_ tier: any Tier.Type, _ number: Int, _ campaign: Campaign) throws -> TierReport {
    try TierRun(campaign: campaign, tier: tier, seconds: nil, only: number).run()
  }

  @Test(.timeLimit(.minutes(5)), arguments: [("kill", 40), ("kill", 41), ("faults", 40), ("moved", 400)])
  func aTracerThatInjectsNothingMakesTheTierFail(name: String, number: Int) throws {
    let tier = try #require(Tiers.named(name))
    let real = try report(tier, number, campaign("real"))
    #expect(real.violations.isEmpty && real.cases == 1 && real.injected == 1 && real.casesWithoutInjection == 0, "\(real)")
    #expect(RunResult([real]) == .passed)

    let idle = try report(tier, number, campaign("idle", tracer: idleTracer()))
    #expect(idle.violations.isEmpty && idle.cases == 1 && idle.injected == 0 && idle.casesWithoutInjection == 1, "\(idle)")
    #expect(RunResult([idle]) == .failed && RunResult([real, idle]) == .failed)
  }

  @Test func aTierThatCannotRunIsNoSuccess() {
    var passed = TierReport(name: "kill", seed: 1)
    passed.add(CaseOutcome(injected: 1), 0, kept: "")
    var absent = TierReport(name: "power", seed: 1)
    absent.obstacle = "no root"
    var found = TierReport(name: "crowd", seed: 1)
    found.add(CaseOutcome(violations: ["lost"], injected: 1), 0, kept: "")
    #expect(RunResult([passed]) == .passed)
    #expect(RunResult([passed, absent]) == .notRun)
    #expect(RunResult([absent]).rawValue == 77)
    #expect(RunResult([passed, absent, found]) == .failed)
    #expect(RunResult([TierReport(name: "torn", seed: 1)]) == .failed)
  }
}
