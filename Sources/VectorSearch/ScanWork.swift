import Synchronization

/// What the threads of a scan share: which groups no thread has taken, and what was found.
final class ScanWork: SharedWork {
  private struct Shared {
    var outcome: RowScan.Outcome
    var postponed: [ScanWorker.Candidate] = []
  }

  let empty: RowScan.Outcome
  /// The least score that still counts: of as many rows as are wanted, or the threshold.
  let least: SharedBound
  /// Whether rows may be postponed: the caller scores those at the end, alone, so there must not be many.
  private let postpones = Atomic(true)
  private let groups: SharedGroups<RowScan, Shared>

  private static let postponedLimit = 1024
  /// About the time in which a thread that runs finishes its group.
  private static let patienceNanoseconds: UInt64 = 20_000

  init(_ scan: RowScan, _ empty: RowScan.Outcome) {
    self.empty = empty
    least = SharedBound(empty.best.bound)
    groups = SharedGroups(scan, count: scan.groupCount, Shared(outcome: empty))
  }

  /// The next group that no thread has taken; nil if there is none.
  func next() -> Int? { groups.next() }

  /// Scans a group and adds what was found, unless another thread has done so meanwhile.
  func scan(_ group: Int, _ worker: inout ScanWorker) {
    let found = worker.scan(group, least, postpones: postpones.load(ordering: .relaxed))
    groups.finish(group) { shared in
      if !found.postponed.isEmpty {
        shared.postponed += found.postponed
        if shared.postponed.count > Self.postponedLimit { postpones.store(false, ordering: .relaxed) }
      }
      add(found, &shared)
    }
  }

  /// Scans what was postponed, once all groups are finished.
  ///
  /// - Returns: What the scan has found.
  func finish(_ worker: inout ScanWorker) -> RowScan.Outcome {
    let (postponed, best) = groups.withFound { ($0.postponed, $0.outcome.best) }
    // Not with the worker's own best rows: of a group that another thread has added, they may include one that that thread has postponed, and a row
    // that counts twice would exclude one that is among the best.
    let found = worker.scan(postponed, after: best, least)
    return groups.withFound { shared in
      add(found, &shared)
      return shared.outcome
    }
  }

  private func add(_ found: borrowing ScanWorker.Found, _ shared: inout Shared) {
    shared.outcome.rowsScored += found.rowsScored
    shared.outcome.rowsCoded += found.rowsCoded
    shared.outcome.rowsRefined += found.rowsRefined
    if found.entries.isEmpty { return }
    for entry in found.entries { shared.outcome.best.insert(score: entry.score, row: entry.row) }
    least.raise(to: shared.outcome.best.bound)
  }

  /// A group that another thread has begun and does not finish in the time that it takes; nil: all are finished.
  func unfinishedGroup() -> Int? { groups.unfinishedGroup(patienceNanoseconds: Self.patienceNanoseconds) }

  /// No thread takes a group any more. Waits a moment for those that scan one.
  func end() { groups.end(patienceNanoseconds: Self.patienceNanoseconds) }

  /// On a helping thread.
  func help() {
    groups.help { scan in
      var worker = ScanWorker(scan, empty)
      while let group = next() { self.scan(group, &worker) }
    }
  }
}
