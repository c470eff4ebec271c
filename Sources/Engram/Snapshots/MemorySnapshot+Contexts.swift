import Formats

extension MemorySnapshot {
  /// The user's context.
  ///
  /// - Returns: Nil if the user has none; a damaged record throws.
  /// - Throws: ``StoreError`` `.invalidUserID`, `.decodingFailed`, `.corrupted`, `.snapshotExpired`.
  /// - Complexity: O(log users), a few microseconds.
  public func context(for userID: String) throws -> UserContext? {
    try context(UserContext.self, for: userID)
  }

  /// The user's record of another type.
  public func context<Record: ContextRecord>(_ type: Record.Type, for userID: String) throws -> Record? {
    try read { try $0.checkedContext(type, userID) }
  }

  /// The user's context with its version, for ``MemoryStore/put(_:ifVersion:)`` and ``MemoryStore/updateContext(for:ifVersion:_:)``.
  ///
  /// - Returns: Nil if the user has none.
  /// - Throws: As ``context(for:)``.
  /// - Complexity: O(log users).
  public func versionedContext(for userID: String) throws -> ContextVersion<UserContext>? {
    try versionedContext(UserContext.self, for: userID)
  }

  /// The user's record of another type with its version.
  public func versionedContext<Record: ContextRecord>(_ type: Record.Type, for userID: String) throws -> ContextVersion<Record>? {
    try read { try $0.checkedVersionedContext(type, userID) }
  }

  /// Earlier versions of the user's context, the newest first.
  public func history(for userID: String, limit: Int = 16) throws -> [ContextVersion<UserContext>] {
    try history(UserContext.self, for: userID, limit: limit)
  }

  /// Earlier versions of a record of another type, the newest first.
  public func history<Record: ContextRecord>(
    _ type: Record.Type, for userID: String, limit: Int = 16
  ) throws -> [ContextVersion<Record>] {
    try read { try $0.checkedHistory(type, userID, limit) }
  }

  /// Users who have a context or a memory, in an order that is stable but has no meaning.
  ///
  /// - Parameters:
  ///   - cursor: ``Page/next`` of the page before; nil for the first page.
  ///   - limit: The most users of a page; at least 1.
  /// - Throws: ``StoreError`` `.invalidArgument` for a limit below 1, or a cursor that is damaged or of another listing; `.corrupted`.
  public func users(after cursor: PageCursor? = nil, limit: Int = 100) throws -> Page<UserSummary> {
    try read { try $0.users(after: cursor, limit: limit) }
  }
}

/// A user and what is stored of the user.
public struct UserSummary: Sendable, Hashable, Codable {
  public let userID: String
  /// Memories, including expired ones that are not removed yet.
  public let memories: Int
  /// Context records of all types.
  public let contexts: Int
  /// Memories with an embedding.
  public let embeddings: Int

  init(_ record: UserRecord) {
    userID = record.userID
    memories = record.memories
    contexts = record.contexts
    embeddings = record.rows
  }

  /// Whether all fields are the same, the userID byte for byte.
  public static func == (left: UserSummary, right: UserSummary) -> Bool {
    left.userID.hasSameBytes(as: right.userID) && left.memories == right.memories && left.contexts == right.contexts
      && left.embeddings == right.embeddings
  }

  public func hash(into hasher: inout Hasher) { userID.hash(bytesInto: &hasher) }
}

extension RecordReader {
  func checkedContext<Record: ContextRecord>(_ type: Record.Type, _ userID: String) throws -> Record? {
    try Limits.checkUserID(userID)
    _ = try Record.checkedRecordType()
    return try context(type, userID)
  }

  func users(after cursor: PageCursor?, limit: Int) throws -> Page<UserSummary> {
    try Limits.check(pageSize: limit)
    let position = try cursor.map { try self.position(of: $0, in: .users) }
    var elements: [UserSummary] = []
    var end: PagePosition?
    var hasMore = false
    try forEachUser(after: position.map { UserKey(high: $0.high, low: $0.low) }) { key, record in
      hasMore = elements.count == limit
      if hasMore { return false }
      elements.append(UserSummary(record))
      end = PagePosition(time: 0, high: key.high, low: key.low)
      return true
    }
    return Page(elements, next: hasMore ? end.map { self.cursor(at: $0, in: .users) } : nil)
  }

  func checkedVersionedContext<Record: ContextRecord>(_ type: Record.Type, _ userID: String) throws -> ContextVersion<Record>? {
    try Limits.checkUserID(userID)
    _ = try Record.checkedRecordType()
    return try versionedContext(type, userID)
  }

  func checkedCount(_ scope: SearchScope, _ filter: Filter?) throws -> Int {
    try Limits.check(scope)
    guard let filter else { return try count(scope) }
    try Limits.check(filter)
    var count = 0
    try forEachMatch(scope, filter, { _ in try Task.checkCancellation() }, { _ in count += 1 })
    return count
  }

  func checkedHistory<Record: ContextRecord>(_ type: Record.Type, _ userID: String, _ limit: Int) throws -> [ContextVersion<Record>] {
    try Limits.checkUserID(userID)
    _ = try Record.checkedRecordType()
    try Limits.check(pageLimit: limit)
    return try history(type, userID, limit: limit)
  }
}
