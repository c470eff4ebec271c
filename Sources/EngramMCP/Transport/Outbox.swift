import Dispatch
import Foundation
import Synchronization

/// The messages to the client, written in their order by a thread of its own.
///
/// A message is queued in microseconds, so no task waits for a client that does not read. What is queued is bounded by the reader of the
/// input, which pauses while ``queuedBytes`` is large.
final class Outbox: Sendable {
  private struct State {
    var queue: [UInt8] = []
    /// Bytes that the thread has taken out of the queue and not written yet.
    var writing = 0
    var isClosed = false
    var isBroken = false
  }

  private let descriptor: Int32
  private let state = Mutex(State())
  private let work = DispatchSemaphore(value: 0)
  /// Called once something was written, and once the output is broken.
  private let progressed: @Sendable (_ isBroken: Bool) -> Void

  init(descriptor: Int32, progressed: @escaping @Sendable (_ isBroken: Bool) -> Void) {
    self.descriptor = descriptor
    self.progressed = progressed
  }

  /// Starts the thread, which ends after ``close()``.
  func start() {
    Thread.detachNewThread { [self] in
      while writeQueue() { work.wait() }
    }
  }

  /// Queues a message. Messages for a broken output are dropped.
  ///
  /// - Parameter line: One JSON object and a line feed.
  func send(_ line: [UInt8]) {
    state.withLock { state in
      guard !state.isClosed, !state.isBroken else { return }
      state.queue += line
    }
    work.signal()
  }

  /// Bytes that wait to be written.
  var queuedBytes: Int { state.withLock { $0.queue.count + $0.writing } }

  /// Whether the client no longer reads.
  var isBroken: Bool { state.withLock { $0.isBroken } }

  /// Ends the thread after what is queued now; what comes later is dropped.
  func close() {
    state.withLock { $0.isClosed = true }
    work.signal()
  }

  /// Drops what is queued: the client does not read.
  func abandon() {
    state.withLock { state in
      state.isClosed = true
      state.isBroken = true
      state.queue = []
    }
    work.signal()
  }

  /// Writes until the queue is empty.
  ///
  /// - Returns: False once the thread has nothing more to do.
  private func writeQueue() -> Bool {
    while true {
      let (part, goesOn) = state.withLock { state in
        let part = state.queue
        state.queue = []
        state.writing = part.count
        return (part, !state.isClosed && !state.isBroken)
      }
      if part.isEmpty { return goesOn }
      let isBroken = !write(part)
      state.withLock { state in
        state.writing = 0
        if isBroken {
          state.isBroken = true
          state.queue = []
        }
      }
      progressed(isBroken)
      if isBroken { return false }
    }
  }

  /// - Returns: False if the client is gone, or the rest was abandoned.
  private func write(_ bytes: [UInt8]) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      state.withLock { $0.writing = rest.count }
      // Never blocked for long in `write`: a client that does not read must not keep the server from ending.
      if Descriptors.awaitOutput(descriptor, milliseconds: 200) == .timedOut {
        if isBroken { return false }
        continue
      }
      guard let count = Descriptors.write(descriptor, rest) else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }
}
