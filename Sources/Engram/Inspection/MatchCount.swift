extension MemoryStore {
  /// How many memories of the scope a filter matches: as many as ``delete(where:scope:)`` would delete.
  ///
  /// - Parameter progress: Called now and then, see ``OperationProgress``.
  /// - Throws: ``StoreError`` `.invalidArgument`, `.invalidUserID`, `.corrupted`, `.closed`, `.tooManyReaders`; `CancellationError`.
  /// - Complexity: O(memories in scope), on a thread of its own.
  public func count(
    scope: SearchScope, filter: Filter, progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> Int {
    try await matches(scope, filter, 0, progress) { count, _ in count += 1 }
  }

  /// The ids of the memories of the scope that a filter matches: those of all users by id, else user by user, each
  /// user's by time, the oldest first.
  ///
  /// Otherwise as ``count(scope:filter:progress:)``.
  public func ids(
    scope: SearchScope, filter: Filter, progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> [MemoryID] {
    try await matches(scope, filter, [], progress) { $0.append($1.id) }
  }

  private func matches<Value: Sendable>(
    _ scope: SearchScope, _ filter: Filter, _ none: Value, _ progress: @escaping @Sendable (OperationProgress) -> Void,
    _ add: @escaping @Sendable (inout Value, Memory) -> Void
  ) async throws -> Value {
    try Limits.check(filter)
    try Limits.check(scope)
    try requireOpen()
    return try await core.background("the memories cannot be counted") { _, check in
      var value = none
      try self.read { snapshot in
        try snapshot.read { reader in try reader.forEachMatch(scope, filter, reporting(progress, check)) { add(&value, $0) } }
      }
      return value
    }
  }
}
