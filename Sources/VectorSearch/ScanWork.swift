import Synchronization

/// What the threads of a scan share: which groups no thread has taken, and what was found.
final class ScanWork: SharedWork {
  struct Shared {
    fileprivate var outcome: RowScan.Outcome
    fileprivate var postponed: [ScanWorker.Candidate] = []
    fileprivate var unrefined: [ScanWorker.Candidate] = []
  }

  let empty: RowScan.Outcome
  /// The least score that still counts: of as many rows as are wanted, or the threshold.
  let least: SharedBound
  /// Whether rows may be postponed: the caller scores those at the end, alone, so there must not be many.
  private let postpones = Atomic(true)
  /// The same for rows whose fine codes are not compared yet. By the end, the best rows have excluded nearly all of them.
  private let postponesCodes = Atomic(true)
  let groups: SharedGroups<RowScan, Shared>

  private static let postponedLimit = 1024
  private static let unrefinedLimit = 49_152
  private static let patienceNanoseconds: UInt64 = 20_000

  init(_ scan: RowScan, _ empty: RowScan.Outcome) {
    self.empty = empty
    least = SharedBound(empty.best.bound)
    groups = SharedGroups(scan, count: scan.groupCount, patienceNanoseconds: Self.patienceNanoseconds, Shared(outcome: empty))
  }

  /// Scans a group and adds what was found, unless another thread has done so meanwhile.
  func scan(_ group: Int, _ worker: inout ScanWorker) {
    let found = worker.scan(
      group, least, postpones: postpones.load(ordering: .relaxed), postponesCodes: postponesCodes.load(ordering: .relaxed))
    groups.finish(group) { shared in
      shared.postponed += found.postponed
      if shared.postponed.count > Self.postponedLimit { postpones.store(false, ordering: .relaxed) }
      shared.unrefined += found.unrefined
      if shared.unrefined.count > Self.unrefinedLimit { postponesCodes.store(false, ordering: .relaxed) }
      shared.outcome.add(found, least)
    }
  }

  /// Scores what was postponed, once all groups are finished.
  ///
  /// - Returns: What the scan has found.
  func finish(_ scan: RowScan) -> RowScan.Outcome {
    let (postponed, unrefined) = groups.withFound { ($0.postponed, $0.unrefined) }
    // Not by a worker that has scanned groups: of a group that another thread has added, its best rows may include one that that thread has postponed, and
    // a row that counts twice would exclude one that is among the best.
    var worker = ScanWorker(scan, empty)
    let scored = worker.scan(postponed, isRefined: true, least)
    groups.withFound { $0.outcome.add(scored, least) }
    let refined = worker.scan(unrefined, isRefined: false, least)
    return groups.withFound { shared in
      shared.outcome.add(refined, least)
      return shared.outcome
    }
  }

  /// On a helping thread.
  func help() {
    groups.help { scan in
      var worker = ScanWorker(scan, empty)
      while let group = groups.next() { self.scan(group, &worker) }
    }
  }
}

extension RowScan.Outcome {
  /// - Parameter least: Raised to the score of the last of as many rows as are wanted.
  fileprivate mutating func add(_ found: borrowing ScanWorker.Found, _ least: borrowing SharedBound) {
    rowsScored += found.rowsScored
    rowsCoded += found.rowsCoded
    rowsRefined += found.rowsRefined
    if found.entries.isEmpty { return }
    for entry in found.entries { best.insert(score: entry.score, row: entry.row) }
    least.raise(to: best.bound)
  }
}
