import Foundation
import Synchronization

/// Runs work that may block on the disk or a lock on a thread of its own, so that it does not take one from the cooperative pool.
func onBlockingThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Result(catching: work)) }
  }
}

/// The same for long work.
///
/// - Parameter work: Gets a check to call now and then: it throws where the task was cancelled.
func onCancellableThread<Value: Sendable>(
  _ work: @escaping @Sendable (_ check: @escaping @Sendable () throws -> Void) throws -> Value
) async throws -> Value {
  let stop = StopFlag()
  return try await withTaskCancellationHandler {
    try await onBlockingThread {
      try work { if stop.isSet { throw CancellationError() } }
    }
  } onCancel: {
    stop.set()
  }
}

/// Carries a cancellation to a thread that knows no task.
private final class StopFlag: Sendable {
  private let flag = Atomic(false)

  var isSet: Bool { flag.load(ordering: .relaxed) }
  func set() { flag.store(true, ordering: .relaxed) }
}
