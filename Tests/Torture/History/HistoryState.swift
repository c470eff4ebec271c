/// The content of the shared users at one position of a history: complete in the model, partial in the reads of a transaction.
struct HistoryState: Codable, Equatable, Sendable {
  /// The number of transactions so far.
  var clock = 0
  /// The ids of the last transactions, the newest last.
  var recent: [String] = []
  /// The user that may be gone already; nil if there is none.
  var forgetting: String?
  var users: [String: HistoryUser] = [:]
  /// In the reads of a transaction: which of its conditional changes were made, in their order.
  var applied: [Bool] = []

  /// The state before the first transaction.
  static var initial: HistoryState {
    HistoryState(users: Dictionary(uniqueKeysWithValues: History.users.map { ($0, HistoryUser()) }))
  }

  /// The users that a transaction reads: not the one that is being forgotten, unless the transaction ends the forgetting.
  func reads(of write: HistoryWrite) -> [String] {
    write.users.filter { $0 != forgetting || write.changes == [.endForget(user: $0)] }
  }

  /// The sequential model: applies one transaction to the state.
  ///
  /// - Returns: Which of its conditional changes are made, in their order.
  @discardableResult
  mutating func apply(_ write: HistoryWrite) -> [Bool] {
    var applied: [Bool] = []
    for change in write.changes {
      switch change {
      case .beginForget(let user): if forgetting == nil { forgetting = user }
      case .endForget(let user):
        guard forgetting == user else { continue }
        forgetting = nil
        users[user] = HistoryUser()
      default:
        if change.user != forgetting, let isMade = users[change.user, default: HistoryUser()].apply(change) { applied.append(isMade) }
      }
    }
    clock += 1
    recent = Array((recent + [write.id]).suffix(History.recent))
    return applied
  }
}

/// One user's context and memories.
struct HistoryUser: Codable, Equatable, Sendable {
  struct Memory: Codable, Equatable, Sendable {
    var text: String
    var kind: String?
    /// A digest of the row's bytes; nil without a row, and if rows were not read.
    var row: String?
    var version = 1
  }

  var hasContext = false
  /// 0 if there is no context.
  var contextVersion = 0
  var topics: [String] = []
  var preferences: [String: String] = [:]
  /// The memories by slot; -1 is a memory that has no slot of this user.
  var memories: [Int: Memory] = [:]

  var isGone: Bool { self == HistoryUser() }

  /// The user as a transaction sees it, which cannot read rows.
  var withoutRows: HistoryUser {
    var user = self
    user.memories = memories.mapValues { Memory(text: $0.text, kind: $0.kind, version: $0.version) }
    return user
  }

  /// - Returns: Whether a conditional change was made; nil for another one.
  @discardableResult
  mutating func apply(_ change: HistoryChange) -> Bool? {
    switch change {
    case .appendTopic(_, let topic): changeContext { $0.topics = Self.appended(topic, to: $0.topics) }
    case .removeTopic(_, let index): changeContext { if !$0.topics.isEmpty { $0.topics.remove(at: index % $0.topics.count) } }
    case .setPreference(_, let key, let value): changeContext { $0.preferences[key] = value }
    case .setPreferenceIf(_, let key, let value, let version):
      guard version == contextVersion else { return false }
      changeContext { $0.preferences[key] = value }
      return true
    case .put(_, let slot, let label, let length, let hasRow):
      let text = History.text(label, length: length)
      let old = memories[slot]
      memories[slot] = Memory(
        text: History.abbreviated(text), kind: old?.kind, row: hasRow ? History.digest(of: LaneMemory.components(of: text)) : nil,
        version: hasRow ? (old?.version ?? 0) + 1 : 1)
    case .mark(_, let slot, let kind): mark(slot, kind)
    case .markIf(_, let slot, let kind, let version):
      guard version == memories[slot]?.version else { return false }
      mark(slot, kind)
      return true
    case .delete(_, let slot): memories[slot] = nil
    case .clear: self = HistoryUser()
    case .beginForget, .endForget: break
    }
    return nil
  }

  private mutating func changeContext(_ body: (inout HistoryUser) -> Void) {
    hasContext = true
    contextVersion += 1
    body(&self)
  }

  private mutating func mark(_ slot: Int, _ kind: String) {
    memories[slot]?.kind = kind
    memories[slot]?.version += 1
  }

  static func appended(_ topic: String, to topics: [String]) -> [String] { Array((topics + [topic]).suffix(History.topics)) }
}
