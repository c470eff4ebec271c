/// What the shared users have at one place of a history: all of it in the model, a part of it in what a transaction read.
struct HistoryState: Codable, Equatable, Sendable {
  /// Transactions so far.
  var clock = 0
  /// The last of them, the newest last.
  var recent: [String] = []
  /// Who may be gone already.
  var forgetting: String?
  var users: [String: HistoryUser] = [:]

  /// Before the first transaction.
  static var initial: HistoryState {
    HistoryState(users: Dictionary(uniqueKeysWithValues: History.users.map { ($0, HistoryUser()) }))
  }

  /// The users that a transaction reads: not the one that is being forgotten, but for the transaction that ends this.
  func reads(of write: HistoryWrite) -> [String] {
    write.users.filter { $0 != forgetting || write.changes == [.endForget(user: $0)] }
  }

  /// The sequential model: what one transaction makes of the state.
  mutating func apply(_ write: HistoryWrite) {
    for change in write.changes {
      switch change {
      case .beginForget(let user): if forgetting == nil { forgetting = user }
      case .endForget(let user):
        guard forgetting == user else { continue }
        forgetting = nil
        users[user] = HistoryUser()
      default: if change.user != forgetting { users[change.user, default: HistoryUser()].apply(change) }
      }
    }
    clock += 1
    recent = Array((recent + [write.id]).suffix(History.recent))
  }
}

/// One user's context and memories.
struct HistoryUser: Codable, Equatable, Sendable {
  struct Memory: Codable, Equatable, Sendable {
    var text: String
    var kind: String?
    /// A digest of the row's bytes; nil without a row, and if rows were not read.
    var row: String?
  }

  var hasContext = false
  var topics: [String] = []
  var preferences: [String: String] = [:]
  /// By slot; -1 means one that is not the user's.
  var memories: [Int: Memory] = [:]

  var isGone: Bool { self == HistoryUser() }

  /// As a transaction sees it, which cannot read rows.
  var withoutRows: HistoryUser {
    var user = self
    user.memories = memories.mapValues { Memory(text: $0.text, kind: $0.kind) }
    return user
  }

  mutating func apply(_ change: HistoryChange) {
    switch change {
    case .appendTopic(_, let topic):
      hasContext = true
      topics = Self.appended(topic, to: topics)
    case .removeTopic(_, let index):
      hasContext = true
      if !topics.isEmpty { topics.remove(at: index % topics.count) }
    case .setPreference(_, let key, let value):
      hasContext = true
      preferences[key] = value
    case .put(_, let slot, let label, let length, let hasRow):
      let text = History.text(label, length: length)
      memories[slot] = Memory(
        text: History.abbreviated(text), kind: memories[slot]?.kind,
        row: hasRow ? History.digest(of: LaneMemory.components(of: text)) : nil)
    case .mark(_, let slot, let kind): memories[slot]?.kind = kind
    case .delete(_, let slot): memories[slot] = nil
    case .clear: self = HistoryUser()
    case .beginForget, .endForget: break
    }
  }

  static func appended(_ topic: String, to topics: [String]) -> [String] { Array((topics + [topic]).suffix(History.topics)) }
}
