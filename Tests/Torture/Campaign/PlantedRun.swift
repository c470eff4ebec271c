/// Runs the victims with one defect after another and expects the tiers to find it: a harness that cannot catch a planted bug proves
/// nothing.
struct PlantedRun {
  let campaign: Campaign
  /// The minutes for each defect; nil for half a minute per tier.
  let minutes: Double?
  let output: TortureOutput

  func run(_ chosen: String) throws -> RunResult {
    let names = chosen.split(separator: ",").map(String.init)
    let defects = PlantedDefects.all.filter { chosen == "all" || names.contains($0.name) }
    var rows: [TortureOutput.PlantedRow] = []
    for defect in defects {
      let row = try row(defect)
      output.planted(row)
      rows.append(row)
    }
    output.summary(rows)
    let missed = rows.filter { $0.finding == nil }
    if missed.contains(where: { $0.obstacle == nil }) { return .failed }
    return missed.isEmpty ? .passed : .notRun
  }

  private func row(_ defect: PlantedDefects) throws -> TortureOutput.PlantedRow {
    var row = TortureOutput.PlantedRow(name: defect.name, summary: defect.summary)
    var campaign = campaign
    campaign.plantedDefect = defect.name
    campaign.fault = defect.fault
    var obstacles: [String] = []
    for name in defect.tiers {
      guard let tier = Tiers.named(name) else { continue }
      let run = TierRun(
        campaign: campaign, tier: tier, seconds: (minutes ?? 0.5) * 60, only: nil, isWanted: { defect.explains($0) },
        progress: { output.progress($0) })
      let report = try run.run()
      if let obstacle = report.obstacle { obstacles.append("the tier \(name): \(obstacle)") }
      row.cases += report.cases
      row.injected += report.injected
      row.seconds += report.seconds
      let texts = report.violations.flatMap(\.texts)
      row.otherFinding = row.otherFinding ?? texts.first { !defect.explains($0) }
      if let finding = texts.first(where: defect.explains) {
        row.tier = name
        row.finding = finding
        return row
      }
    }
    if obstacles.count == defect.tiers.count { row.obstacle = obstacles.joined(separator: "; ") }
    return row
  }
}
