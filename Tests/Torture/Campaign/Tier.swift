/// One way to attack: case after case, each following from the campaign's seed and its number.
protocol Tier: Sendable {
  static var name: String { get }
  /// One line for the table and the help.
  static var summary: String { get }

  /// What is missing to run it here; nil if it can run.
  static func obstacle() -> String?

  /// - Throws: Where not even the first case can be made.
  init(_ campaign: Campaign) throws

  /// How many cases there are; nil: as many as there is time for.
  var caseCount: Int? { get }

  /// Runs one case. Cases run at the same time, each in a directory of its own.
  ///
  /// Counts what it did with ``CaseOutcome/inject(_:_:)``: a tier that has injected nothing at its end has failed.
  ///
  /// - Throws: What keeps the case from being tried at all: a fault of the harness, not a finding.
  func run(_ number: Int, in scratch: Scratch) throws -> CaseOutcome
}

extension Tier {
  static func obstacle() -> String? { nil }
  var caseCount: Int? { nil }
}

/// What a case came to.
struct CaseOutcome: Sendable {
  var violations: [String] = []
  /// What was seen, for the table: "committed without an acknowledgement: 1".
  var counts: [String: Int] = [:]
  /// Kills, faults, cuts and changes that happened; a case without one shows nothing.
  var injected = 0

  mutating func count(_ name: String, _ more: Int = 1) { counts[name, default: 0] += more }

  /// Counts what happened to the store or to its processes. An attempt that had no effect is none.
  mutating func inject(_ name: String, _ more: Int = 1) {
    injected += more
    count(name, more)
  }
}
