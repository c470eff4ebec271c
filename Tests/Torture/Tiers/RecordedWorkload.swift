import Foundation
import TestSupport

/// The workload of a recording; each number gives another one.
struct RecordedWorkload: Sendable {
  enum Kind: String, CaseIterable {
    case one = "has one process"
    case eventual = "has one process that defers its flushes"
    case two = "has two processes"
    case mixed = "has two processes, of which the second defers its flushes"

    var processes: Int { self == .two || self == .mixed ? 2 : 1 }
  }

  let kind: Kind
  private let lanes: [[Lane]]

  init(_ campaign: Campaign, _ number: Int) {
    kind = Kind.allCases[number % Kind.allCases.count]
    lanes = (0..<kind.processes).map { process in
      ["a", "b"].map { Lane(name: "p\(process)\($0)", seed: campaign.seed &+ UInt64(number), forgets: process == 0) }
    }
  }

  private func defers(_ process: Int) -> Bool { kind == .eventual || (kind == .mixed && process == 1) }

  /// The oracle before the run.
  var oracle: WorkerOracle {
    var oracle = WorkerOracle(lanes.flatMap { $0 })
    oracle.mayLoseTheLast = kind == .eventual || kind == .mixed
    for (process, lanes) in lanes.enumerated() where !defers(process) {
      for lane in lanes { oracle.requireAcknowledged(lane.name) }
    }
    return oracle
  }

  /// Runs it to its end under the tracer.
  func record(_ victims: Victims, to file: String) throws {
    let workers = lanes.indices.map { process in
      victims.worker(
        lanes[process], writes: 12, compactEvery: process == 0 ? 5 : 0, backup: process == 0 ? victims.scratch.path("backup") : nil,
        eventualMilliseconds: defers(process) ? 15 : nil)
    }
    let outcome = try victims.trace(["--scope", victims.scratch.path, "--record", file], together: workers)
    guard outcome.termination == .exited(0) else { throw TracedWorkload.WorkloadFailed(outcome: outcome) }
  }
}
