import Foundation
import Synchronization

/// Writes tables to standard output, and progress to standard error if it is a terminal.
final class TortureOutput: Sendable {
  struct PlantedRow: Codable, Sendable {
    let name: String
    let summary: String
    var tier: String?
    var finding: String?
    /// A violation that the defect is not meant to cause.
    var otherFinding: String?
    /// Why no tier that must find it was run.
    var obstacle: String?
    var cases = 0
    var injected = 0
    var seconds = 0.0

    init(name: String, summary: String) {
      self.name = name
      self.summary = summary
    }
  }

  private let json: Bool
  private let isTerminal = isatty(2) == 1
  private let lastLine = Mutex(ContinuousClock.now)

  init(json: Bool) { self.json = json }

  func progress(_ report: TierReport) {
    guard isTerminal else { return }
    let isDue = lastLine.withLock { last in
      guard ContinuousClock.now - last > .milliseconds(200) else { return false }
      last = .now
      return true
    }
    guard isDue else { return }
    let of = report.caseCount.map { " of \($0)" } ?? ""
    say("\r\u{1B}[K\(report.name): \(report.cases)\(of) cases, \(report.violations.count) violations", terminator: "")
  }

  private func say(_ text: String, terminator: String = "\n") { FileHandle.standardError.write(Data("\(text)\(terminator)".utf8)) }
  private func clearLine() { if isTerminal { say("\r\u{1B}[K", terminator: "") } }

  private func encoded(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Plain values cannot fail to encode.
    return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }

  // MARK: Tiers

  func finished(_ report: TierReport) {
    clearLine()
    if json { return print(encoded(report)) }
    if let obstacle = report.obstacle { return print("\n*** The tier \(report.name) was NOT run: \(obstacle) ***") }
    let of = report.caseCount.map { " of \($0)" } ?? ""
    print(
      "\n\(report.name): \(report.cases)\(of) cases in \(Int(report.seconds)) s, \(report.violations.count) violations (seed \(report.seed))"
    )
    print("  \(Self.padded("\(report.injected)", -9))  injected; nothing in \(report.casesWithoutInjection) of the cases")
    for (name, count) in report.counts.sorted(by: { $0.key < $1.key }) { print("  \(Self.padded("\(count)", -9))  \(name)") }
    for violation in report.violations {
      print("  VIOLATION in case \(violation.number), kept in \(violation.kept)")
      for text in violation.texts.prefix(8) { print("    \(text)") }
      print("    again: \(report.command(violation))")
    }
  }

  func summary(_ reports: [TierReport]) {
    guard !json else { return }
    func row(_ name: String, _ numbers: [String], _ result: String) {
      print("\(Self.padded(name, 10))\(numbers.map { Self.padded($0, -14) }.joined())  \(result)")
    }
    print("")
    row("tier", ["cases", "injected", "not injected", "seconds"], "violations")
    for report in reports {
      let result =
        if let obstacle = report.obstacle { "NOT RUN: \(obstacle)" } else if report.isEmpty { "NOTHING INJECTED" } else {
          "\(report.violations.count)"
        }
      row(report.name, [report.cases, report.injected, report.casesWithoutInjection, Int(report.seconds)].map { "\($0)" }, result)
    }
  }

  // MARK: Planted defects

  func planted(_ row: PlantedRow) {
    clearLine()
    if json { return print(encoded(row)) }
    let seconds = String(format: "%.1f", row.seconds)
    if let obstacle = row.obstacle { return print("\(Self.padded(row.name, 4)) NOT RUN: \(obstacle)") }
    guard let finding = row.finding, let tier = row.tier else {
      let other = row.otherFinding.map { "\n       seen instead: \($0.prefix(150))" } ?? ""
      return print(
        "\(Self.padded(row.name, 4)) NOT FOUND in \(row.cases) cases, \(row.injected) injected, \(seconds) s: \(row.summary)\(other)")
    }
    let after =
      "after \(Self.padded("\(row.cases)", -5)) cases, \(Self.padded("\(row.injected)", -5)) injected, \(Self.padded(seconds, -6)) s"
    print("\(Self.padded(row.name, 4)) found by \(Self.padded(tier, 8)) \(after): \(row.summary)\n       \(finding.prefix(150))")
  }

  func summary(_ rows: [PlantedRow]) {
    guard !json else { return }
    print("\(rows.count { $0.finding != nil }) of \(rows.count) planted defects were found")
  }

  /// The text filled with spaces to a width; if the width is negative, the spaces are before the text.
  static func padded(_ text: String, _ width: Int) -> String {
    let spaces = String(repeating: " ", count: max(0, abs(width) - text.count))
    return width < 0 ? spaces + text : text + spaces
  }
}
