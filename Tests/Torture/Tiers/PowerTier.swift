import Foundation
import TestSupport

/// Power cuts: processes write on an ext4 of their own, which is shut down without a flush at a random moment and then mounted again.
struct PowerTier: Tier {
  static let name = "power"
  static let summary = "power cuts of an ext4 on which several processes write"

  static func obstacle() -> String? { LoopDisks.obstacle() }

  private let campaign: Campaign
  private let disks: LoopDisks

  init(_ campaign: Campaign) throws {
    self.campaign = campaign
    disks = LoopDisks(campaign)
  }

  func run(_ number: Int, in scratch: Scratch) throws -> CaseOutcome {
    let disk = try Scratch(scratch.path("disk"))
    return try disks.withDisk(at: disk.path) { device in
      try PowerCut(campaign: campaign, number: number, scratch: scratch, place: disk.path, disk: device).run()
    }
  }
}
