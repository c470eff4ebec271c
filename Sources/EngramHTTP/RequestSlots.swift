import Synchronization

/// Limits the tasks that run at once; the others wait in the order in which they came.
final class RequestSlots: Sendable {
  private struct State {
    var free: Int
    var next = 0
    /// In the order of their keys; cancelled tasks are removed.
    var waiting: [(key: Int, continuation: CheckedContinuation<Void, any Error>)] = []
    /// Keys of tasks that were cancelled before they began to wait.
    var cancelled: Set<Int> = []
  }

  private let state: Mutex<State>

  init(_ count: Int) { state = Mutex(State(free: count)) }

  /// Runs `body` in a slot.
  ///
  /// - Throws: `CancellationError` at once if the task is cancelled while it waits; what `body` throws.
  func within<R: Sendable>(_ body: () async throws -> R) async throws -> R {
    try await enter()
    defer { leave() }
    return try await body()
  }

  private func enter() async throws {
    let key = state.withLock { state in
      defer { state.next += 1 }
      return state.next
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let outcome: Result<Void, any Error>? = state.withLock { state in
          if state.cancelled.remove(key) != nil { return .failure(CancellationError()) }
          if state.free > 0 {
            state.free -= 1
            return .success(())
          }
          state.waiting.append((key, continuation))
          return nil
        }
        if let outcome { continuation.resume(with: outcome) }
      }
    } onCancel: {
      let waiting = state.withLock { state -> CheckedContinuation<Void, any Error>? in
        if let place = state.waiting.firstIndex(where: { $0.key == key }) { return state.waiting.remove(at: place).continuation }
        state.cancelled.insert(key)
        return nil
      }
      waiting?.resume(throwing: CancellationError())
    }
    // The task may have been cancelled while it entered.
    state.withLock { _ = $0.cancelled.remove(key) }
  }

  private func leave() {
    let next = state.withLock { state -> CheckedContinuation<Void, any Error>? in
      if state.waiting.isEmpty {
        state.free += 1
        return nil
      }
      return state.waiting.removeFirst().continuation
    }
    next?.resume()
  }
}
