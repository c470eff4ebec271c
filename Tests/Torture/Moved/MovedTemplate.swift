import Engram
import Foundation
import TestSupport

/// A store, and a backup of it from an earlier hour: each case gets copies of both.
///
/// Their generations have the same number, so that a process that takes one for the other finds the names that it looks for.
final class MovedTemplate: Sendable {
  let scratch: Scratch
  /// The lanes of the process that is traced.
  let traced: [Lane]
  /// The lane of a process that has the store open meanwhile, and goes on when the traced one has ended.
  let heir: Lane
  /// The lane of a process that writes at the same time.
  let busy: Lane

  /// The number of writes of each lane. It tells a lane in which of the stores it is.
  static let inStore = 4
  static let inBackup = 2

  init(_ campaign: Campaign) throws {
    scratch = try Scratch("\(campaign.directory)/moved-template")
    traced = ["a", "b"].map { Lane(name: $0, seed: campaign.seed, forgets: true) }
    heir = Lane(name: "c", seed: campaign.seed)
    busy = Lane(name: "d", seed: campaign.seed)
    let victims = Victims(campaign: campaign.withoutDefect, scratch: scratch)
    try write(victims, Self.inBackup)
    try FileManager.default.copyItem(atPath: scratch.store, toPath: scratch.path("backup"))
    try write(victims, Self.inStore - Self.inBackup)
  }

  deinit { scratch.remove() }

  var lanes: [Lane] { [heir, busy] + traced }

  /// Writes with all lanes. None of them has forgotten a user by then.
  private func write(_ victims: Victims, _ writes: Int) throws {
    let end = try victims.start(victims.worker(lanes, writes: writes)).finish()
    let acknowledged = end.standardOutput.split(separator: "\n").count { $0.hasPrefix("acknowledged") }
    guard end.termination == .exited(0), acknowledged == lanes.count * writes else { throw TracedWorkload.WorkloadFailed(outcome: end) }
  }

  func copy(into scratch: Scratch) throws {
    for name in ["store", "backup"] { try FileManager.default.copyItem(atPath: self.scratch.path(name), toPath: scratch.path(name)) }
  }

  /// The oracle of a store that had `count` writes of each lane, with the logs of the processes that had it open.
  func oracle(_ count: Int, _ logs: [MovedLog]) -> WorkerOracle {
    var oracle = WorkerOracle(lanes)
    for lane in lanes { oracle.settle(lane.name, at: count) }
    for log in logs where log.first == count { oracle.read(log.text) }
    return oracle
  }
}

/// The output of a worker, in which a line of the tracer says when the store was moved.
struct MovedLog: Sendable {
  /// The output without the violations that the worker saw.
  private(set) var text = ""
  private(set) var violations: [String] = []
  /// The number of its first write; nil: it began none.
  private(set) var first: Int?
  private(set) var hasOpened = false
  /// Whether it had the store open before the move; without a line of the tracer, whether it had it open at all.
  private(set) var openedBefore = false
  private(set) var wasMoved = false
  /// Writes and compactions that were begun after the move and done.
  private(set) var late: [String] = []
  /// How often each kind of failure is in it.
  private(set) var failures: [String: Int] = [:]

  /// - Parameter wasMoved: Whether the store was moved before its first write.
  init(_ text: String, wasMoved: Bool = false) {
    self.wasMoved = wasMoved
    let isAllLate = wasMoved
    openedBefore = wasMoved
    var begunLate: Set<String> = []
    for line in text.split(separator: "\n") {
      let event = WorkerEvent(line: line)
      if case .violation(let text) = event {
        violations.append(text)
        continue
      }
      self.text += "\(line)\n"
      switch event {
      case .opened:
        hasOpened = true
        openedBefore = openedBefore || !self.wasMoved
      case .fault: self.wasMoved = true
      case .issued(let lane, let number):
        first = first ?? number
        if self.wasMoved { begunLate.insert("\(lane) \(number)") }
      case .acknowledged(let lane, let number, _):
        if begunLate.contains("\(lane) \(number)") {
          late.append("write \(number) of lane \(lane) was begun after the move and acknowledged")
        }
      case .failed(let lane, let number, _, let code):
        failures["write: \(code)", default: 0] += 1
        if code == "\(StoreError.Code.storeMoved)(committed)", begunLate.contains("\(lane) \(number)") {
          late.append("write \(number) of lane \(lane) was begun after the move and committed")
        }
      case .note("compact") where isAllLate: late.append("a compaction was begun after the move and done")
      case .note(let text) where text.contains(": "): failures[text, default: 0] += 1
      case .note, .generation, .violation, nil: break
      }
    }
  }
}
