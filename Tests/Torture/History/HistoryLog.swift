/// The events of all processes, put together: the transactions that were tried, and their outcomes.
struct HistoryLog {
  struct Attempt {
    enum Outcome {
      /// No event says how it ended.
      case unknown
      case unchanged(String)
      case committed(position: Int, read: HistoryState, at: UInt64)
    }

    let write: HistoryWrite
    let invokedAt: UInt64
    var outcome = Outcome.unknown
  }

  struct Forget {
    let user: String
    let invokedAt: UInt64
    var returnedAt: UInt64?
  }

  private(set) var attempts: [String: Attempt] = [:]
  private(set) var snapshots: [HistorySnapshot] = []
  private(set) var forgets: [Forget] = []
  private(set) var notes: [String: Int] = [:]
  private(set) var violations: [String] = []

  init(_ events: [HistoryEvent], end: HistoryEnd?) {
    var forgets: [String: Forget] = [:]
    for event in events {
      switch event {
      case .invoked(let write, let at): attempts[write.id] = Attempt(write: write, invokedAt: at)
      case .committed(let id, let position, let read, let at):
        attempts[id]?.outcome = .committed(position: position, read: read, at: at)
        if attempts[id]?.write.isDoomed == true { violations.append("the body of transaction \(id) threw, and it was acknowledged") }
      case .failed(let id, let code, let isCertain): if isCertain { attempts[id]?.outcome = .unchanged(code) }
      case .snapshot(let snapshot): snapshots.append(snapshot)
      case .forgetInvoked(let user, let id, let at): forgets[id] = Forget(user: user, invokedAt: at)
      case .forgotten(let id, let at): forgets[id]?.returnedAt = at
      case .violation(let text): violations.append("seen by a process: \(text)")
      case .note(let text): notes[text, default: 0] += 1
      }
    }
    if let end { snapshots.append(end.snapshot) }
    self.forgets = Array(forgets.values)
  }
}
