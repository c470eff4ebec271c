import Foundation
import TestSupport

/// One case of the tier `power`: write, cut, mount, compare.
struct PowerCut {
  let campaign: Campaign
  let number: Int
  let scratch: Scratch
  /// Where the disk is mounted.
  let place: String
  let disk: LoopDisk

  private var store: String { "\(place)/store" }
  private var backup: String { "\(place)/backup" }

  /// What the first process does besides writing when the power is cut.
  private enum Moment: String, CaseIterable {
    case creation, writing, compaction, forgetting, backup
  }

  func run() throws -> CaseOutcome {
    var outcome = CaseOutcome()
    try empty()
    var generator = campaign.generator(PowerTier.self, number)
    let moment = Moment.allCases[number % Moment.allCases.count]
    // 0: every process flushes each commit; 1: the last one does not; 2: none does.
    let deferral = Int.random(in: 0..<10, using: &generator)
    let count = Int.random(in: 1...3, using: &generator)
    let defers = (0..<count).map { process in deferral == 9 || (deferral == 8 && process > 0) }
    let lanes = (0..<count).map { process in
      (0..<Int.random(in: 1...2, using: &generator)).map {
        Lane(name: "p\(process)l\($0)", seed: campaign.seed &+ UInt64(number), forgets: moment == .forgetting && process == 0)
      }
    }
    var oracle = WorkerOracle(lanes.flatMap { $0 })
    oracle.mayLoseTheLast = defers.contains(true)
    for process in 0..<count where !defers[process] {
      for lane in lanes[process] { oracle.requireAcknowledged(lane.name) }
    }
    let victims = Victims(campaign: campaign, scratch: scratch)
    let running = try (0..<count).map { process in
      try victims.start(
        victims.worker(
          lanes[process], writes: process == 0 && moment == .backup ? 12 : 0, compactEvery: process == 0 && moment == .compaction ? 2 : 0,
          backup: process == 0 && moment == .backup ? backup : nil, eventualMilliseconds: defers[process] ? 20 : nil, store: store))
    }
    try wait(for: moment, of: lanes[0][0], running[0], &generator)
    // Stopped first, so that few processes report a disk that is gone; a call that is running in the kernel goes on.
    for child in running { _ = kill(child.processID, SIGSTOP) }
    try disk.cutPower(at: place)
    var hasBackup = false
    for child in running {
      child.kill()
      let end = try child.finish()
      let events = oracle.read(end.standardOutput)
      hasBackup = hasBackup || events["backup"] != nil
      for (name, more) in events where !name.hasPrefix("doomed") { outcome.count(name, more) }
      let isExpected = end.termination == .signalled(SIGKILL) || (end.termination == .exited(0) && moment == .backup)
      if !isExpected {
        outcome.violations.append(
          "a worker ended with \(end.termination): \(end.standardOutput.suffix(200)) \(end.standardError.suffix(300))")
      }
    }
    outcome.inject("cuts: \(moment.rawValue)")
    try disk.unmount(place)
    try disk.mount(at: place)
    try compare(oracle, victims, hasBackup: hasBackup, &outcome)
    try empty()
    return outcome
  }

  /// Returns at about the moment: the work that follows the awaited write takes milliseconds.
  private func wait(for moment: Moment, of lane: Lane, _ child: Subprocess, _ generator: inout SeededGenerator) throws {
    let number: Int? =
      switch moment {
      case .creation: nil
      case .writing: Int.random(in: 0...8, using: &generator)
      case .compaction: Int.random(in: 0...2, using: &generator) * 2 + 1
      // Every fifth write begins to forget, and the next one forgets.
      case .forgetting: 4
      case .backup: 5
      }
    if let number {
      while try !child.readLine().hasPrefix("acknowledged \(lane.name) \(number) ") {}
    }
    Thread.sleep(forTimeInterval: Double.random(in: 0...(moment == .creation ? 0.03 : 0.02), using: &generator))
  }

  /// Checks a copy, so that a finding keeps what the disk held.
  private func compare(_ oracle: WorkerOracle, _ victims: Victims, hasBackup: Bool, _ outcome: inout CaseOutcome) throws {
    do {
      try copy(to: scratch.path)
    } catch {
      outcome.violations.append("the disk cannot be read after the cut: \(error)")
      return
    }
    let result = try victims.check(oracle)
    outcome.violations += result.violations
    if !FileManager.default.fileExists(atPath: store) { outcome.count("stores that were not there yet") }
    if hasBackup, !FileManager.default.fileExists(atPath: backup) {
      outcome.violations.append("the backup, which was reported as made, is gone")
    }
    outcome.violations += try BackupCheck(scratch: scratch, victims: victims, oracle: oracle).violations()
    for progress in oracle.lanes.values {
      guard let count = result.counts[progress.lane.name] else { continue }
      if count > progress.acknowledged { outcome.count("committed, not acknowledged") }
      if count < progress.acknowledged { outcome.count("acknowledged as deferred, lost", progress.acknowledged - count) }
    }
    guard !outcome.violations.isEmpty else { return }
    let kept = try Scratch(scratch.path("after-the-cut"))
    try copy(to: kept.path)
    outcome.violations.append("what the disk held is in \(kept.path)")
  }

  private var entries: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: place).filter { $0 != "lost+found" } }
  }

  private func copy(to path: String) throws {
    for name in try entries { try FileManager.default.copyItem(atPath: "\(place)/\(name)", toPath: "\(path)/\(name)") }
  }

  /// Empties the disk. It is not formatted for each case: blocks that were used before hold old bytes, as those of any disk do.
  private func empty() throws {
    for name in try entries { try FileManager.default.removeItem(atPath: "\(place)/\(name)") }
  }
}
