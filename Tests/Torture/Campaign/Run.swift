import ArgumentParser
import Foundation
import TestSupport

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Run tiers and print what was tried and found.")

  @Option(help: "A tier; may be given more than once: \(Tiers.all.map { $0.name }.joined(separator: ", ")); Tools/torture adds fuzz.")
  var tier: [String] = []
  @Flag(help: "Every tier.") var all = false
  @Option(help: "Minutes for each tier; without it a tier with a known number of cases runs all of them.") var minutes: Double?
  @Option(help: "What all cases follow from; chosen and printed where it is not given.") var seed: UInt64?
  @Option(name: .customLong("case"), help: "Only this case of the tier.") var number: Int?
  @Option(help: "Run the victims with planted defects, such as P7 or P1,P7, or with each in turn ('all'), and expect them to be found.")
  var planted: String?
  @Option(help: "A recording that was kept with a finding of the tier torn: its cases are made of it.") var recording: String?
  @Option(help: "Where cases are run and findings are kept; best on a local disk.") var directory: String?
  @Flag(help: "One JSON object for each tier.") var json = false

  mutating func validate() throws {
    if tier.isEmpty, !all, planted == nil { throw ValidationError("Name a tier with --tier, or give --all.") }
    for name in tier where Tiers.named(name) == nil { throw ValidationError("There is no tier '\(name)'.") }
    if let minutes, minutes <= 0 { throw ValidationError("The minutes are \(minutes), they must be more than 0.") }
    if number != nil, tier.count != 1 { throw ValidationError("A case belongs to one tier: give it with --tier.") }
    if let recording, !FileManager.default.fileExists(atPath: recording) { throw ValidationError("There is no recording \(recording).") }
    guard let planted else { return }
    guard PlantedDefects.areBuiltIn else {
      throw ValidationError("This build has no planted defects: run Tools/torture, which builds a copy of the sources that has them.")
    }
    for name in planted.split(separator: ",", omittingEmptySubsequences: false) {
      guard planted == "all" || PlantedDefects.all.contains(where: { $0.name == name }) else {
        let names = PlantedDefects.all.map(\.name).joined(separator: ", ")
        throw ValidationError("There is no planted defect '\(name)', only \(names), several with commas between them, and all.")
      }
    }
  }

  func run() throws {
    let seed = seed ?? UInt64.random(in: 1...999_999_999)
    let temporary = FileManager.default.temporaryDirectory.resolvingSymlinksInPath().path
    DirectoryMaker.removeAbandoned(in: temporary)
    let base = directory ?? "\(temporary)/\(DirectoryMaker.prefix("torture"))"
    try FileManager.default.createDirectory(atPath: base, withIntermediateDirectories: true)
    // /proc shows resolved paths.
    let resolved = URL(fileURLWithPath: base).resolvingSymlinksInPath().path
    var campaign = Campaign(seed: seed, directory: resolved, executables: try Executables())
    campaign.recording = recording
    let output = TortureOutput(json: json)
    defer { campaign.cleanUp() }
    let result =
      if let planted { try PlantedRun(campaign: campaign, minutes: minutes, output: output).run(planted) } else {
        try attack(campaign, output)
      }
    if result != .passed { throw ExitCode(result.rawValue) }
  }

  private func attack(_ campaign: Campaign, _ output: TortureOutput) throws -> RunResult {
    let tiers = all ? Tiers.all : tier.compactMap { Tiers.named($0) }
    var reports: [TierReport] = []
    for tier in tiers {
      let run = TierRun(
        campaign: campaign, tier: tier, seconds: minutes.map { $0 * 60 }, only: number, progress: { output.progress($0) })
      let report = try run.run()
      output.finished(report)
      reports.append(report)
    }
    output.summary(reports)
    return RunResult(reports)
  }
}

/// The result of a run; the raw value is the exit code.
enum RunResult: Int32 {
  case passed = 0
  /// A violation, a defect that was not found, or a tier that injected nothing.
  case failed = 1
  /// No violation, but something could not be run here: this is no success.
  case notRun = 77

  init(_ reports: [TierReport]) {
    if reports.contains(where: { !$0.violations.isEmpty || $0.isEmpty }) {
      self = .failed
    } else {
      self = reports.contains { $0.obstacle != nil } ? .notRun : .passed
    }
  }
}
