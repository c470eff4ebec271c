/// Runs the victims with one defect after another and expects the tiers to find it: a harness that cannot catch a planted bug proves
/// nothing.
struct PlantedRun {
  let campaign: Campaign
  /// For each defect; nil: half a minute a tier.
  let minutes: Double?
  let output: TortureOutput

  /// - Returns: Whether every defect was found.
  func run(_ chosen: String) throws -> Bool {
    let names = chosen.split(separator: ",").map(String.init)
    let defects = PlantedDefects.all.filter { chosen == "all" || names.contains($0.name) }
    var rows: [TortureOutput.PlantedRow] = []
    for defect in defects {
      let row = try row(defect)
      output.planted(row)
      rows.append(row)
    }
    output.summary(rows)
    return rows.allSatisfy { $0.finding != nil }
  }

  private func row(_ defect: PlantedDefects) throws -> TortureOutput.PlantedRow {
    var row = TortureOutput.PlantedRow(name: defect.name, summary: defect.summary)
    var campaign = campaign
    campaign.plantedDefect = defect.name
    campaign.fault = defect.fault
    for name in defect.tiers {
      guard let tier = Tiers.named(name) else { continue }
      let run = TierRun(
        campaign: campaign, tier: tier, seconds: (minutes ?? 0.5) * 60, only: nil, stopsAtFirst: true, progress: { output.progress($0) })
      let report = try run.run()
      row.cases += report.cases
      row.seconds += report.seconds
      if let violation = report.violations.first {
        row.tier = name
        row.finding = violation.texts.first
        for found in report.violations { Scratch.remove(found.kept) }
        return row
      }
    }
    return row
  }
}
