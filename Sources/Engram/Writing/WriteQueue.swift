import Synchronization

/// The requests that wait for the next batch, first come, first served.
final class WriteQueue: Sendable {
  /// Bounds of one batch.
  static let batchOperations = 4096
  static let batchBytes = 16 << 20

  /// The most requests that count as queued, and that one batch takes. Requests behind them count as suspended.
  private let limit: Int

  init(limit: Int) { self.limit = max(limit, 1) }

  private struct State {
    /// By place. Places are given in the order of arrival; those of dropped requests are empty.
    var requests: [Int: WriteRequest] = [:]
    /// No request has a place before `first`, or from `end` on.
    var first = 0
    var end = 0
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
      // Cancelled between its creation and here: `remove` found nothing to remove.
      if request.isDropped { return .queued }
      request.place.store(state.end, ordering: .relaxed)
      state.requests[state.end] = request
      state.end += 1
      if state.isDraining { return .queued }
      state.isDraining = true
      return .first
    }
  }

  /// Forgets a dropped request: another process may hold `writer.lock` for long, and nothing must pile up meanwhile.
  func remove(_ request: WriteRequest) {
    state.withLock { state in
      // `place` is written with the lock held. If it is not written yet, `append` finds that the request is dropped.
      _ = state.requests.removeValue(forKey: request.place.load(ordering: .relaxed))
    }
  }

  /// Requests that wait.
  var depth: (queued: Int, suspended: Int) {
    let count = state.withLock { $0.requests.count }
    return (min(count, limit), max(count - limit, 0))
  }

  /// Claims the next batch; empty if no request waits, or all that waited were dropped.
  func next() -> [WriteRequest] {
    state.withLock { state in
      var batch: [WriteRequest] = []
      var bytes = 0
      while state.first < state.end {
        guard let request = state.requests[state.first] else {
          state.first += 1
          continue
        }
        let isAlone = request.runsAlone && !batch.isEmpty
        if isAlone || batch.count == min(limit, Self.batchOperations) || (bytes > 0 && bytes + request.sizeBytes > Self.batchBytes) {
          break
        }
        state.requests[state.first] = nil
        state.first += 1
        guard request.claim() else { continue }
        batch.append(request)
        bytes += request.sizeBytes
        if request.runsAlone { break }
      }
      return batch
    }
  }

  /// Ends the drain if no request waits, and returns whether it has ended.
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

  /// Drops overdue requests from the front of the queue: the order of arrival is that of the deadlines, to within moments.
  ///
  /// - Returns: The next deadline; nil if no request with a deadline waits, which ends the watch.
  func expire(at now: ContinuousClock.Instant, _ error: () -> any Error) -> ContinuousClock.Instant? {
    let (overdue, next) = state.withLock { state -> ([WriteRequest], ContinuousClock.Instant?) in
      var overdue: [WriteRequest] = []
      while state.first < state.end {
        if let request = state.requests[state.first] {
          guard let deadline = request.deadline else { break }
          guard deadline <= now else { return (overdue, deadline) }
          overdue.append(request)
          state.requests[state.first] = nil
        }
        state.first += 1
      }
      state.isWatched = false
      return (overdue, nil)
    }
    if overdue.isEmpty { return next }
    let error = error()
    for request in overdue { request.drop(error) }
    return next
  }
}
