/// What a process of a history tells, in the order in which it happened there. Times are those of ``History/now``.
enum HistoryEvent: Codable, Sendable {
  /// Told before the call.
  case invoked(HistoryWrite, at: UInt64)
  /// Acknowledged as the `position`-th of all, having read `read` before its own changes; recorded after the call.
  case committed(id: String, position: Int, read: HistoryState, at: UInt64)
  /// It threw. `isCertain`: the error says that nothing was changed.
  case failed(id: String, code: String, isCertain: Bool)
  case snapshot(HistorySnapshot)
  /// A call of `forget` begins.
  case forgetInvoked(user: String, id: String, at: UInt64)
  /// It returned.
  case forgotten(id: String, at: UInt64)
  /// The process itself saw something that must not be.
  case violation(String)
  /// Something to count.
  case note(String)
}

/// What one snapshot showed.
struct HistorySnapshot: Codable, Sendable {
  let id: String
  /// Before it was asked for.
  let requestedAt: UInt64
  /// After it was there; what was read of it may have been read later.
  let takenAt: UInt64
  let shows: HistoryState
}

/// What is in the store when all processes have ended.
struct HistoryEnd: Codable, Sendable {
  let snapshot: HistorySnapshot
  /// Of all transactions that were begun, those whose token the store knows.
  let committed: Set<String>
}
