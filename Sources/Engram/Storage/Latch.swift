import Dispatch

/// Opens once, for all threads that wait now or later.
final class Latch: Sendable {
  private let semaphore = DispatchSemaphore(value: 0)

  func open() { semaphore.signal() }

  /// Blocks this thread.
  ///
  /// - Returns: False if the latch is still shut at the deadline.
  func wait(until deadline: ContinuousClock.Instant) -> Bool {
    let left = max(0, (deadline - .now).nanoseconds)
    guard semaphore.wait(timeout: .now() + .nanoseconds(Int(left))) == .success else { return false }
    // Signal again, so that every waiter gets through.
    semaphore.signal()
    return true
  }
}
