extension MemoryStore {
  /// How many memories of the scope a filter matches: what ``delete(where:scope:)`` would delete.
  ///
  /// - Complexity: O(memories in scope).
  public func count(matching filter: Filter, scope: SearchScope) throws -> Int {
    var count = 0
    try forEachMatch(filter, scope) { _ in count += 1 }
    return count
  }

  /// The memories of the scope that a filter matches.
  package func ids(matching filter: Filter, scope: SearchScope) throws -> [MemoryID] {
    var ids: [MemoryID] = []
    try forEachMatch(filter, scope) { ids.append($0.id) }
    return ids
  }

  private func forEachMatch(_ filter: Filter, _ scope: SearchScope, _ body: (Memory) -> Void) throws {
    try Limits.check(filter)
    try read { snapshot in
      try snapshot.read { reader in
        let visit = { (record: MemoryRecord) -> Bool in
          if filter.matches(record.memory) { body(record.memory) }
          return true
        }
        switch scope {
        case .all: try reader.forEachMemory(after: nil, visit)
        case .user(let userID):
          try Limits.checkUserID(userID)
          try reader.forEachMemory(of: userID, newestFirst: false, after: nil, visit)
        }
      }
    }
  }
}
