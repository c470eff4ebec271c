/// One kind of attack: a series of cases, each determined by the campaign's seed and its own number.
protocol Tier: Sendable {
  static var name: String { get }
  /// One line for the table and the help.
  static var summary: String { get }

  /// What is missing to run it here; nil if it can run.
  static func obstacle() -> String?

  /// - Throws: An error if not even the first case can be made.
  init(_ campaign: Campaign) throws

  /// How many cases there are; nil: as many as there is time for.
  var caseCount: Int? { get }

  /// Runs one case. Cases run at the same time, each in a directory of its own.
  ///
  /// Counts what it did with ``CaseOutcome/inject(_:_:)``: a tier that has injected nothing at its end has failed.
  ///
  /// - Throws: An error if the case cannot be tried at all: a fault of the harness, not a finding.
  func run(_ number: Int, in scratch: Scratch) throws -> CaseOutcome
}

extension Tier {
  static func obstacle() -> String? { nil }
  var caseCount: Int? { nil }
}

/// The result of a case.
struct CaseOutcome: Sendable {
  var violations: [String] = []
  /// Numbers of events for the table, such as "committed without an acknowledgement": 1.
  var counts: [String: Int] = [:]
  /// Kills, faults, cuts and changes that happened; a case without one shows nothing.
  var injected = 0

  mutating func count(_ name: String, _ more: Int = 1) { counts[name, default: 0] += more }

  /// Counts an attack that happened to the store or to its processes. An attempt without an effect must not be counted.
  mutating func inject(_ name: String, _ more: Int = 1) {
    injected += more
    count(name, more)
  }
}
