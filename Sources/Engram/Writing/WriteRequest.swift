import Synchronization

/// One caller's write: first queued, then either claimed by a batch, or dropped by a cancellation or a deadline.
final class WriteRequest: Sendable {
  typealias Body = @Sendable (inout WriteTransaction) throws -> Void

  private enum State {
    /// The caller has not suspended yet.
    case created
    case queued(CheckedContinuation<Void, any Error>)
    case claimed(CheckedContinuation<Void, any Error>)
    case dropped(any Error)
    case finished
  }

  let body: Body
  let token: String?
  /// Estimated bytes that the body stores; their sum in a batch is at most ``WriteQueue/batchBytes``, unless one request has more.
  let sizeBytes: Int
  /// A body that may be larger than a batch: it runs alone, and an error aborts the transaction instead of undoing it.
  let runsAlone: Bool
  let deadline: ContinuousClock.Instant?
  /// The place in the queue, written and read with the queue's lock held. Negative before the request is queued.
  let place = Atomic(-1)
  private let state = Mutex(State.created)

  init(token: String?, sizeBytes: Int, runsAlone: Bool, deadline: ContinuousClock.Instant?, body: @escaping Body) {
    self.body = body
    self.token = token
    self.sizeBytes = sizeBytes
    self.runsAlone = runsAlone
    self.deadline = deadline
  }

  /// Takes the caller's continuation.
  ///
  /// - Returns: False if the request was dropped before; the caller has been resumed then.
  func suspend(_ continuation: CheckedContinuation<Void, any Error>) -> Bool {
    let error = state.withLock { state -> (any Error)? in
      if case .dropped(let error) = state { return error }
      state = .queued(continuation)
      return nil
    }
    guard let error else { return true }
    continuation.resume(throwing: error)
    return false
  }

  /// Fails the request if no batch has claimed it; after that its own result is reported.
  ///
  /// - Returns: Whether it was dropped by this call.
  @discardableResult
  func drop(_ error: @autoclosure () -> any Error) -> Bool {
    let outcome = state.withLock { state -> (continuation: CheckedContinuation<Void, any Error>?, error: any Error)? in
      switch state {
      case .created:
        let error = error()
        state = .dropped(error)
        return (nil, error)
      case .queued(let continuation):
        let error = error()
        state = .dropped(error)
        return (continuation, error)
      case .claimed, .dropped, .finished:
        return nil
      }
    }
    guard let outcome = outcome else { return false }
    outcome.continuation?.resume(throwing: outcome.error)
    return true
  }

  /// Whether the request was dropped, by a cancellation or a deadline, and never runs.
  var isDropped: Bool {
    state.withLock { state in
      if case .dropped = state { true } else { false }
    }
  }

  /// Makes the request part of a batch; false if it was dropped.
  func claim() -> Bool {
    state.withLock { state in
      guard case .queued(let continuation) = state else { return false }
      state = .claimed(continuation)
      return true
    }
  }

  /// Resumes the caller with the result. Called once.
  func finish(_ result: Result<Void, any Error>) {
    let continuation = state.withLock { state -> CheckedContinuation<Void, any Error>? in
      guard case .claimed(let continuation) = state else { return nil }
      state = .finished
      return continuation
    }
    continuation?.resume(with: result)
  }
}
