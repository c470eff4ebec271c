import Foundation
import TestSupport

/// Makes every call on small disks with a fixed number of free blocks: from none, block by block, to more than the call needs.
struct SpaceTier: Tier {
  static let name = "space"
  static let summary = "every call on a tmpfs and on ext4 of 1 and 4 KiB blocks, at every fill level, block by block"

  static func obstacle() -> String? { LoopDisks.obstacle() }

  /// The calls that are tried, and the greatest room that each gets: more than it needs.
  private enum Attempt: String, CaseIterable {
    case create, open, read, add, compact, forget, backup, repair

    var greatestBytes: Int {
      switch self {
      case .open, .read: 128 << 10
      case .create: 256 << 10
      case .add: 512 << 10
      case .compact, .forget: 1 << 20
      case .backup: 768 << 10
      case .repair: 1536 << 10
      }
    }
  }

  /// Levels of one attempt that follow each other on one disk.
  private struct Levels: Sendable {
    let kind: FillableDisk.Kind
    let attempt: Attempt
    let blocks: Range<Int>
  }

  private static let levelsOfACase = 16

  private let campaign: Campaign
  private let disks: FillableDisks
  private let template: SpaceTemplate
  private let cases: [Levels]
  var caseCount: Int? { cases.count }

  init(_ campaign: Campaign) throws {
    self.campaign = campaign
    disks = FillableDisks(campaign)
    template = try SpaceTemplate(campaign)
    cases = FillableDisk.Kind.allCases.flatMap { kind in
      Attempt.allCases.flatMap { attempt in
        let levels = attempt.greatestBytes / kind.blockBytes
        return stride(from: 0, to: levels, by: Self.levelsOfACase).map { first in
          Levels(kind: kind, attempt: attempt, blocks: first..<min(first + Self.levelsOfACase, levels))
        }
      }
    }
  }

  func run(_ number: Int, in scratch: Scratch) throws -> CaseOutcome {
    let levels = cases[number]
    let place = try Scratch(scratch.path("disk"))
    return try disks.withDisk(levels.kind, at: place.path) { disk in
      var stage = try SpaceStage(campaign: campaign, disk: disk, template: template)
      try stage.prepare()
      do {
        for blocks in levels.blocks where stage.outcome.violations.isEmpty { try make(levels.attempt, &stage, leaving: blocks) }
      } catch Subprocess.Failure.timedOut(let output) {
        stage.hangs("\(levels.attempt.rawValue) on \(levels.kind.rawValue): \(output.suffix(300))")
      }
      try stage.finish(keptIn: scratch)
      return stage.outcome
    }
  }

  private func make(_ attempt: Attempt, _ stage: inout SpaceStage, leaving blocks: Int) throws {
    switch attempt {
    case .create: try stage.copy(.create, "created", leaving: blocks)
    case .backup: try stage.copy(.backup, "backup", leaving: blocks)
    case .repair: try stage.copy(.repair, "repaired", leaving: blocks)
    case .open: try stage.open(leaving: blocks)
    case .read: try stage.read(leaving: blocks)
    case .add: try stage.add(leaving: blocks)
    case .compact: try stage.compact(leaving: blocks)
    case .forget: try stage.forget(leaving: blocks)
    }
  }
}
