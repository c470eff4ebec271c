import Foundation
import TestSupport

/// A closed store with the writes of two lanes, of which each case gets a copy. The lane `f` is about to forget a user.
///
/// It is a backup: its files have no room reserved at their ends.
final class SpaceTemplate: Sendable {
  private let scratch: Scratch
  var store: String { scratch.path("trimmed") }
  let oracle: WorkerOracle
  let adding: Lane
  let forgetting: Lane

  static let writesBetweenForgets = 4

  init(_ campaign: Campaign) throws {
    scratch = try Scratch("\(campaign.directory)/space-template")
    adding = Lane(name: "a", seed: campaign.seed)
    forgetting = Lane(name: "f", seed: campaign.seed, forgets: true)
    let victims = Victims(campaign: campaign, scratch: scratch)
    var oracle = WorkerOracle([adding, forgetting])
    for (lane, writes) in [(adding, 12), (forgetting, Self.writesBetweenForgets + 1)] {
      let end = try victims.start(victims.worker([lane], writes: writes)).finish()
      oracle.read(end.standardOutput)
      guard end.termination == .exited(0), oracle.lanes[lane.name]?.acknowledged == writes else {
        throw DiskError(text: "the template cannot be made: \(end)")
      }
    }
    // Opened once, so that `open.lock` has its note: the backup reserved its block beyond the end of the file, where `cp` loses it.
    for arguments in [["backup", scratch.store, "--into", scratch.path("trimmed")], ["open", scratch.path("trimmed")]] {
      let end = try victims.start(["space-worker"] + arguments).finish()
      guard end.termination == .exited(0), end.standardOutput.hasSuffix("done\n") else {
        throw DiskError(text: "the template cannot be copied: \(end)")
      }
    }
    self.oracle = oracle
  }

  deinit { scratch.remove() }
}
