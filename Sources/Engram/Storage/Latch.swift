import Dispatch

/// Opens once, for all who wait and all who come later.
final class Latch: Sendable {
  private let semaphore = DispatchSemaphore(value: 0)

  func open() { semaphore.signal() }

  /// Blocks this thread.
  ///
  /// - Returns: False where the latch is still shut at the deadline.
  func wait(until deadline: ContinuousClock.Instant) -> Bool {
    let left = max(0, (deadline - .now).nanoseconds)
    guard semaphore.wait(timeout: .now() + .nanoseconds(Int(left))) == .success else { return false }
    // Each who passes lets the next one pass.
    semaphore.signal()
    return true
  }
}
