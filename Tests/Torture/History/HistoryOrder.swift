/// The one order of all committed transactions. It follows from the acknowledged positions, and from the names of the last transactions,
/// which every reader of the clock reads. These also give the position of a transaction that was never acknowledged.
struct HistoryOrder {
  /// By position, from 1 on.
  private(set) var writes: [Int: HistoryLog.Attempt] = [:]
  private(set) var violations: [String] = []
  private let log: HistoryLog

  /// The last position that is known.
  var last: Int { writes.keys.max() ?? 0 }

  init(_ log: HistoryLog) {
    self.log = log
    for attempt in log.attempts.values.sorted(by: { $0.write.id < $1.write.id }) {
      guard case .committed(let position, _, _) = attempt.outcome else { continue }
      place(attempt.write.id, position, "its acknowledgement")
    }
    for attempt in log.attempts.values.sorted(by: { $0.write.id < $1.write.id }) {
      guard case .committed(_, let read, _) = attempt.outcome else { continue }
      placeAll(read, "transaction \(attempt.write.id)")
    }
    for snapshot in log.snapshots { placeAll(snapshot.shows, "snapshot \(snapshot.id)") }
    let last = last
    for position in 1..<(last + 1) where writes[position] == nil {
      violations.append("nobody knows of a transaction at position \(position) of \(last)")
    }
  }

  private mutating func placeAll(_ state: HistoryState, _ witness: String) {
    guard state.recent.count == min(state.clock, History.recent) else {
      return report("\(witness) read the clock as \(state.clock) with \(state.recent.count) names")
    }
    for (index, id) in state.recent.enumerated() { place(id, state.clock - state.recent.count + 1 + index, witness) }
  }

  private mutating func place(_ id: String, _ position: Int, _ witness: String) {
    if let other = writes[position] {
      if other.write.id == id { return }
      return report("position \(position) belongs to transaction \(other.write.id) and, by \(witness), to \(id): one of them is lost")
    }
    guard let attempt = log.attempts[id] else {
      return report("\(witness) shows transaction \(id) at position \(position), which nobody began")
    }
    switch attempt.outcome {
    case .committed(let own, _, _) where own != position:
      return report("transaction \(id) was acknowledged at position \(own), \(witness) shows it at \(position)")
    case .unchanged(let code):
      report("transaction \(id) failed (\(code)) and changed nothing, \(witness) shows it at position \(position)")
    case .committed, .unknown: break
    }
    writes[position] = attempt
  }

  private mutating func report(_ text: String) {
    // The same fault shows in everything that was read after it.
    if violations.count < 10 { violations.append(text) }
  }
}
