import Foundation
import Synchronization

/// Runs `body` on a new thread and waits for its result.
package func onOwnThread<Success: Sendable>(_ body: @escaping @Sendable () throws -> Success) throws -> Success {
  let outcome = ThreadOutcome<Success>()
  Thread { outcome.finish(Result(catching: body)) }.start()
  return try outcome.wait()
}

private final class ThreadOutcome<Success: Sendable>: Sendable {
  private let result = Mutex<Result<Success, any Error>?>(nil)
  private let finished = DispatchSemaphore(value: 0)

  func finish(_ result: Result<Success, any Error>) {
    self.result.withLock { $0 = result }
    finished.signal()
  }

  func wait() throws -> Success {
    finished.wait()
    guard let result = result.withLock({ $0 }) else { preconditionFailure("the thread signalled without a result") }
    return try result.get()
  }
}
