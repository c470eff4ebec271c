/// Reports the progress of long work to a receiver. An error that the receiver throws ends the work.
///
/// The receiver is called once for about 256 KiB of work or 1,024 small steps, whichever comes first. Release builds do that in less than
/// two milliseconds, so a cancelled task ends soon, and the calls do not show in a measurement.
struct WorkMeter {
  private let phase: OperationProgress.Phase
  /// May grow while the work goes on.
  var total: Int
  private let report: (OperationProgress) throws -> Void
  private(set) var done = 0
  private var weight = 0

  private static let stepWeight = 256
  private static let reportWeight = 256 << 10

  init(_ phase: OperationProgress.Phase, total: Int, _ report: @escaping (OperationProgress) throws -> Void) {
    self.phase = phase
    self.total = total
    self.report = report
  }

  /// Counts `count` units of the total as done.
  ///
  /// - Parameter bytes: How many bytes were read for them.
  mutating func add(_ count: Int = 1, bytes: Int = 0) throws {
    done += count
    try pass(bytes: bytes)
  }

  /// Counts a step that is no part of the total, such as a comparison of a sort.
  mutating func pass(bytes: Int = 0) throws {
    weight += Self.stepWeight + bytes
    if weight >= Self.reportWeight { try tell() }
  }

  /// Reports now.
  mutating func tell() throws {
    weight = 0
    try report(.init(phase: phase, done: min(done, total), total: total, count: done))
  }

  /// Reports `done` units now.
  mutating func tell(done: Int) throws {
    self.done = done
    try tell()
  }

  /// Reports the end.
  mutating func finish() throws { try report(.init(phase: phase, done: total, total: total, count: max(done, total))) }
}

/// Combines both closures: each step is first reported to `progress`, then `check` may end the work by throwing. So `progress` sees every
/// step that was done.
func reporting(
  _ progress: @escaping (OperationProgress) -> Void, _ check: @escaping () throws -> Void
) -> (OperationProgress) throws -> Void {
  { step in
    progress(step)
    try check()
  }
}

extension Array {
  /// Sorts in place; `meter` counts each comparison.
  mutating func sort(by precedes: (Element, Element) -> Bool, _ meter: inout WorkMeter) throws {
    try sort {
      try meter.pass()
      return precedes($0, $1)
    }
  }
}
