/// What the cases of one tier came to.
struct TierReport: Codable, Sendable {
  struct Violation: Codable, Sendable {
    let number: Int
    let texts: [String]
    /// The directory that was kept.
    let kept: String
  }

  let name: String
  let seed: UInt64
  /// Why it was not run.
  var obstacle: String?
  var cases = 0
  /// All there are; nil: without end.
  var caseCount: Int?
  var seconds = 0.0
  var counts: [String: Int] = [:]
  var violations: [Violation] = []

  init(name: String, seed: UInt64) {
    self.name = name
    self.seed = seed
  }

  mutating func add(_ outcome: CaseOutcome, _ number: Int, kept: String) {
    cases += 1
    counts.merge(outcome.counts, uniquingKeysWith: +)
    if !outcome.violations.isEmpty { violations.append(Violation(number: number, texts: outcome.violations, kept: kept)) }
  }

  /// What repeats a violation.
  func command(_ violation: Violation) -> String { "Tools/torture --tier \(name) --seed \(seed) --case \(violation.number)" }
}
