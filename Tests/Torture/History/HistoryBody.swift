import Engram
import Foundation

/// The body of a transaction, written as a user would: it reads, and changes what it has read.
enum HistoryBody {
  /// What a doomed body throws.
  struct Doomed: Error {}

  /// - Returns: The state that was read before all changes, and which of the conditional changes were made.
  static func run(_ write: HistoryWrite, _ transaction: inout WriteTransaction) throws -> HistoryState {
    var read = try state(write, transaction)
    for change in write.changes {
      if let isMade = try apply(change, read.forgetting, &transaction) { read.applied.append(isMade) }
    }
    try transaction.updateContext(for: History.clock) { clock in
      clock.with(conversationsCount: clock.conversationsCount + 1, topics: Array((clock.topics + [write.id]).suffix(History.recent)))
    }
    if write.isDoomed { throw Doomed() }
    return read
  }

  private static func state(_ write: HistoryWrite, _ transaction: borrowing WriteTransaction) throws -> HistoryState {
    var state = HistoryState(try transaction.context(for: History.clock))
    for user in state.reads(of: write) {
      var found = HistoryUser(try transaction.versionedContext(for: user))
      for slot in 0..<History.slots {
        guard let memory = try transaction.memory(History.memoryID(user, slot), for: user) else { continue }
        found.memories[memory.userID == user ? slot : -1] = HistoryUser.Memory(memory, row: nil)
      }
      state.users[user] = found
    }
    return state
  }

  /// - Returns: Whether a conditional change was made; nil for another one.
  private static func apply(_ change: HistoryChange, _ forgetting: String?, _ transaction: inout WriteTransaction) throws -> Bool? {
    switch change {
    case .beginForget(let user):
      guard forgetting == nil else { return nil }
      try transaction.updateContext(for: History.clock) { $0.with(preferences: [History.forgettingKey: user]) }
    case .endForget(let user):
      guard forgetting == user else { return nil }
      try transaction.updateContext(for: History.clock) { $0.with(preferences: [:]) }
    default:
      // Another process may be forgetting this user right now.
      if change.user != forgetting { return try applyToUser(change, &transaction) }
    }
    return nil
  }

  private static func applyToUser(_ change: HistoryChange, _ transaction: inout WriteTransaction) throws -> Bool? {
    switch change {
    case .setPreferenceIf(let user, let key, let value, let version):
      return try isMade {
        try transaction.updateContext(for: user, ifVersion: version) { $0.with(preferences: $0.preferences.merging([key: value]) { $1 }) }
      }
    case .markIf(let user, let slot, let kind, let version):
      return try isMade {
        try transaction.update(History.memoryID(user, slot), for: user, ifVersion: version) { $0.with(kind: .some(kind)) }
      }
    case .appendTopic(let user, let topic):
      try transaction.updateContext(for: user) { $0.with(topics: HistoryUser.appended(topic, to: $0.topics)) }
    case .removeTopic(let user, let index):
      try transaction.updateContext(for: user) { context in
        var topics = context.topics
        if !topics.isEmpty { topics.remove(at: index % topics.count) }
        return context.with(topics: topics)
      }
    case .setPreference(let user, let key, let value):
      try transaction.updateContext(for: user) { $0.with(preferences: $0.preferences.merging([key: value]) { $1 }) }
    case .put(let user, let slot, let label, let length, let hasRow):
      try put(user, slot, History.text(label, length: length), hasRow, &transaction)
    case .mark(let user, let slot, let kind):
      let id = History.memoryID(user, slot)
      if try transaction.memory(id, for: user) != nil { try transaction.update(id, for: user) { $0.with(kind: .some(kind)) } }
    case .delete(let user, let slot): try transaction.delete(History.memoryID(user, slot), for: user)
    case .clear(let user):
      try transaction.delete(where: !.hasMetadata("none has this"), scope: .user(user))
      try transaction.deleteContext(UserContext.self, for: user)
    case .beginForget, .endForget: break
    }
    return nil
  }

  /// Whether a change was made: false if it was refused because of the version, or because there is nothing to change.
  private static func isMade(_ change: () throws -> Void) throws -> Bool {
    do {
      try change()
      return true
    } catch let error as StoreError where error.code == .versionMismatch || error.code == .notFound {
      return false
    }
  }

  private static func put(
    _ user: String, _ slot: Int, _ text: String, _ hasRow: Bool, _ transaction: inout WriteTransaction
  ) throws {
    let id = History.memoryID(user, slot)
    let embedding = hasRow ? Embedding(LaneMemory.components(of: text)) : nil
    let old = try transaction.memory(id, for: user)
    if old != nil, let embedding {
      try transaction.update(id, for: user, embedding: embedding) { $0.with(text: text) }
    } else {
      // An update cannot remove an embedding, and there may be no memory to update.
      try transaction.delete(id, for: user)
      try transaction.add(MemoryDraft(userID: user, text: text, embedding: embedding, kind: old?.kind, id: id))
    }
  }
}

extension HistoryState {
  /// The state of the clock alone.
  init(_ context: UserContext?) {
    self.init(
      clock: context?.conversationsCount ?? 0, recent: context?.topics ?? [], forgetting: context?.preferences[History.forgettingKey])
  }
}

extension HistoryUser {
  /// A user without memories.
  init(_ context: ContextVersion<UserContext>?) {
    self.init(
      hasContext: context != nil, contextVersion: context?.version ?? 0, topics: context?.context.topics ?? [],
      preferences: context?.context.preferences ?? [:])
  }
}

extension HistoryUser.Memory {
  init(_ memory: Memory, row: [Float]?) {
    self.init(text: History.abbreviated(memory.text), kind: memory.kind, row: row.map { History.digest(of: $0) }, version: memory.version)
  }
}
