import Synchronization

/// The requests that wait for the next batch, first come, first served.
final class WriteQueue: Sendable {
  /// Bounds of one batch.
  static let batchOperations = 4096
  static let batchBytes = 16 << 20

  /// Requests that count as queued; the callers of those behind them are merely suspended.
  private let limit: Int

  init(limit: Int) { self.limit = max(limit, 1) }

  private struct State {
    var requests: [WriteRequest] = []
    var isDraining = false
    var isWatched = false
    var isClosed = false
  }

  private let state = Mutex(State())

  enum Admission {
    case refused
    /// The caller must start a drain.
    case first
    case queued
  }

  func append(_ request: WriteRequest) -> Admission {
    state.withLock { state in
      guard !state.isClosed else { return .refused }
      state.requests.append(request)
      if state.isDraining { return .queued }
      state.isDraining = true
      return .first
    }
  }

  /// Requests that wait, dropped ones included until the next batch passes them.
  var depth: (queued: Int, suspended: Int) {
    let count = state.withLock { $0.requests.count }
    return (min(count, limit), max(count - limit, 0))
  }

  /// Claims the next batch; empty when nothing waits, and then the drain has ended.
  func next() -> [WriteRequest] {
    state.withLock { state in
      var batch: [WriteRequest] = []
      var bytes = 0
      var passed = 0
      for request in state.requests {
        let isAlone = request.runsAlone && !batch.isEmpty
        if isAlone || batch.count == min(limit, Self.batchOperations) || (bytes > 0 && bytes + request.sizeBytes > Self.batchBytes) {
          break
        }
        passed += 1
        guard request.claim() else { continue }
        batch.append(request)
        bytes += request.sizeBytes
        if request.runsAlone { break }
      }
      state.requests.removeFirst(passed)
      return batch
    }
  }

  /// Ends the drain if nothing waits.
  func endDrainIfEmpty() -> Bool {
    state.withLock { state in
      if state.requests.isEmpty { state.isDraining = false }
      return state.requests.isEmpty
    }
  }

  /// Refuses requests from now on; those that wait still run.
  func close() { state.withLock { $0.isClosed = true } }

  /// Whether nothing waits and nothing runs.
  var isIdle: Bool { state.withLock { !$0.isDraining } }

  // MARK: Deadlines

  /// Whether the caller must start a watch for deadlines.
  func beginWatch() -> Bool {
    state.withLock { state in
      if state.isWatched { return false }
      state.isWatched = true
      return true
    }
  }

  /// Drops what is overdue.
  ///
  /// - Returns: The next deadline; nil, and the watch has ended, when nothing with a deadline waits.
  func expire(at now: ContinuousClock.Instant, _ error: () -> any Error) -> ContinuousClock.Instant? {
    let (overdue, next) = state.withLock { state -> ([WriteRequest], ContinuousClock.Instant?) in
      let overdue = state.requests.filter { $0.deadline.map { $0 <= now } ?? false }
      let next = state.requests.compactMap(\.deadline).filter { $0 > now }.min()
      if next == nil { state.isWatched = false }
      return (overdue, next)
    }
    for request in overdue { request.drop(error()) }
    return next
  }
}
