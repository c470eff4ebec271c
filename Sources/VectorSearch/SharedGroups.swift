import CSearchKernels
import Dispatch
import Synchronization

/// The groups of rows of a scan, which threads take one after the other in scattered order, and what the threads have found together.
///
/// A group counts once, for the thread that adds its rows first. So the caller can scan a group again that another thread has taken and does not
/// finish, because the system does not let it run.
final class SharedGroups<Scan: Sendable, Found: Sendable>: Sendable {
  private struct State {
    /// Nil at the end, so that a thread that starts late does not keep the files open.
    var scan: Scan?
    var running = 0
    /// The caller has left while threads were running.
    var isLate = false
    var found: Found
    var isFinished: [Bool]
  }

  private let count: Int
  private let stride: Int
  /// About the time in which a thread that runs finishes a group.
  private let patienceNanoseconds: UInt64
  private let taken = Atomic(0)
  private let unfinished: Atomic<Int>
  private let state: Mutex<State>

  init(_ scan: Scan, count: Int, patienceNanoseconds: UInt64, _ found: Found) {
    self.count = count
    self.patienceNanoseconds = patienceNanoseconds
    stride = scatteringStride(count)
    unfinished = Atomic(count)
    state = Mutex(State(scan: scan, found: found, isFinished: [Bool](repeating: false, count: count)))
  }

  /// Scans all groups, on this thread and on those that help. Afterwards no thread scans any more, but for one that the system does not let run.
  ///
  /// - Parameters:
  ///   - work: Whose groups these are.
  ///   - limit: The most threads beside the caller.
  ///   - check: Called between groups; an error that it throws ends the scan.
  ///   - scan: Scans a group on this thread.
  func run(
    _ work: any SharedWork, on threads: HelperThreads, limit: Int, check: () throws -> Void, scan: (Int) -> Void
  ) throws {
    let offer = threads.offer(work, limit: limit)
    defer {
      offer.withdraw()
      end()
    }
    while let group = next() {
      scan(group)
      try check()
    }
    // No thread begins any more. Those that have begun are nearly done, unless the system does not let them run.
    offer.withdraw()
    while let group = unfinishedGroup() {
      scan(group)
      try check()
    }
  }

  /// The next group that no thread has taken; nil if there is none.
  func next() -> Int? {
    let number = taken.add(1, ordering: .relaxed).oldValue
    return number < count ? number * stride % count : nil
  }

  /// Adds what a thread has found in a group, unless another thread has done so meanwhile.
  func finish(_ group: Int, _ add: (inout Found) -> Void) {
    state.withLock { state in
      if state.isFinished[group] { return }
      state.isFinished[group] = true
      unfinished.subtract(1, ordering: .releasing)
      add(&state.found)
    }
  }

  /// Reads or changes what was found.
  func withFound<Result: Sendable>(_ body: (inout Found) -> Result) -> Result { state.withLock { body(&$0.found) } }

  /// A group that another thread has begun and does not finish in the time that it takes; nil: all are finished.
  func unfinishedGroup() -> Int? {
    let end = DispatchTime.now().uptimeNanoseconds + patienceNanoseconds
    while unfinished.load(ordering: .acquiring) > 0, DispatchTime.now().uptimeNanoseconds < end { search_pause() }
    if unfinished.load(ordering: .acquiring) == 0 { return nil }
    return state.withLock { $0.isFinished.firstIndex(of: false) }
  }

  /// No thread takes a group any more. Waits a moment for those that scan one.
  func end() {
    taken.store(count, ordering: .relaxed)
    let end = DispatchTime.now().uptimeNanoseconds + patienceNanoseconds
    while true {
      let isOver = DispatchTime.now().uptimeNanoseconds >= end
      let isDone = state.withLock { state in
        state.scan = nil
        if state.running == 0 { return true }
        if isOver {
          state.isLate = true
          HelperThreads.late.enter()
        }
        return isOver
      }
      if isDone { return }
      search_pause()
    }
  }

  // MARK: On a helping thread

  /// Calls `body`, which scans groups, unless the scan has ended.
  func help(_ body: (Scan) -> Void) {
    guard begin(body) else { return }
    let leaves = state.withLock { state in
      state.running -= 1
      return state.running == 0 && state.isLate
    }
    if leaves { HelperThreads.late.leave() }
  }

  /// A function of its own: when the thread reports its end, it has no reference to the files.
  ///
  /// - Returns: False if the scan has ended.
  @inline(never)
  private func begin(_ body: (Scan) -> Void) -> Bool {
    let scan = state.withLock { state in
      if state.scan != nil { state.running += 1 }
      return state.scan
    }
    guard let scan else { return false }
    body(scan)
    return true
  }
}

/// The number next to 0.62 of the count that has no divisor in common with it, so that each group has its turn; not 1, if there is another.
private func scatteringStride(_ count: Int) -> Int {
  let wanted = count * 618 / 1000
  for distance in 0..<max(1, count) {
    for stride in [wanted - distance, wanted + distance] where 1 < stride && stride < count && isCoprime(stride, count) { return stride }
  }
  return 1
}

private func isCoprime(_ left: Int, _ right: Int) -> Bool {
  var (left, right) = (left, right)
  while right != 0 { (left, right) = (right, left % right) }
  return left == 1
}
