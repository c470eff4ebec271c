import CSearchKernels
import Dispatch
import Synchronization

/// What the threads of a scan share: which groups no thread has taken, and what was found.
///
/// A group counts once, for the thread that adds its rows first. So the caller can scan a group again that another thread has taken and does not
/// finish, because the system does not let it run.
final class ScanWork: SharedWork {
  private struct State {
    /// Nil at the end, so that a thread that starts late does not keep the files open.
    var scan: RowScan?
    var running = 0
    /// The caller has left while threads were running.
    var isLate = false
    var outcome: RowScan.Outcome
    var isFinished: [Bool]
    var postponed: [ScanWorker.Candidate] = []
  }

  let empty: RowScan.Outcome
  /// The least score that still counts: of as many rows as are wanted, or the threshold.
  let least: SharedBound
  private let groups: Int
  private let stride: Int
  private let taken = Atomic(0)
  private let unfinished: Atomic<Int>
  /// Whether rows may be postponed: the caller scores those at the end, alone, so there must not be many.
  private let postpones = Atomic(true)
  private let state: Mutex<State>

  /// Threads that still run when their scan has ended.
  static let late = DispatchGroup()
  private static let postponedLimit = 1024
  /// About the time in which a thread that runs finishes its group.
  private static let patienceNanoseconds: UInt64 = 20_000

  init(_ scan: RowScan, _ empty: RowScan.Outcome) {
    self.empty = empty
    groups = scan.groupCount
    stride = Self.stride(groups)
    least = SharedBound(empty.best.bound)
    unfinished = Atomic(groups)
    state = Mutex(
      State(scan: scan, outcome: empty, isFinished: [Bool](repeating: false, count: groups)))
  }

  /// The number next to 0.62 of the count that has no divisor in common with it, so that each group has its turn; not 1, if there is another.
  private static func stride(_ count: Int) -> Int {
    let wanted = count * 618 / 1000
    for distance in 0..<max(1, count) {
      for stride in [wanted - distance, wanted + distance] where 1 < stride && stride < count && isCoprime(stride, count) { return stride }
    }
    return 1
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

  /// Scans a group and adds what was found, unless another thread has done so meanwhile.
  func scan(_ group: Int, _ worker: inout ScanWorker) {
    let found = worker.scan(group, least, postpones: postpones.load(ordering: .relaxed))
    state.withLock { state in
      if state.isFinished[group] { return }
      state.isFinished[group] = true
      unfinished.subtract(1, ordering: .releasing)
      if !found.postponed.isEmpty {
        state.postponed += found.postponed
        if state.postponed.count > Self.postponedLimit { postpones.store(false, ordering: .relaxed) }
      }
      add(found, &state)
    }
  }

  /// Scans what was postponed, once all groups are finished.
  ///
  /// - Returns: What the scan has found.
  func finish(_ worker: inout ScanWorker) -> RowScan.Outcome {
    let (postponed, best) = state.withLock { ($0.postponed, $0.outcome.best) }
    // Not with the worker's own best rows: of a group that another thread has added, they may include one that that thread has postponed, and a row
    // that counts twice would exclude one that is among the best.
    let found = worker.scan(postponed, after: best, least)
    return state.withLock { state in
      add(found, &state)
      return state.outcome
    }
  }

  private func add(_ found: borrowing ScanWorker.Found, _ state: inout State) {
    state.outcome.rowsScored += found.rowsScored
    state.outcome.rowsCoded += found.rowsCoded
    state.outcome.rowsRefined += found.rowsRefined
    if found.entries.isEmpty { return }
    for entry in found.entries { state.outcome.best.insert(score: entry.score, row: entry.row) }
    least.raise(to: state.outcome.best.bound)
  }

  /// Groups that other threads have begun and do not finish in the time that it takes.
  func unfinishedGroups() -> [Int] {
    let end = DispatchTime.now().uptimeNanoseconds + Self.patienceNanoseconds
    while unfinished.load(ordering: .acquiring) > 0, DispatchTime.now().uptimeNanoseconds < end { search_pause() }
    if unfinished.load(ordering: .acquiring) == 0 { return [] }
    return state.withLock { state in state.isFinished.indices.filter { !state.isFinished[$0] } }
  }

  /// No thread takes a group any more. Waits a moment for those that scan one.
  func end() {
    taken.store(groups, ordering: .relaxed)
    let end = DispatchTime.now().uptimeNanoseconds + Self.patienceNanoseconds
    while true {
      let isOver = DispatchTime.now().uptimeNanoseconds >= end
      let isDone = state.withLock { state in
        state.scan = nil
        if state.running == 0 { return true }
        if isOver {
          state.isLate = true
          Self.late.enter()
        }
        return isOver
      }
      if isDone { return }
      search_pause()
    }
  }

  // MARK: On a helping thread

  func help() {
    guard scanGroups() else { return }
    let leaves = state.withLock { state in
      state.running -= 1
      return state.running == 0 && state.isLate
    }
    if leaves { Self.late.leave() }
  }

  /// A function of its own: when the thread reports its end, it has no reference to the files.
  ///
  /// - Returns: False if the scan has ended.
  @inline(never)
  private func scanGroups() -> Bool {
    let scan = state.withLock { state in
      if state.scan != nil { state.running += 1 }
      return state.scan
    }
    guard let scan else { return false }
    var worker = ScanWorker(scan, empty)
    while let group = next() { self.scan(group, &worker) }
    return true
  }
}
