import Engram

/// Reads the content of the shared users in a snapshot, rows included.
enum HistoryReader {
  /// Two reads of one snapshot contradict each other.
  struct Contradiction: Error, CustomStringConvertible {
    let description: String
  }

  static func state(_ snapshot: borrowing MemorySnapshot) throws -> HistoryState {
    var state = HistoryState(try snapshot.context(for: History.clock))
    for user in History.users { state.users[user] = try self.user(user, snapshot) }
    for summary in try snapshot.users(limit: 100) where summary.userID != History.clock {
      guard let user = state.users[summary.userID] else { throw Contradiction(description: "there is a user '\(summary.userID)'") }
      let rows = user.memories.values.count { $0.row != nil }
      guard summary.memories == user.memories.count, summary.contexts == (user.hasContext ? 1 : 0), summary.embeddings == rows else {
        throw Contradiction(description: "the counts of \(summary.userID) are \(summary), what is there is \(user)")
      }
    }
    return state
  }

  private static func user(_ user: String, _ snapshot: borrowing MemorySnapshot) throws -> HistoryUser {
    var found = HistoryUser(try snapshot.versionedContext(for: user))
    var withRows: Set<MemoryID> = []
    let memories = try snapshot.memories(for: user, newestFirst: false)
    for memory in memories {
      let row = try snapshot.embedding(of: memory.id, for: memory.userID)?.values
      if row != nil { withRows.insert(memory.id) }
      let slot = memory.userID == user ? History.slot(of: memory.id, user) : nil
      found.memories[slot ?? -1] = HistoryUser.Memory(memory, row: row)
    }
    guard try snapshot.count(scope: .user(user)) == memories.count else {
      throw Contradiction(description: "\(user) has \(memories.count) memories in the order of time, and counts another number")
    }
    let query = SearchQuery(embedding: Embedding(LaneMemory.components(of: user)), scope: .user(user), limit: 100)
    let hits = Set(try snapshot.search(query).map(\.memory.id))
    guard hits == withRows else {
      throw Contradiction(description: "a search of \(user) finds \(hits.count) memories, \(withRows.count) have rows: \(found)")
    }
    return found
  }
}
