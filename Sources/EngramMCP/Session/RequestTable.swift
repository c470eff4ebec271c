import Dispatch
import Synchronization

/// The requests that are being worked on, and the limit of what may be.
///
/// Requests are admitted and cancelled by the thread that reads the input; tasks finish them.
final class RequestTable: Sendable {
  private struct Entry {
    let serial: Int
    let sizeBytes: Int
    var task: Task<Void, Never>?
  }

  private struct State {
    var entries: [RequestID: Entry] = [:]
    /// Tasks of cancelled requests are not in ``entries``, and still run.
    var running = 0
    var runningBytes = 0
    var serial = 0
    var isEnding = false
  }

  private let state = Mutex(State())
  /// Signalled when a task ends, and when output was written: the reading thread may go on.
  private let room = DispatchSemaphore(value: 0)

  static let mostRequests = 256
  static let mostBytes = 64 << 20

  /// Waits until another request may begin. Reading then stops, so that a client that sends faster than it is answered waits, too.
  ///
  /// - Parameter isFull: Whether something else is full.
  func awaitRoom(unless isFull: () -> Bool) {
    while true {
      let isBusy = state.withLock { state in
        !state.isEnding && (state.running >= Self.mostRequests || state.runningBytes >= Self.mostBytes)
      }
      guard isBusy || (isFull() && !state.withLock { $0.isEnding }) else { return }
      room.wait()
    }
  }

  /// The reading thread looks again whether there is room.
  func roomMayHaveChanged() { room.signal() }

  /// - Returns: A number for ``finish(_:_:)``.
  /// - Throws: ``ProtocolError`` if the id is in use.
  func admit(_ request: Request) throws(ProtocolError) -> Int {
    let serial: Int? = state.withLock { state in
      guard state.entries[request.id] == nil else { return nil }
      state.serial += 1
      state.running += 1
      state.runningBytes += request.sizeBytes
      state.entries[request.id] = Entry(serial: state.serial, sizeBytes: request.sizeBytes)
      return state.serial
    }
    guard let serial else { throw ProtocolError(.invalidRequest, "a request with this id is being worked on") }
    return serial
  }

  /// Registers the task of an admitted request, which may be over by now.
  func attach(_ task: Task<Void, Never>, to id: RequestID, _ serial: Int) {
    let isCancelled = state.withLock { state in
      guard state.entries[id]?.serial == serial else { return state.isEnding }
      state.entries[id]?.task = task
      return state.isEnding
    }
    if isCancelled { task.cancel() }
  }

  /// Whether the request was neither answered nor cancelled.
  func isOpen(_ id: RequestID, _ serial: Int) -> Bool { state.withLock { $0.entries[id]?.serial == serial } }

  /// Ends a request.
  ///
  /// - Returns: Whether the client may get an answer: not if it has cancelled the request.
  func finish(_ request: Request, _ serial: Int) -> Bool {
    let mayAnswer = state.withLock { state in
      state.running -= 1
      state.runningBytes -= request.sizeBytes
      guard state.entries[request.id]?.serial == serial else { return false }
      state.entries[request.id] = nil
      return true
    }
    room.signal()
    return mayAnswer
  }

  /// Cancels a request. Its task ends by itself; it sends nothing more. An unknown id is ignored.
  func cancel(_ id: RequestID) { state.withLock { $0.entries.removeValue(forKey: id) }?.task?.cancel() }

  /// Cancels all requests, and lets the reading thread go on.
  func cancelAll() {
    let tasks = state.withLock { state in
      state.isEnding = true
      return state.entries.values.compactMap(\.task)
    }
    for task in tasks { task.cancel() }
    room.signal()
  }

  /// How many tasks run, those of cancelled requests among them.
  var running: Int { state.withLock { $0.running } }
}
