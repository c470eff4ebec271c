import Foundation
import TestSupport

/// Three to six processes write, compact, forget and hold snapshots on one store, while one after the other is killed. Now and then all of
/// them are kept from writing. None may ever wait for LMDB's write mutex, which is free whenever a process has `writer.lock`.
struct CrowdTier: Tier {
  static let name = "crowd"
  static let summary = "several processes, one killed after the other while the others go on"

  private let campaign: Campaign
  /// How long the processes may take to write at the end.
  private static let patience = Duration.seconds(10)

  init(_ campaign: Campaign) throws { self.campaign = campaign }

  func run(_ number: Int, in scratch: Scratch) throws -> CaseOutcome {
    var outcome = CaseOutcome()
    var generator = campaign.generator(Self.self, number)
    let victims = Victims(campaign: campaign, scratch: scratch)
    let count = Int.random(in: 3...6, using: &generator)
    let forgets = generator.chance(percent: 50)
    let lanes = (0..<count).map { process in
      (0..<Int.random(in: 1...3, using: &generator)).map {
        Lane(name: "p\(process)l\($0)", seed: campaign.seed &+ UInt64(number), forgets: forgets && process == 0)
      }
    }
    var oracle = WorkerOracle(lanes.flatMap { $0 })
    var running: [Int: Subprocess] = [:]
    func start(_ process: Int) throws {
      running[process] = try victims.start(
        victims.worker(
          lanes[process], writes: 0, compactEvery: process == count - 1 ? 4 : 0,
          eventualMilliseconds: process == 1 ? 20 : nil))
    }
    @discardableResult func end(_ process: Int) throws -> Bool {
      guard let child = running.removeValue(forKey: process) else { return false }
      child.kill()
      let end = try child.finish()
      for (name, more) in oracle.read(end.standardOutput) where name != "doomed write: closed" { outcome.count(name, more) }
      if end.termination != .signalled(SIGKILL) {
        outcome.violations.append(
          "a worker ended with \(end.termination): \(end.standardOutput.suffix(200)) \(end.standardError.suffix(300))")
      }
      return end.termination == .signalled(SIGKILL)
    }
    func hangs() -> [String] { running.values.compactMap(\.hangDiagnosis) }
    /// Whether the process acknowledges a write in time; false if a hang is found first.
    func writes(_ process: Int) throws -> Bool {
      let deadline = ContinuousClock.now + Self.patience
      while let child = running[process], !child.hasEnded, .now < deadline {
        if try child.prints("acknowledged ", within: .milliseconds(500)) { return true }
        if !hangs().isEmpty { return false }
      }
      return false
    }
    do {
      for process in 0..<count { try start(process) }
      for _ in 0..<Int.random(in: 3...8, using: &generator) {
        Thread.sleep(forTimeInterval: Double.random(in: 0.01...0.25, using: &generator))
        if generator.chance(percent: 25) {
          let seconds = Double.random(in: 0.02...0.1, using: &generator)
          outcome.violations += try WriterLockProbe(store: scratch.store, processes: Array(running.values)).violations(holdingFor: seconds)
          outcome.inject("writer.lock held")
        }
        let hangs = hangs()
        outcome.violations += hangs
        // Processes that wait for the hanging one would only report the same hang.
        if !hangs.isEmpty { return outcome }
        let process = Int.random(in: 0..<count, using: &generator)
        if try end(process) { outcome.inject("killed") }
        try start(process)
      }
      // The processes that were killed last have left locks, slots and half a commit behind.
      let last = try (0..<count).map(writes)
      if !last.contains(true) { outcome.violations.append("no process could write at the end") }
      outcome.violations += hangs()
      for process in 0..<count { try end(process) }
    } catch Subprocess.Failure.timedOut(let output) {
      outcome.violations.append("a process hangs: \(output.suffix(300))")
      // It may only wait for another process, which hangs.
      outcome.violations += hangs()
      return outcome
    }
    outcome.violations += try victims.check(oracle).violations
    return outcome
  }
}
