/// An event that a process of a history reports, in the order in which it happened there. Times are those of ``History/now``.
enum HistoryEvent: Codable, Sendable {
  /// A transaction; recorded before the call.
  case invoked(HistoryWrite, at: UInt64)
  /// Acknowledged as the `position`-th of all, having read `read` before its own changes; recorded after the call.
  case committed(id: String, position: Int, read: HistoryState, at: UInt64)
  /// The transaction threw. `isCertain`: the error says that nothing was changed.
  case failed(id: String, code: String, isCertain: Bool)
  case snapshot(HistorySnapshot)
  /// A call of `forget` begins.
  case forgetInvoked(user: String, id: String, at: UInt64)
  /// The call of `forget` returned.
  case forgotten(id: String, at: UInt64)
  /// The process itself saw a violation.
  case violation(String)
  /// Something to count.
  case note(String)
}

/// The content of one snapshot.
struct HistorySnapshot: Codable, Sendable {
  let id: String
  /// The time before the snapshot was asked for.
  let requestedAt: UInt64
  /// The time after it was taken; its content may have been read later.
  let takenAt: UInt64
  let shows: HistoryState
}

/// The content of the store when all processes have ended.
struct HistoryEnd: Codable, Sendable {
  let snapshot: HistorySnapshot
  /// The ids of the transactions whose token the store knows, of all that were begun.
  let committed: Set<String>
}
