import Foundation
import Synchronization

/// Runs the cases of one tier until its time or its cases are over, as many at a time as there are processors.
struct TierRun: Sendable {
  let campaign: Campaign
  let tier: any Tier.Type
  /// The limit of time; nil to run all cases.
  let seconds: Double?
  /// Only this case.
  let only: Int?
  /// If set, the run ends at the first violation for which it returns true.
  var isWanted: (@Sendable (String) -> Bool)?
  var progress: @Sendable (TierReport) -> Void = { _ in }

  private struct State {
    var next = 0
    var report: TierReport
    var failure: (any Error)?
    var hasFound = false
  }

  func run() throws -> TierReport {
    let started = ContinuousClock.now
    var empty = TierReport(name: tier.name, seed: campaign.seed)
    if let obstacle = tier.obstacle() {
      empty.obstacle = obstacle
      return empty
    }
    let tier = try tier.init(campaign)
    empty.caseCount = tier.caseCount
    let state = Mutex(State(report: empty))
    DispatchQueue.concurrentPerform(iterations: only == nil ? ProcessInfo.processInfo.activeProcessorCount : 1) { _ in
      while let number = next(state, tier, started) {
        do {
          let scratch = try Scratch("\(campaign.directory)/\(Self.directoryName(tier, number))")
          let outcome = try tier.run(number, in: scratch)
          // A violation that a planted defect causes is no finding, and is not kept.
          if outcome.violations.isEmpty || isWanted != nil { scratch.remove() } else { campaign.keep(scratch) }
          let report = state.withLock { state in
            state.report.add(outcome, number, kept: scratch.path)
            if let isWanted { state.hasFound = state.hasFound || outcome.violations.contains(where: isWanted) }
            return state.report
          }
          progress(report)
        } catch {
          state.withLock { $0.failure = $0.failure ?? HarnessFailure(tier: type(of: tier).name, number: number, cause: error) }
        }
      }
    }
    let (report, failure) = state.withLock { ($0.report, $0.failure) }
    if let failure { throw failure }
    var finished = report
    finished.seconds = (ContinuousClock.now - started) / .seconds(1)
    return finished
  }

  private static func directoryName(_ tier: any Tier, _ number: Int) -> String { "\(type(of: tier).name)-\(number)" }

  private func next(_ state: borrowing Mutex<State>, _ tier: any Tier, _ started: ContinuousClock.Instant) -> Int? {
    state.withLock { state in
      if state.failure != nil || state.hasFound { return nil }
      if let only {
        defer { state.next = 1 }
        return state.next == 0 ? only : nil
      }
      if let count = tier.caseCount, state.next >= count { return nil }
      // A hundred findings show no more than ten.
      if state.report.violations.count >= 10, isWanted == nil { return nil }
      if let seconds, ContinuousClock.now - started > .seconds(seconds) { return nil }
      defer { state.next += 1 }
      return tier.caseNumber(state.next, isComplete: seconds == nil)
    }
  }
}

extension Tier {
  /// The number of the case that is run as the `index`-th. If the run may end before the last case, cases are spread over all of them by
  /// the golden ratio.
  func caseNumber(_ index: Int, isComplete: Bool) -> Int {
    guard let caseCount, !isComplete else { return index }
    return CaseOrder(count: caseCount)[index]
  }
}

/// A permutation of 0..<count in which every beginning is spread evenly.
struct CaseOrder {
  private let count: Int
  private let step: Int

  init(count: Int) {
    self.count = count
    var step = max(1, Int(Double(count) * 0.618_033_988_75))
    while Self.divisor(step, count) != 1 { step += 1 }
    self.step = step
  }

  subscript(index: Int) -> Int { index * step % count }

  private static func divisor(_ left: Int, _ right: Int) -> Int { right == 0 ? left : divisor(right, left % right) }
}

/// The harness could not try a case.
struct HarnessFailure: Error, CustomStringConvertible {
  let tier: String
  let number: Int
  let cause: any Error

  var description: String { "case \(number) of the tier \(tier) could not be tried: \(cause)" }
}
