import Dispatch
import Synchronization

/// Elements that another thread makes while the caller uses earlier ones, in the order in which they are made.
final class ReadAhead<Element: Sendable>: Sendable {
  /// Parts that are made ahead of the caller.
  private static var partsAhead: Int { 4 }

  /// Parts that the caller has not taken. An empty one is the end, and so is an error.
  private let parts = Mutex<[Result<[Element], any Error>]>([])
  private let stop = StopFlag()
  // All begin at 0, because a semaphore must not be released with a value below its first one.
  private let made = DispatchSemaphore(value: 0)
  private let free = DispatchSemaphore(value: 0)
  private let isOver = DispatchSemaphore(value: 0)

  /// - Parameter make: Passes parts with elements to its argument, which throws `CancellationError` after ``finish()``.
  /// - Throws: ``StoreError`` `.outOfResources` if no thread can be started.
  init(_ make: @escaping @Sendable (_ pass: ([Element]) throws -> Void) throws -> Void) throws(StoreError) {
    for _ in 0..<Self.partsAhead { free.signal() }
    try startThread { [self] in
      do {
        try make { part in if !part.isEmpty { try pass(part) } }
        try pass([])
      } catch {
        append(.failure(error))
      }
      isOver.signal()
    }
  }

  private func pass(_ part: [Element]) throws {
    free.wait()
    if stop.isSet { throw CancellationError() }
    append(.success(part))
  }

  private func append(_ part: Result<[Element], any Error>) {
    parts.withLock { $0.append(part) }
    made.signal()
  }

  /// The next elements; nil at the end. Not to be called after the end or an error.
  ///
  /// - Throws: What the other thread threw.
  func next() throws -> [Element]? {
    made.wait()
    let part = try parts.withLock { $0.removeFirst() }.get()
    free.signal()
    return part.isEmpty ? nil : part
  }

  /// Waits until the other thread has ended: it makes no further part. To be called once, as the last call.
  func finish() {
    stop.set()
    free.signal()
    isOver.wait()
  }
}
