import Engram
import Foundation
import TestSupport

/// A store, and a backup of it from an earlier hour: each case gets copies of both.
///
/// Their generations have the same number: a process that takes one for the other finds the names that it looks for.
final class MovedTemplate: Sendable {
  let scratch: Scratch
  /// Of the process that is traced.
  let traced: [Lane]
  /// Of a process that has the store open meanwhile, and goes on when the traced one has ended.
  let heir: Lane
  /// Of a process that writes at the same time.
  let busy: Lane

  /// Writes of each lane: how many there are tells a lane which of the stores it is in.
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

  /// None of the lanes has forgotten anybody by then.
  private func write(_ victims: Victims, _ writes: Int) throws {
    let end = try victims.start(victims.worker(lanes, writes: writes)).finish()
    let acknowledged = end.standardOutput.split(separator: "\n").count { $0.hasPrefix("acknowledged") }
    guard end.termination == .exited(0), acknowledged == lanes.count * writes else { throw TracedWorkload.WorkloadFailed(outcome: end) }
  }

  func copy(into scratch: Scratch) throws {
    for name in ["store", "backup"] { try FileManager.default.copyItem(atPath: self.scratch.path(name), toPath: scratch.path(name)) }
  }

  /// What a store may hold that had `count` writes of each lane, by the logs of those who had it open.
  func oracle(_ count: Int, _ logs: [MovedLog]) -> WorkerOracle {
    var oracle = WorkerOracle(lanes)
    for lane in lanes { oracle.settle(lane.name, at: count) }
    for log in logs where log.first == count { oracle.read(log.text) }
    return oracle
  }
}

/// What a worker said, with the tracer's word in it of when the store was moved.
struct MovedLog: Sendable {
  /// Without the violations that the worker saw.
  private(set) var text = ""
  private(set) var violations: [String] = []
  /// The number of its first write; nil: it began none.
  private(set) var first: Int?
  private(set) var hasOpened = false
  /// Whether it had the store open before the move. Without the tracer's word: nothing was moved.
  private(set) var openedBefore = false
  private(set) var wasMoved = false
  /// What was begun after the move, and done.
  private(set) var late: [String] = []
  /// How often each kind of event is in it.
  private(set) var failures: [String: Int] = [:]

  /// - Parameter wasMoved: Before its first write.
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
