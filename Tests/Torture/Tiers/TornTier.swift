import Foundation
import TestSupport

/// Images of a disk after a crash, made from a recording: unflushed changes are there or not, in any order, torn at sectors.
struct TornTier: Tier {
  static let name = "torn"
  static let summary = "torn and reordered images of the disk after a crash, made of recordings"

  static func obstacle() -> String? { Tracing.obstacle() }

  /// How many cases share a recording.
  static let casesPerRecording = 200

  private let campaign: Campaign
  private let recordings: Recordings

  init(_ campaign: Campaign) throws {
    self.campaign = campaign
    recordings = try Recordings(directory: "\(campaign.directory)/torn-recordings") { number, file in
      if let given = campaign.recording { return try FileManager.default.copyItem(atPath: given, toPath: file) }
      let scratch = try Scratch("\(campaign.directory)/torn-run-\(number)")
      defer { scratch.remove() }
      try RecordedWorkload(campaign, number).record(Victims(campaign: campaign, scratch: scratch), to: file)
    }
  }

  func run(_ number: Int, in scratch: Scratch) throws -> CaseOutcome {
    var outcome = CaseOutcome()
    let run = number / Self.casesPerRecording
    let workload = RecordedWorkload(campaign, run)
    let recording = try recordings.recording(run)
    var generator = campaign.generator(Self.self, number)
    let point = CrashPoint(recording, &generator)
    let disk = Disk(recording, count: point.count, isNextUnderWay: generator.chance(percent: 50))
    var image = CrashImage(disk, generator: generator)
    let untouched = image
    try image.write(to: scratch.path)

    var oracle = workload.oracle
    let events = oracle.read(recording.output(before: point.count))
    let victims = Victims(campaign: campaign, scratch: scratch)
    outcome.violations += try victims.check(oracle).violations
    let hasBackup = FileManager.default.fileExists(atPath: scratch.path("backup"))
    if hasBackup { outcome.count("images with a backup") }
    if events["backup"] != nil, !hasBackup { outcome.violations.append("the backup, which was reported as made, is gone") }
    outcome.violations += try BackupCheck(scratch: scratch, victims: victims, oracle: oracle).violations()
    let name = oracle.mayBeMissing ? "images of a creation" : "images of a store in use"
    // A crash after the last operation that has lost nothing does not count.
    if point.count < recording.operations.count || image.isLossy { outcome.inject(name) }
    if !outcome.violations.isEmpty { try explain(&outcome, point, recording, untouched, run, scratch) }
    return outcome
  }

  /// Keeps what is needed to look at a finding: the image as it was before the check touched it, and the recording, because threads
  /// interleave differently in each run.
  private func explain(
    _ outcome: inout CaseOutcome, _ point: CrashPoint, _ recording: Recording, _ image: CrashImage, _ run: Int, _ scratch: Scratch
  ) throws {
    var image = image
    let kept = try Scratch(scratch.path("image"))
    try image.write(to: kept.path)
    try FileManager.default.copyItem(atPath: recordings.file(run), toPath: scratch.path("recording"))
    outcome.violations.append(
      "crashed after \(point.count) of \(recording.operations.count) operations, in a workload that \(RecordedWorkload(campaign, run).kind.rawValue)"
    )
    outcome.violations.append("exactly again: with --recording \(scratch.path("recording")); the image before the check is in \(kept.path)")
  }
}

/// The number of operations after which the crash happens.
struct CrashPoint {
  let count: Int

  /// Chooses creations and switches often: they are short, and much can go wrong in them.
  init(_ recording: Recording, _ generator: inout SeededGenerator) {
    let operations = recording.operations
    var range = 0...operations.count
    switch Int.random(in: 0..<100, using: &generator) {
    case 0..<15:
      if let opened = operations.firstIndex(where: { if case .print = $0 { true } else { false } }) { range = 0...opened + 1 }
    case 15..<50:
      let changes = operations.indices.filter { if case .rename = operations[$0] { true } else { false } }
      if let change = changes.randomElement(using: &generator) { range = max(0, change - 6)...min(operations.count, change + 12) }
    default: break
    }
    count = Int.random(in: range, using: &generator)
  }
}
