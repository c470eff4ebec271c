/// The results of the cases of one tier.
struct TierReport: Codable, Sendable {
  struct Violation: Codable, Sendable {
    let number: Int
    let texts: [String]
    /// The directory that was kept.
    let kept: String
  }

  let name: String
  let seed: UInt64
  /// Why the tier could not be run; nil if it was run.
  var obstacle: String?
  var cases = 0
  /// The number of attacks that happened to stores and processes in all cases.
  var injected = 0
  /// Cases in which nothing was injected: they show nothing.
  var casesWithoutInjection = 0
  /// How many cases the tier has; nil if there is no end.
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
    injected += outcome.injected
    if outcome.injected == 0 { casesWithoutInjection += 1 }
    counts.merge(outcome.counts, uniquingKeysWith: +)
    if !outcome.violations.isEmpty { violations.append(Violation(number: number, texts: outcome.violations, kept: kept)) }
  }

  /// Whether the tier ran and did nothing to any store.
  var isEmpty: Bool { obstacle == nil && injected == 0 }

  /// The command that repeats a violation.
  func command(_ violation: Violation) -> String { "Tools/torture --tier \(name) --seed \(seed) --case \(violation.number)" }
}
