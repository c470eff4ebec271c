@testable import Torture

/// A history made by hand, correct until a test spoils it.
struct MadeHistory {
  private(set) var events: [HistoryEvent] = []
  private(set) var state = HistoryState.initial
  private var time: UInt64 = 0
  private var forgets: Set<String> = []

  mutating func tick() -> UInt64 {
    time += 10
    return time
  }

  var violations: [String] { HistoryChecker(events).violations }

  mutating func add(_ event: HistoryEvent) { events.append(event) }

  // MARK: Correct events

  mutating func begin(_ write: HistoryWrite) { add(.invoked(write, at: tick())) }

  /// Commits a transaction that has begun; `isAcknowledged` says whether the caller learns of it.
  mutating func commit(_ write: HistoryWrite, isAcknowledged: Bool = true) {
    let read = Self.read(write, state)
    state.apply(write)
    if isAcknowledged { add(.committed(id: write.id, position: state.clock, read: read, at: tick())) }
  }

  mutating func run(_ write: HistoryWrite) {
    begin(write)
    commit(write)
  }

  mutating func fail(_ write: HistoryWrite, isCertain: Bool = true) {
    begin(write)
    add(.failed(id: write.id, code: "Doomed", isCertain: isCertain))
  }

  mutating func look(_ id: String) { show(id, state) }

  mutating func show(_ id: String, _ state: HistoryState) {
    let requestedAt = tick()
    add(.snapshot(HistorySnapshot(id: id, requestedAt: requestedAt, takenAt: tick(), shows: state)))
  }

  /// Forgets a user; `meanwhile` adds events between the two halves of the call.
  mutating func forget(_ user: String, id: String, meanwhile: (inout MadeHistory) -> Void = { _ in }) {
    add(.forgetInvoked(user: user, id: id, at: tick()))
    state.users[user] = HistoryUser()
    meanwhile(&self)
    add(.forgotten(id: id, at: tick()))
  }

  static func read(_ write: HistoryWrite, _ state: HistoryState) -> HistoryState {
    var read = state
    read.users = [:]
    var after = state
    read.applied = after.apply(write)
    for user in state.reads(of: write) { read.users[user] = state.users[user]?.withoutRows }
    return read
  }

  // MARK: Spoiled events

  mutating func spoilRead(of id: String, _ change: (inout HistoryState) -> Void) {
    for (index, event) in events.enumerated() {
      guard case .committed(id, let position, var read, let at) = event else { continue }
      change(&read)
      events[index] = .committed(id: id, position: position, read: read, at: at)
    }
  }

  mutating func spoilSnapshot(_ id: String, _ change: (inout HistoryState) -> Void) {
    for (index, event) in events.enumerated() {
      guard case .snapshot(let snapshot) = event, snapshot.id == id else { continue }
      var shows = snapshot.shows
      change(&shows)
      events[index] = .snapshot(
        HistorySnapshot(id: id, requestedAt: snapshot.requestedAt, takenAt: snapshot.takenAt, shows: shows))
    }
  }
}

extension HistoryWrite {
  /// A transaction that appends its own name to the topics of users.
  static func appending(_ id: String, to users: String...) -> HistoryWrite {
    HistoryWrite(id: id, users: users, changes: users.map { .appendTopic(user: $0, topic: id) })
  }

  static func putting(_ id: String, _ user: String, slot: Int = 0) -> HistoryWrite {
    HistoryWrite(id: id, users: [user], changes: [.put(user: user, slot: slot, label: id, length: 10, hasRow: true)])
  }
}
