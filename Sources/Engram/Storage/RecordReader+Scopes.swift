/// Reads of what a scope holds. Its users were checked: see ``Limits/check(_:)-(SearchScope)``.
extension RecordReader {
  /// How many live memories there are.
  func count(_ scope: SearchScope) throws -> Int {
    switch scope {
    case .all: return try state().memories - (try expiredCount(nil))
    case .user(let userID):
      let key = userKey(userID)
      guard let record = try user(key, userID) else { return 0 }
      return record.memories - (try expiredCount(key))
    }
  }

  /// Walks the live memories until `body` returns false: one user's by time, those of all users by id.
  func forEachMemory(in scope: SearchScope, _ body: (MemoryRecord) throws -> Bool) throws {
    switch scope {
    case .all: try forEachMemory(after: nil, body)
    case .user(let userID): try forEachMemory(of: userID, newestFirst: false, after: nil, body)
    }
  }

  /// Calls `body` with every live memory that the filter matches, in the order of ``forEachMemory(in:_:)``.
  ///
  /// - Parameter check: Called now and then; what it throws ends the walk.
  func forEachMatch(_ scope: SearchScope, _ filter: Filter, _ check: @escaping () throws -> Void, _ body: (Memory) -> Void) throws {
    var meter = WorkMeter(.comparing, total: 0) { _ in try check() }
    try forEachMemory(in: scope) { record in
      if filter.matches(record.memory) { body(record.memory) }
      try meter.pass(bytes: record.memory.text.utf8.count)
      return true
    }
  }
}
