/// Checks whether a history is strictly serializable in the order of its commits.
///
/// The clock that each transaction counts up gives the order, so no order has to be searched for: the model runs through it once, and
/// everything that was read is compared with the model's state at its position. O(n log n) in the events.
struct HistoryChecker {
  /// How many tokens a store remembers.
  static let tokenLimit = 16_384
  /// Transactions of one commit, at most: a process has four tasks and its role.
  static let batchLimit = 5

  private(set) var violations: [String] = []
  private(set) var order: HistoryOrder
  private let log: HistoryLog
  private var state = HistoryState.initial
  /// The values that each user has had, so that a message can say where a wrong one is from.
  private var versions: [String: [(clock: Int, user: HistoryUser)]] = [:]
  private var window: ForgetWindow?

  /// - Parameter events: The events of all processes; those of each process in their order.
  init(
    _ events: [HistoryEvent], end: HistoryEnd? = nil, tokenLimit: Int = HistoryChecker.tokenLimit,
    batchLimit: Int = HistoryChecker.batchLimit
  ) {
    log = HistoryLog(events, end: end)
    order = HistoryOrder(log)
    violations = log.violations + order.violations
    replay()
    violations += RealTime(log, order).violations
    if let end { compareTokens(end, tokenLimit, batchLimit) }
  }

  // MARK: What was there to check

  var notes: [String: Int] { log.notes }
  var snapshots: Int { log.snapshots.count }
  /// Transactions that were committed and not acknowledged.
  var unacknowledged: Int {
    order.writes.values.count { attempt in if case .unknown = attempt.outcome { true } else { false } }
  }

  // MARK: The model

  private mutating func replay() {
    let snapshots = Dictionary(grouping: log.snapshots, by: \.shows.clock)
    for (user, value) in state.users { versions[user] = [(0, value)] }
    show(snapshots[0] ?? [])
    for position in 0..<order.last {
      guard let attempt = order.writes[position + 1] else {
        // `order` reports the gap; the states after it are not known.
        return
      }
      if case .committed(_, let read, _) = attempt.outcome { compare(read, of: attempt.write) }
      advance(attempt)
      show(snapshots[state.clock] ?? [])
    }
    if let window { violations += window.violations(log.forgets) }
  }

  private mutating func advance(_ attempt: HistoryLog.Attempt) {
    let before = state
    state.apply(attempt.write)
    if state.forgetting != before.forgetting {
      if let window { violations += window.violations(log.forgets, endedAt: attempt.invokedAt) }
      window = state.forgetting.map { ForgetWindow(user: $0, began: attempt.invokedAt, value: state.users[$0] ?? HistoryUser()) }
    }
    for (user, value) in state.users where value != before.users[user] { versions[user, default: []].append((state.clock, value)) }
  }

  /// A transaction's own reads, which are of the state before it.
  private mutating func compare(_ read: HistoryState, of write: HistoryWrite) {
    let name = "transaction \(write.id) at position \(state.clock + 1)"
    if read.clock != state.clock { violations.append("\(name) read the clock as \(read.clock)") }
    if read.forgetting != state.forgetting {
      violations.append("\(name) read that \(read.forgetting ?? "nobody") is being forgotten and not \(state.forgetting ?? "nobody")")
    }
    let expected = state.reads(of: write)
    if Set(read.users.keys) != Set(expected) { violations.append("\(name) read \(read.users.keys.sorted()) and not \(expected.sorted())") }
    var after = state
    let applied = after.apply(write)
    if read.applied != applied { violations.append("\(name) made its conditional changes \(read.applied) and not \(applied)") }
    for user in expected {
      guard let found = read.users[user], var value = state.users[user] else { continue }
      // The transaction that ends a forgetting finds nothing of the user.
      if user == state.forgetting { value = HistoryUser() }
      if let difference = difference(found, value.withoutRows, user) { violations.append("\(name) read of \(user) \(difference)") }
    }
  }

  private mutating func show(_ snapshots: [HistorySnapshot]) {
    for snapshot in snapshots {
      let name = "snapshot \(snapshot.id) at position \(state.clock)"
      if snapshot.shows.forgetting != state.forgetting {
        violations.append(
          "\(name) shows that \(snapshot.shows.forgetting ?? "nobody") is being forgotten, not \(state.forgetting ?? "nobody")")
      }
      for (user, found) in snapshot.shows.users.sorted(by: { $0.key < $1.key }) {
        if user == state.forgetting {
          window?.add(found, snapshot)
        } else if let difference = difference(found, state.users[user] ?? HistoryUser(), user) {
          violations.append("\(name) shows of \(user) \(difference)")
        }
      }
    }
  }

  private mutating func compareTokens(_ end: HistoryEnd, _ tokenLimit: Int, _ batchLimit: Int) {
    let expected = Set(order.writes.values.map(\.write.id))
    // In a long history the store forgets the first tokens: commit by commit, and within a commit in the order of their hashes.
    let remembered = Set(order.writes.filter { $0.key > order.last - tokenLimit + batchLimit - 1 }.values.map(\.write.id))
    for id in remembered.subtracting(end.committed).sorted().prefix(3) {
      violations.append("transaction \(id) was committed, and its token is not known")
    }
    for id in end.committed.subtracting(expected).sorted().prefix(3) {
      violations.append("transaction \(id) has no place in the order, and its token is known as committed")
    }
  }

  // MARK: Differences

  /// The difference between the content that was read of a user and the expected one; nil if there is none.
  private func difference(_ found: HistoryUser, _ expected: HistoryUser, _ user: String) -> String? {
    guard found != expected else { return nil }
    var parts: [String] = []
    if found.hasContext != expected.hasContext { parts.append(found.hasContext ? "a context that is not there" : "no context") }
    if found.contextVersion != expected.contextVersion {
      parts.append("version \(found.contextVersion) of the context instead of \(expected.contextVersion)")
    }
    if found.topics != expected.topics { parts.append("the topics \(found.topics) instead of \(expected.topics)") }
    if found.preferences != expected.preferences { parts.append("the preferences \(found.preferences) instead of \(expected.preferences)") }
    for slot in Set(found.memories.keys).union(expected.memories.keys).sorted() {
      guard found.memories[slot] != expected.memories[slot] else { continue }
      parts.append("memory \(slot) as \(Self.text(found.memories[slot])) instead of \(Self.text(expected.memories[slot]))")
    }
    // With rows or without them, as they were read.
    if let old = versions[user]?.last(where: { $0.user == found || $0.user.withoutRows == found }) {
      parts.append("which is what was there at position \(old.clock)")
    }
    return parts.joined(separator: "; ")
  }

  private static func text(_ memory: HistoryUser.Memory?) -> String {
    memory.map { "'\($0.text)' (version \($0.version), kind \($0.kind ?? "none"), row \($0.row ?? "none"))" } ?? "none"
  }
}
