import Synchronization

/// Wakes tasks that wait for an event of this process, such as its next commit. No thread is blocked.
final class CommitSignal: Sendable {
  private struct State {
    var count = 0
    var isFinished = false
    var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
    var nextWaiter = 0
  }

  private let state = Mutex(State())

  /// Events announced so far.
  var count: Int { state.withLock { $0.count } }
  var isFinished: Bool { state.withLock { $0.isFinished } }

  func announce() { wake { $0.count += 1 } }

  /// Ends all waits, present and future: the store is closed.
  func finish() { wake { $0.isFinished = true } }

  private func wake(_ change: (inout State) -> Void) {
    let waiters = state.withLock { state in
      change(&state)
      let waiters = state.waiters.values
      state.waiters = [:]
      return waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Returns once more than `count` events were announced, the store closes, the time is over or the task is cancelled.
  func wait(past count: Int, atMost duration: Duration) async {
    let id = state.withLock { state in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    let timer = Mutex<Task<Void, Never>?>(nil)
    await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
        let isOver = state.withLock { state in
          if state.count > count || state.isFinished || Task.isCancelled { return true }
          state.waiters[id] = continuation
          return false
        }
        if isOver { return continuation.resume() }
        // The timer starts only now: if it ended before the waiter was registered, it would wake nothing.
        timer.withLock {
          $0 = Task {
            try? await Task.sleep(for: duration)
            self.resume(id)
          }
        }
      }
    } onCancel: {
      resume(id)
    }
    timer.withLock { $0 }?.cancel()
  }

  private func resume(_ id: Int) {
    state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
  }
}
