import Foundation
import TestSupport

/// Changes files of a store at random: the result must be an error or right data, never a signal, never wrong data taken for right.
struct HostileTier: Tier {
  static let name = "hostile"
  static let summary = "mutated data.mdb, rows.f32 and other files through verify --deep, repair and use"

  private let campaign: Campaign
  private let oracle: WorkerOracle
  /// A sound store, and one of the same shape with other content.
  private let pristine: String
  private let other: String

  init(_ campaign: Campaign) throws {
    self.campaign = campaign
    pristine = "\(campaign.directory)/hostile-pristine"
    other = "\(campaign.directory)/hostile-other"
    oracle = try Self.build(campaign, at: pristine, seed: campaign.seed)
    _ = try Self.build(campaign, at: other, seed: campaign.seed &+ 1)
  }

  private static func build(_ campaign: Campaign, at path: String, seed: UInt64) throws -> WorkerOracle {
    try? FileManager.default.removeItem(atPath: path)
    let scratch = try Scratch(path)
    let victims = Victims(campaign: campaign.withoutDefect, scratch: scratch)
    let lanes = ["a", "b", "c"].map { Lane(name: $0, seed: seed) }
    let end = try victims.start(victims.worker(lanes, writes: 60)).finish()
    guard end.termination == .exited(0) else { throw TracedWorkload.WorkloadFailed(outcome: end) }
    var oracle = WorkerOracle(lanes)
    oracle.read(end.standardOutput)
    return oracle
  }

  func run(_ number: Int, in scratch: Scratch) throws -> CaseOutcome {
    var outcome = CaseOutcome()
    var generator = campaign.generator(Self.self, number)
    try FileManager.default.copyItem(atPath: "\(pristine)/store", toPath: scratch.store)
    let mutation = try StoreMutation(scratch.store, other: "\(other)/store", &generator)
    if mutation.isEffective { outcome.inject(mutation.name) }
    let result = try Victims(campaign: campaign, scratch: scratch).checkDamage(oracle)
    for (name, count) in result.counts { outcome.count(name, count) }
    outcome.violations = result.violations
    if !outcome.violations.isEmpty { outcome.violations.append("the change: \(mutation.text)") }
    return outcome
  }
}
