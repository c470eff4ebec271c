extension MemoryStore {
  /// The user's context as last committed.
  ///
  /// - Returns: Nil if the user has none.
  /// - Throws: ``StoreError`` `.invalidUserID`, `.decodingFailed`, `.corrupted`, `.tooManyReaders`, `.closed`.
  /// - Complexity: O(log users), a few microseconds; waits for no writer.
  public func context(for userID: String) throws -> UserContext? {
    try readOnce { try $0.checkedContext(UserContext.self, userID) }
  }

  /// The user's record of another type.
  public func context<Record: ContextRecord>(_ type: Record.Type, for userID: String) throws -> Record? {
    try readOnce { try $0.checkedContext(type, userID) }
  }

  /// The user's context with its version; see ``MemorySnapshot/versionedContext(for:)``.
  public func versionedContext(for userID: String) throws -> ContextVersion<UserContext>? {
    try versionedContext(UserContext.self, for: userID)
  }

  /// The user's record of another type with its version.
  public func versionedContext<Record: ContextRecord>(_ type: Record.Type, for userID: String) throws -> ContextVersion<Record>? {
    try readOnce { try $0.checkedVersionedContext(type, userID) }
  }

  /// Earlier versions of the user's context, the newest first.
  public func history(for userID: String, limit: Int = 16) throws -> [ContextVersion<UserContext>] {
    try history(UserContext.self, for: userID, limit: limit)
  }

  /// Earlier versions of a record of another type, the newest first.
  public func history<Record: ContextRecord>(
    _ type: Record.Type, for userID: String, limit: Int = 16
  ) throws -> [ContextVersion<Record>] {
    try readOnce { try $0.checkedHistory(type, userID, limit) }
  }

  /// A page of users; see ``MemorySnapshot/users(after:limit:)``.
  public func users(after cursor: PageCursor? = nil, limit: Int = 100) throws -> Page<UserSummary> {
    try readOnce { try $0.users(after: cursor, limit: limit) }
  }

  /// Stores a context; the one it replaces becomes history.
  ///
  /// - Parameter version: The version that the user's context must have now, 0 if there must be none; nil: any. See
  ///   ``versionedContext(for:)``.
  /// - Throws: ``StoreError`` `.versionMismatch`, `.invalidUserID`, `.invalidArgument`, `.encodingFailed`, `.valueTooLarge`, and those of
  ///   ``write(users:token:_:)``. Nothing is changed.
  public func put<Record: ContextRecord>(_ context: Record, ifVersion version: Int? = nil) async throws {
    try await writer().write { try $0.put(context, ifVersion: version) }
  }

  /// Counts one more exchange of the user and stores its message and response; a user without a context gets a new one.
  ///
  /// - Parameter version: As for ``put(_:ifVersion:)``.
  /// - Returns: The stored context.
  /// - Throws: As ``put(_:ifVersion:)``.
  @discardableResult
  public func updateContext(
    for userID: String, message: String, response: String, ifVersion version: Int? = nil
  ) async throws -> UserContext {
    try await writer().write { try $0.updateContext(for: userID, message: message, response: response, ifVersion: version) }
  }

  /// Reads, changes and stores the user's context in one step: concurrent updates are not lost.
  ///
  /// - Parameters:
  ///   - version: As for ``put(_:ifVersion:)``.
  ///   - transform: Runs once, on the writer thread; not at all after a mismatch. Gets a new context if the user has none.
  /// - Throws: As ``put(_:ifVersion:)``, and what `transform` throws.
  @discardableResult
  public func updateContext(
    for userID: String, ifVersion version: Int? = nil, _ transform: @escaping @Sendable (UserContext) throws -> UserContext
  ) async throws -> UserContext {
    try await writer().write { try $0.updateContext(for: userID, ifVersion: version, transform) }
  }

  /// The same for a record of any type; `transform` gets nil if the user has none.
  @discardableResult
  public func updateContext<Record: ContextRecord>(
    _ type: Record.Type, for userID: String, ifVersion version: Int? = nil, _ transform: @escaping @Sendable (Record?) throws -> Record
  ) async throws -> Record {
    try await writer().write { try $0.updateContext(type, for: userID, ifVersion: version, transform) }
  }

  /// Deletes a context with its history.
  ///
  /// - Returns: Whether there was one.
  @discardableResult
  public func deleteContext<Record: ContextRecord>(_ type: Record.Type, for userID: String) async throws -> Bool {
    try await writer().write { try $0.deleteContext(type, for: userID) }
  }
}
