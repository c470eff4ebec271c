/// Checks that a call which ended before another one began also comes before it in the order: transactions at their positions, snapshots
/// just after the last transaction that they show.
struct RealTime {
  private struct Call {
    let name: String
    /// Twice the position, and one more for a snapshot: it comes after the transaction that it shows and before the next.
    let place: Int
    let began: UInt64
    /// Nil if the time is not known.
    let ended: UInt64?
  }

  private(set) var violations: [String] = []

  init(_ log: HistoryLog, _ order: HistoryOrder) {
    var calls = log.snapshots.map {
      Call(
        name: "snapshot \($0.id), which shows \($0.shows.clock) transactions", place: 2 * $0.shows.clock + 1, began: $0.requestedAt,
        ended: $0.takenAt)
    }
    for (position, attempt) in order.writes {
      var ended: UInt64?
      if case .committed(_, _, let at) = attempt.outcome { ended = at }
      calls.append(
        Call(name: "transaction \(attempt.write.id) at position \(position)", place: 2 * position, began: attempt.invokedAt, ended: ended))
    }
    compare(calls)
  }

  /// Goes through the calls in order of time: no call may begin whose place is before that of a call that has ended.
  private mutating func compare(_ calls: [Call]) {
    let ended = calls.compactMap { call in call.ended.map { (at: $0, call: call) } }.sorted { $0.at < $1.at }
    var next = 0
    var furthest: Call?
    for call in calls.sorted(by: { $0.began < $1.began }) {
      while next < ended.count, ended[next].at < call.began {
        if ended[next].call.place > furthest?.place ?? -1 { furthest = ended[next].call }
        next += 1
      }
      guard let furthest, furthest.place > call.place else { continue }
      violations.append("\(furthest.name) had ended before \(call.name) began")
      if violations.count == 5 { return }
    }
  }
}
