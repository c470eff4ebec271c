extension MemoryStore {
  /// How many memories of the scope a filter matches: what ``delete(where:scope:)`` would delete.
  ///
  /// - Complexity: O(memories in scope).
  package func count(matching filter: Filter, scope: SearchScope) throws -> Int {
    try read { snapshot in
      try snapshot.read { reader in
        var count = 0
        let body = { (record: MemoryRecord) -> Bool in
          if filter.matches(record.memory) { count += 1 }
          return true
        }
        switch scope {
        case .all: try reader.forEachMemory(after: nil, body)
        case .user(let userID):
          try Limits.checkUserID(userID)
          try reader.forEachMemory(of: userID, newestFirst: false, after: nil, body)
        }
        return count
      }
    }
  }
}
