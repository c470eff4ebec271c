import Foundation
import TestSupport

/// Three or four processes run transactions on the same few users, take snapshots and hold them, compact, forget, open and close; some are
/// killed. What all of them saw must be one sequence of transactions.
struct HistoryTier: Tier {
  static let name = "history"
  static let summary = "histories of several processes, checked for strict serializability in the order of commits"

  /// The number of transactions in one history.
  static let transactions = 1000
  /// A process that takes longer hangs.
  private static let patience = Duration.seconds(90)

  private let campaign: Campaign

  init(_ campaign: Campaign) throws { self.campaign = campaign }

  func run(_ number: Int, in scratch: Scratch) throws -> CaseOutcome {
    var run = HistoryRun(campaign: campaign, scratch: scratch, number: number, patience: Self.patience)
    // Every twelfth history is a long one, in which snapshots grow old.
    if number % 12 == 11 {
      (run.goal, run.seconds, run.holdSeconds) = (.max, 25, 20)
    }
    return try run.outcome()
  }
}

/// One history, from the first process to the verdict.
struct HistoryRun {
  let campaign: Campaign
  let scratch: Scratch
  let number: Int
  let patience: Duration
  var goal = HistoryTier.transactions
  var seconds = 30.0
  var holdSeconds = 2.0

  private var outcomeSoFar = CaseOutcome()
  private var logs: [String] = []
  /// Whether a process hangs: another one that opens the store would hang, too.
  private var isHanging = false
  private var running: [Int: Subprocess] = [:]

  init(campaign: Campaign, scratch: Scratch, number: Int, patience: Duration) {
    self.campaign = campaign
    self.scratch = scratch
    self.number = number
    self.patience = patience
  }

  /// The settings of one process, the same each time that it is started.
  private struct Part {
    let role: HistoryProcess.Role
    let tasks: Int
    let eventualMilliseconds: Int?
  }

  mutating func outcome() throws -> CaseOutcome {
    var generator = campaign.generator(HistoryTier.self, number)
    var roles: [HistoryProcess.Role] = [.compacts, .forgets, .reopens]
    if generator.chance(percent: 50) { roles.append(.writes) }
    let parts = roles.map { role in
      Part(
        role: role, tasks: Int.random(in: 1...4, using: &generator),
        eventualMilliseconds: generator.chance(percent: 15) ? Int.random(in: 2...50, using: &generator) : nil)
    }
    let kills = generator.chance(percent: 60) ? Int.random(in: 1...5, using: &generator) : 0
    do {
      try startAll(parts)
      try killSome(kills, parts, &generator)
      for process in running.keys.sorted() { try finish(process) }
    } catch Subprocess.Failure.timedOut {
      outcomeSoFar.violations.append("a process hangs as a whole")
      isHanging = true
    }
    running = [:]
    try judge()
    return outcomeSoFar
  }

  // MARK: Processes

  /// Starts all processes. The first one makes the store: other tiers test what happens if several make it.
  private mutating func startAll(_ parts: [Part]) throws {
    for (index, part) in parts.enumerated() {
      try start(index, part)
      if index == 0 { _ = try? running[0]?.readLine() }
    }
  }

  private mutating func start(_ process: Int, _ part: Part) throws {
    let name = "p\(process)i\(logs.count)"
    let log = scratch.path("log-\(name)")
    logs.append(log)
    var arguments = [
      "history-worker", scratch.store, "--name", name, "--seed", "\(campaign.seed &+ UInt64(number))", "--log", log, "--role",
      part.role.rawValue, "--tasks", "\(part.tasks)", "--goal", "\(goal)", "--seconds", "\(seconds)", "--hold-seconds", "\(holdSeconds)",
    ]
    if let delay = part.eventualMilliseconds { arguments += ["--eventual-milliseconds", "\(delay)"] }
    running[process] = try Subprocess(campaign.executables.torture, arguments, timeout: patience, environment: campaign.environment)
  }

  private mutating func killSome(_ kills: Int, _ parts: [Part], _ generator: inout SeededGenerator) throws {
    for _ in 0..<kills {
      Thread.sleep(forTimeInterval: Double.random(in: 0.02...0.6, using: &generator))
      let process = Int.random(in: parts.indices, using: &generator)
      running[process]?.kill()
      guard try finish(process) == .signalled(SIGKILL) else { return }
      outcomeSoFar.inject("processes killed")
      try start(process, parts[process])
    }
  }

  /// - Returns: How the process ended.
  @discardableResult
  private mutating func finish(_ process: Int) throws -> Subprocess.Termination? {
    guard let child = running.removeValue(forKey: process) else { return nil }
    let end = try child.finish()
    // The log says what hangs.
    if end.termination == .exited(HangWatch.exitCode) {
      isHanging = true
    } else if end.termination != .exited(0), end.termination != .signalled(SIGKILL) {
      outcomeSoFar.violations.append("a process ended with \(end.termination): \(end.standardError.suffix(300))")
    }
    return end.termination
  }

  // MARK: The verdict

  private mutating func judge() throws {
    let histories = try logs.map { try HistoryLogFile.read($0) }
    let events = histories.flatMap { $0 }
    let writers = histories.count { $0.contains { if case .committed = $0 { true } else { false } } }
    if writers > 1 { outcomeSoFar.inject("histories of several writers") }
    let end = isHanging ? HistoryEndCheck.Result() : try check(events)
    outcomeSoFar.violations += end.violations
    let checker = HistoryChecker(events, end: end.end)
    outcomeSoFar.violations += checker.violations
    for (note, count) in checker.notes { outcomeSoFar.count(note, count) }
    outcomeSoFar.count("transactions", checker.order.last)
    outcomeSoFar.count("of them never acknowledged", checker.unacknowledged)
    outcomeSoFar.count("snapshots", checker.snapshots)
  }

  /// Reads and checks the store at the end, in another process. Not to be called if a process hangs.
  private func check(_ events: [HistoryEvent]) throws -> HistoryEndCheck.Result {
    let ids = events.compactMap { event in if case .invoked(let write, _) = event { write.id } else { nil } }
    try ids.joined(separator: "\n").write(toFile: scratch.path("ids"), atomically: true, encoding: .utf8)
    do {
      let outcome = try Subprocess.run(
        campaign.executables.torture, ["history-end", scratch.store, "--ids", scratch.path("ids")], timeout: .seconds(30),
        environment: campaign.environment)
      if outcome.termination == .exited(0) {
        return try JSONDecoder().decode(HistoryEndCheck.Result.self, from: Data(outcome.standardOutput.utf8))
      }
      return .init(violations: ["the check at the end ended with \(outcome.termination): \(outcome.standardError.suffix(300))"])
    } catch Subprocess.Failure.timedOut(let output) {
      return .init(violations: ["the check at the end hangs: \(output.suffix(300))"])
    }
  }
}

extension Campaign {
  /// The environment of the victims.
  fileprivate var environment: [String: String] { plantedDefect.map { [PlantedDefects.variable: $0] } ?? [:] }
}
