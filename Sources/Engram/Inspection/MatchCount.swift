extension MemoryStore {
  /// How many memories of the scope a filter matches: what ``delete(where:scope:)`` would delete.
  ///
  /// - Throws: ``StoreError`` `.invalidArgument`, `.invalidUserID`, `.corrupted`, `.closed`, `.tooManyReaders`; `CancellationError`.
  /// - Complexity: O(memories in scope), on a thread of its own.
  public func count(matching filter: Filter, scope: SearchScope) async throws -> Int {
    try await matches(filter, scope, 0) { count, _ in count += 1 }
  }

  /// The memories of the scope that a filter matches. As ``count(matching:scope:)``.
  package func ids(matching filter: Filter, scope: SearchScope) async throws -> [MemoryID] {
    try await matches(filter, scope, []) { $0.append($1.id) }
  }

  private func matches<Value: Sendable>(
    _ filter: Filter, _ scope: SearchScope, _ none: Value, _ add: @escaping @Sendable (inout Value, Memory) -> Void
  ) async throws -> Value {
    try Limits.check(filter)
    if case .user(let userID) = scope { try Limits.checkUserID(userID) }
    try requireOpen()
    return try await core.background("the memories cannot be counted") { _, check in
      var value = none
      try self.read { snapshot in
        try snapshot.read { reader in
          var meter = WorkMeter(.comparing, total: 0) { _ in try check() }
          let visit = { (record: MemoryRecord) -> Bool in
            if filter.matches(record.memory) { add(&value, record.memory) }
            try meter.pass(bytes: record.memory.text.utf8.count)
            return true
          }
          switch scope {
          case .all: try reader.forEachMemory(after: nil, visit)
          case .user(let userID): try reader.forEachMemory(of: userID, newestFirst: false, after: nil, visit)
          }
        }
      }
      return value
    }
  }
}
