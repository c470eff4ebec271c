import Engram
import Formats
import Synchronization

/// Sends the progress of one request, if the client gave it a token: strictly increasing, at most five times a second, and nothing after
/// the answer.
final class ProgressReporter: Sendable {
  private struct State {
    var phase: OperationProgress.Phase?
    /// Phases that are over.
    var finished = 0
    var last = 0.0
    var next = ContinuousClock.now
  }

  /// JSON; nil: the client wants none.
  private let token: String?
  private let state = Mutex(State())
  /// Drops the line if the request was answered or cancelled.
  private let send: @Sendable ([UInt8]) -> Void

  init(token: String?, send: @escaping @Sendable ([UInt8]) -> Void) {
    self.token = token
    self.send = send
  }

  /// Reports a long operation of the store. Each of its phases counts 1.
  func report(_ progress: OperationProgress) {
    guard let token else { return }
    let value: Double? = state.withLock { state in
      if state.phase != progress.phase {
        if state.phase != nil { state.finished += 1 }
        state.phase = progress.phase
      }
      let value = Double(state.finished) + Double(progress.done) / Double(max(1, progress.total))
      guard value > state.last, ContinuousClock.now >= state.next else { return nil }
      state.last = value
      state.next = .now + .milliseconds(200)
      return value
    }
    guard let value else { return }
    send(
      ServerNotification.line("notifications/progress") { writer in
        writer.key("progressToken")
        writer.write(json: token)
        writer.key("progress")
        writer.write(value)
        writer.key("message")
        writer.write("\(progress.phase): \(progress.count) \(progress.phase.unit)")
      })
  }
}
