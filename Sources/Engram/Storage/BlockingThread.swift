import Foundation

/// Runs work that may block on the disk or a lock on a thread of its own, so that it does not take one from the cooperative pool.
func onBlockingThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Result(catching: work)) }
  }
}
