import Foundation
import TestSupport

/// Moves the store once, and checks all stores afterwards.
struct MovedCase {
  let campaign: Campaign
  let template: MovedTemplate
  let scratch: Scratch
  let moving: StoreMoving
  /// Whether the process that waits compacts before it writes.
  let compactsFirst: Bool
  var outcome = CaseOutcome()

  private var log: String { scratch.path("hit") }

  init(campaign: Campaign, template: MovedTemplate, scratch: Scratch, moving: StoreMoving, compactsFirst: Bool) {
    self.campaign = campaign
    self.template = template
    self.scratch = scratch
    self.moving = moving
    self.compactsFirst = compactsFirst
  }

  /// - Parameter action: Options of the tracer, which say when the move is made.
  mutating func run(victims: Victims, writes: Int, _ action: [String]) throws {
    try template.copy(into: scratch)
    let heir = try victims.start(victims.worker([template.heir], writes: 3, compactEvery: 2, waits: true, compactsFirst: compactsFirst))
    let busy = try victims.start(victims.worker([template.busy], writes: 60, waits: true))
    // Both have opened the store before anything happens.
    _ = try heir.readLine()
    _ = try busy.readLine()
    busy.closeInput()
    let traced = try victims.trace(
      ["--marker", "--announce", "--scope", scratch.store, "--log", log, "--command", moving.command(in: scratch.path)] + action,
      victims.worker(template.traced, writes: writes, compactEvery: 4, marker: true))
    let isMoved = Tracing.injections(log) > 0
    if isMoved { outcome.inject(moving.rawValue) }
    if FileManager.default.fileExists(atPath: scratch.path("move-output")) {
      outcome.violations.append("the move failed: \((try? String(contentsOfFile: scratch.path("move-output"), encoding: .utf8)) ?? "")")
    }
    let ends = [
      ("the traced process", traced), ("the process that writes", try busy.finish()), ("the process that waits", try heir.finish()),
    ]
    for (name, end) in ends where end.termination != .exited(0) && end.termination != .exited(1) {
      outcome.violations.append("\(name) ended with \(end.termination): \(end.standardError.suffix(300))")
    }
    let isGone = isMoved && moving != .awayAndBack
    let logs = [
      MovedLog(traced.standardOutput), MovedLog(ends[1].1.standardOutput),
      MovedLog(ends[2].1.standardOutput, wasMoved: isGone),
    ]
    for log in logs { for (failure, count) in log.failures { outcome.count(failure, count) } }
    if isMoved { judgeErrors(zip(ends, logs).map { ($0.0, $0.1, $1) }) }
    if isGone {
      judge(logs)
      try checkPlaces(victims, logs)
    } else {
      outcome.violations += logs.flatMap(\.violations).map { "seen by a worker: \($0)" }
      try check(victims, "store", MovedTemplate.inStore, logs, as: "the store that was not moved")
      try checkNames(moving == .awayAndBack ? moving.names : ["store", "backup"], mayHaveStore: true)
    }
    guard !outcome.violations.isEmpty else { return }
    for (name, end) in ends {
      let text = "\(end.standardOutput)\n\(end.standardError)"
      try text.write(toFile: scratch.path("output of \(name)"), atomically: true, encoding: .utf8)
    }
    if let hit = try? String(contentsOfFile: log, encoding: .utf8) {
      outcome.violations.append("\(moving.rawValue), \(action.last ?? ""): \(hit.split(separator: "\n").first ?? "at no call")")
    }
  }

  /// Only the move goes wrong in these cases, so an error that does not name it is a violation.
  private mutating func judgeErrors(_ ends: [(name: String, end: Subprocess.Outcome, log: MovedLog)]) {
    for (name, end, log) in ends {
      for failure in log.failures.keys.sorted() where !failure.contains(": storeMoved") {
        let code = failure.split(separator: " ").last ?? ""
        outcome.violations.append("\(name) was not told of the move: \(failure) (code \(code)): \(end.standardError.suffix(1200))")
      }
    }
  }

  /// Only a process that has opened a store anew may go on.
  private mutating func judge(_ logs: [MovedLog]) {
    for log in logs where log.first == MovedTemplate.inStore {
      outcome.violations += log.late.prefix(3)
    }
    for log in logs {
      // The move itself removed the files.
      outcome.violations += log.violations.filter { moving.keepsOld || !$0.contains("was removed under a held snapshot") }
        .map { "seen by a worker: \($0)" }
    }
    if logs[0].first.map({ $0 != MovedTemplate.inStore }) ?? false { outcome.count("opened anew") }
  }

  private mutating func checkPlaces(_ victims: Victims, _ logs: [MovedLog]) throws {
    // A process that was about to open may have found the store that came after.
    let isUntouched = logs[0].openedBefore
    if moving.restores {
      let changes = try FileTree(scratch.store).differences(from: FileTree(template.scratch.path("backup")))
      if isUntouched {
        // In the same directory, a call that was decided before the move creates at worst a file that the next opening removes.
        let isWrong = moving == .restoredInPlace ? changes.filter(Self.isContent) : changes
        if !isWrong.isEmpty { outcome.violations.append("the store that took the place was changed: \(isWrong.joined(separator: ", "))") }
        if isWrong.count < changes.count { outcome.count("leftovers in the restored directory") }
      }
      try check(victims, "store", MovedTemplate.inBackup, logs, as: "the store that took the place")
    } else if FileManager.default.fileExists(atPath: scratch.store) {
      if isUntouched {
        outcome.violations.append("a store was made where the moved one was")
      } else {
        try check(victims, "store", 0, logs, as: "the store that was made anew")
      }
    }
    if moving.keepsOld { try check(victims, "old", MovedTemplate.inStore, logs, as: "the moved store") }
    if moving.names.contains("backup") {
      let changes = try FileTree(scratch.path("backup")).differences(from: FileTree(template.scratch.path("backup")))
      if !changes.isEmpty { outcome.violations.append("the backup was changed: \(changes.joined(separator: ", "))") }
    }
    try checkNames(moving.names, mayHaveStore: !isUntouched)
  }

  private static func isContent(_ name: String) -> Bool {
    name == "current" || name == "gen-1" || name.hasSuffix("/data.mdb") && name.hasPrefix("gen-1/") || name == "gen-1/rows.f32"
  }

  private mutating func check(_ victims: Victims, _ name: String, _ count: Int, _ logs: [MovedLog], as title: String) throws {
    let result = try victims.check(template.oracle(count, logs), store: scratch.path(name))
    outcome.violations += result.violations.map { "\(title): \($0)" }
  }

  private mutating func checkNames(_ expected: Set<String>, mayHaveStore: Bool) throws {
    let names = Set(try FileManager.default.contentsOfDirectory(atPath: scratch.path)).subtracting(["hit"])
    if names.subtracting(mayHaveStore ? ["store"] : []) != expected.subtracting(mayHaveStore ? ["store"] : []) {
      outcome.violations.append("beside the store: \(names.sorted().joined(separator: ", "))")
    }
  }
}
