import Dispatch
import Foundation
import Synchronization

/// Some of up to 128 consecutive rows.
package struct RowSpan: Sendable {
  package let firstRow: Int
  /// The rows that count: bit i is row `firstRow` + i.
  package let live: LiveMask

  package init(firstRow: Int, live: LiveMask) {
    self.firstRow = firstRow
    self.live = live
  }

  /// Up to the last row that counts.
  var count: Int { RowFile.blockCapacity - live.leadingZeroBitCount }
}

/// Finds the rows with the highest scores among many rows in the order of the file, by codes, on as many threads as pay.
///
/// Groups of 16 spans, at most 2,048 rows, are handed out by one counter, in scattered order: rows that are similar often lie beside each other, and a scan in
/// their order would score each of a cluster that gets better and better. All threads share the least score that still counts. The caller
/// scans as well, and at the end waits only for groups that a thread has begun.
package struct RowScan: Sendable {
  /// What was found, and what it took.
  package struct Outcome: Sendable {
    /// The best rows, and those that tie with the last of them.
    package fileprivate(set) var best: BestRows
    package fileprivate(set) var rowsScored = 0
    package fileprivate(set) var rowsCoded = 0
  }

  private let rows: RowFile
  private let query: [Float]
  private let filter: CodeFilter
  private let spans: [RowSpan]

  private static let spansInGroup = 16
  /// With fewer groups, waking a thread takes longer than it saves.
  private static let groupsForHelp = 5
  private static let helperLimit = ProcessInfo.processInfo.activeProcessorCount - 1

  /// - Parameters:
  ///   - rows: Covers all rows.
  ///   - filter: Of the query.
  ///   - query: `dimension` components.
  ///   - spans: The candidates, each once. In the order of the file, or the scan waits for the memory.
  package init(_ rows: RowFile, _ filter: CodeFilter, query: [Float], spans: [RowSpan]) {
    precondition(query.count == rows.header.dimension, "a query has the store's dimension")
    self.rows = rows
    self.filter = filter
    self.query = query
    self.spans = spans
  }

  /// Scans all rows, and returns when no thread reads them any more. Blocks the caller.
  ///
  /// - Parameters:
  ///   - limit: How many rows are wanted.
  ///   - threshold: Rows that score less are left out.
  ///   - helpers: The most threads beside the caller; nil: as many as pay.
  ///   - check: Called first and between groups; an error that it throws ends the scan.
  /// - Throws: What `check` throws.
  /// - Complexity: O(rows × dimension) divided by the threads.
  package func run(limit: Int, threshold: Float, helpers: Int? = nil, check: () throws -> Void) throws -> Outcome {
    let groups = (spans.count + Self.spansInGroup - 1) / Self.spansInGroup
    let work = Work(self, groups: groups, Outcome(best: BestRows(limit: limit, threshold: threshold)))
    defer { work.end() }
    let wanted = helpers ?? (groups < Self.groupsForHelp ? 0 : min(Self.helperLimit, groups / 2))
    for _ in 0..<wanted { work.startHelper() }
    try check()
    var worker = Worker(self, Outcome(best: BestRows(limit: limit, threshold: threshold)))
    while let group = work.next() {
      worker.scan(group, work.least)
      try check()
    }
    work.end()
    return work.merged(with: worker.outcome)
  }

  /// One thread's part of a scan.
  private struct Worker {
    let scan: RowScan
    var filter: CodeFilter
    var outcome: Outcome

    init(_ scan: RowScan, _ empty: Outcome) {
      self.scan = scan
      filter = scan.filter
      outcome = empty
    }

    mutating func scan(_ group: Int, _ least: borrowing SharedBound) {
      let first = group * RowScan.spansInGroup
      for span in scan.spans[first..<min(first + RowScan.spansInGroup, scan.spans.count)] where span.live != 0 {
        let bound = max(outcome.best.bound, least.value)
        let (now, later) = filter.split(firstRow: span.firstRow, count: span.count, span.live, atLeast: bound)
        if now != 0 { score(now, span.firstRow) }
        if later != 0 {
          let remaining = filter.remaining(later, atLeast: max(outcome.best.bound, least.value))
          if remaining != 0 { score(remaining, span.firstRow) }
        }
        least.raise(to: outcome.best.bound)
      }
      outcome.rowsCoded = filter.rowsCompared
    }

    private mutating func score(_ slots: LiveMask, _ row: Int) {
      outcome.rowsScored += slots.nonzeroBitCount
      let (rows, query) = (scan.rows, scan.query)
      rows.forEachScore(query: query.span, firstRow: row, live: slots) { slot, score in
        outcome.best.insert(score: score, row: row + slot)
      }
    }
  }

  /// The highest of the bounds that the threads have: each is the score of as many rows as are wanted, or the threshold.
  private struct SharedBound: ~Copyable {
    /// The bits of a float, changed so that they have its order.
    private let bits: Atomic<UInt32>

    init(_ value: Float) { bits = Atomic(Self.ordered(value)) }

    var value: Float {
      let bits = bits.load(ordering: .relaxed)
      return Float(bitPattern: bits & 0x8000_0000 != 0 ? bits & 0x7fff_ffff : ~bits)
    }

    func raise(to value: Float) {
      let ordered = Self.ordered(value)
      if ordered > bits.load(ordering: .relaxed) { bits.max(ordered, ordering: .relaxed) }
    }

    private static func ordered(_ value: Float) -> UInt32 {
      value.sign == .minus ? ~value.bitPattern : value.bitPattern | 0x8000_0000
    }
  }

  /// What the threads of a scan share.
  private final class Work: Sendable {
    private struct State {
      /// Nil at the end, so that a thread that starts late does not keep the files open.
      var scan: RowScan?
      var running = 0
      var isAwaited = false
      var outcomes: [Outcome] = []
    }

    let least: SharedBound
    private let groups: Int
    private let stride: Int
    private let empty: Outcome
    private let taken = Atomic(0)
    private let state: Mutex<State>
    private let isIdle = DispatchSemaphore(value: 0)

    init(_ scan: RowScan, groups: Int, _ empty: Outcome) {
      self.groups = groups
      self.empty = empty
      stride = Self.stride(groups)
      least = SharedBound(empty.best.bound)
      state = Mutex(State(scan: scan))
    }

    /// About 0.62 of the count, and without a common divisor, so that each group has its turn.
    private static func stride(_ count: Int) -> Int {
      var stride = max(1, count * 618 / 1000)
      while stride > 1, !isCoprime(stride, count) { stride -= 1 }
      return stride
    }

    private static func isCoprime(_ left: Int, _ right: Int) -> Bool {
      var (left, right) = (left, right)
      while right != 0 { (left, right) = (right, left % right) }
      return left == 1
    }

    /// The next group that no thread has taken; nil if there is none.
    func next() -> Int? {
      let number = taken.add(1, ordering: .relaxed).oldValue
      return number < groups ? number * stride % groups : nil
    }

    func startHelper() {
      DispatchQueue.global(qos: .userInitiated).async { [self] in help() }
    }

    private func help() {
      let scan = state.withLock { state in
        if state.scan != nil { state.running += 1 }
        return state.scan
      }
      guard let scan else { return }
      let outcome = Self.scanned(Worker(consume scan, empty), self)
      state.withLock { state in
        state.outcomes.append(outcome)
        state.running -= 1
        if state.running == 0, state.isAwaited {
          state.isAwaited = false
          isIdle.signal()
        }
      }
    }

    /// Consumes the worker: when the thread reports its end, it has no reference to the files.
    @inline(never)
    private static func scanned(_ worker: consuming Worker, _ work: Work) -> Outcome {
      while let group = work.next() { worker.scan(group, work.least) }
      return worker.outcome
    }

    /// No thread takes a group any more; waits for those that scan one.
    func end() {
      taken.store(groups, ordering: .relaxed)
      let waits = state.withLock { state in
        state.scan = nil
        state.isAwaited = state.running > 0
        return state.isAwaited
      }
      if waits { isIdle.wait() }
    }

    func merged(with own: Outcome) -> Outcome {
      state.withLock { state in
        state.outcomes.reduce(into: own) { merged, outcome in
          for entry in outcome.best.entries { merged.best.insert(score: entry.score, row: entry.row) }
          merged.rowsScored += outcome.rowsScored
          merged.rowsCoded += outcome.rowsCoded
        }
      }
    }
  }
}
