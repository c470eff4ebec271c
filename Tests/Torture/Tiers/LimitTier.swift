import Foundation
import TestSupport

/// Real limits of resources: address space, descriptors, file size, and disks that fill up.
struct LimitTier: Tier {
  static let name = "limits"
  static let summary = "limits of address space, descriptors and file size; a full tmpfs, a full ext4"

  static func obstacle() -> String? { geteuid() == 0 ? nil : "full disks are mounted by root only: run as root" }

  private enum Limit: CaseIterable {
    case addressSpace, descriptors, fileSize, tmpfs, ext4
  }

  private let campaign: Campaign

  init(_ campaign: Campaign) throws { self.campaign = campaign }

  func run(_ number: Int, in scratch: Scratch) throws -> CaseOutcome {
    var generator = campaign.generator(Self.self, number)
    switch Limit.allCases[number % Limit.allCases.count] {
    // With less than that, the Swift runtime does not start.
    case .addressSpace: return try limited("-v \(Int.random(in: 1 << 20...64 << 20, using: &generator))", "address space", number, scratch)
    case .descriptors: return try limited("-n \(Int.random(in: 8...40, using: &generator))", "descriptors", number, scratch)
    case .fileSize: return try limited("-f \(Int.random(in: 1...4000, using: &generator))", "file size", number, scratch)
    case .tmpfs: return try onFullDisk(number, scratch, megabytes: Int.random(in: 2...12, using: &generator), isTemporary: true)
    case .ext4: return try onFullDisk(number, scratch, megabytes: Int.random(in: 4...12, using: &generator), isTemporary: false)
    }
  }

  private func lanes(_ number: Int) -> [Lane] {
    ["a", "b"].map { Lane(name: $0, seed: campaign.seed &+ UInt64(number), forgets: true) }
  }

  private func limited(_ limit: String, _ name: String, _ number: Int, _ scratch: Scratch) throws -> CaseOutcome {
    var outcome = CaseOutcome()
    let victims = Victims(campaign: campaign, scratch: scratch)
    let lanes = lanes(number)
    var oracle = WorkerOracle(lanes)
    let arguments = victims.worker(lanes, writes: 30, compactEvery: 8, backup: scratch.path("backup"))
    try work(victims, arguments, ["/bin/bash", "-c", "ulimit \(limit) || exit 1; exec \"$0\" \"$@\""], &oracle, &outcome)
    if outcome.counts["refused"] != nil { outcome.inject(name) }
    outcome.violations += try victims.check(oracle).violations
    return outcome
  }

  private func work(
    _ victims: Victims, _ arguments: [String], _ wrapper: [String], _ oracle: inout WorkerOracle, _ outcome: inout CaseOutcome
  ) throws {
    do {
      let end = try victims.start(arguments, wrapper: wrapper).finish()
      let seen = oracle.read(end.standardOutput)
      for (name, count) in seen where name.hasPrefix("failed ") { outcome.count("write \(name)", count) }
      switch end.termination {
      // The limit was met if anything failed, a write or a compaction.
      case .exited(0): outcome.count(seen.keys.contains { $0.contains("failed") } ? "refused" : "went through")
      case .exited(1): outcome.count("refused")
      default: outcome.violations.append("the worker ended with \(end.termination): \(end.standardError.suffix(500))")
      }
    } catch Subprocess.Failure.timedOut(let output) {
      outcome.violations.append("the worker hangs: \(output.suffix(300))")
    }
  }

  /// Writes until there is no room, then makes room: everything acknowledged must be there, and writing must go on.
  private func onFullDisk(_ number: Int, _ scratch: Scratch, megabytes: Int, isTemporary: Bool) throws -> CaseOutcome {
    var outcome = CaseOutcome()
    let disk = try MountedDisk(scratch.path("disk"), megabytes: megabytes, isTemporary: isTemporary)
    defer { disk.unmount() }
    let inside = try Scratch("\(disk.path)/case")
    let victims = Victims(campaign: campaign, scratch: inside)
    let lanes = lanes(number)
    var oracle = WorkerOracle(lanes)
    try work(victims, victims.worker(lanes, writes: 400, compactEvery: 100), [], &oracle, &outcome)
    if outcome.counts["refused"] != nil { outcome.inject(isTemporary ? "full tmpfs" : "full ext4") }
    try disk.makeRoom()
    outcome.violations += try victims.check(oracle).violations
    return outcome
  }
}
