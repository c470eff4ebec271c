import Formats

/// Reads of the memories of a scope. The caller has checked its users: see ``Limits/check(_:)-(SearchScope)``.
extension RecordReader {
  /// The users of the scope, each once, in ascending order of keys; nil: all.
  func users(of scope: SearchScope) -> [(key: UserKey, userID: String)]? {
    switch scope {
    case .all: nil
    case .user(let userID): [(userKey(userID), userID)]
    case .users(let userIDs): Set(userIDs.map(Exact.init)).map { (userKey($0.value), $0.value) }.sorted { $0.key < $1.key }
    }
  }

  /// How many live memories the scope has.
  func count(_ scope: SearchScope) throws -> Int {
    guard let users = users(of: scope) else { return try state().memories - expiredCount(nil) }
    var count = 0
    var known: Set<UserKey> = []
    for (key, userID) in users {
      guard let record = try user(key, userID) else { continue }
      count += record.memories
      known.insert(key)
    }
    return known.isEmpty ? 0 : try count - expiredCount(known)
  }

  /// Walks the live memories until `body` returns false: those of all users by id, else user by user, each user's by time.
  func forEachMemory(in scope: SearchScope, _ body: (MemoryRecord) throws -> Bool) throws {
    guard let users = users(of: scope) else { return try forEachMemory(after: nil, body) }
    for (_, userID) in users {
      var goesOn = true
      try forEachMemory(of: userID, newestFirst: false, after: nil) { record in
        goesOn = try body(record)
        return goesOn
      }
      if !goesOn { return }
    }
  }

  /// Calls `body` with every live memory that the filter matches, in the order of ``forEachMemory(in:_:)``.
  ///
  /// - Parameter progress: Called now and then; what it throws ends the walk.
  func forEachMatch(
    _ scope: SearchScope, _ filter: Filter, _ progress: @escaping (OperationProgress) throws -> Void, _ body: (Memory) -> Void
  ) throws {
    var meter = WorkMeter(.counting, total: try count(scope), progress)
    try forEachMemory(in: scope) { record in
      if filter.matches(record.memory) { body(record.memory) }
      try meter.add(bytes: record.memory.text.utf8.count)
      return true
    }
    try meter.finish()
  }
}
