import Engram
import Formats
import Foundation
import Synchronization

/// A line on standard error that shows how far a long operation is. Drawn on a terminal only, ten times a second.
final class ProgressBar: Sendable {
  private struct State {
    var phase: OperationProgress.Phase?
    var phaseStart = ContinuousClock.now
    var lastDrawn: ContinuousClock.Instant?
    var isDrawn = false
    /// The end of the phase was drawn.
    var isComplete = false
  }

  private let isShown: Bool
  private let state = Mutex(State())

  init(isQuiet: Bool) { isShown = Terminal.diagnosticsAreTerminal && !isQuiet }

  func update(_ progress: OperationProgress) {
    guard isShown else { return }
    let line = state.withLock { state -> String? in
      let now = ContinuousClock.now
      if state.phase != progress.phase {
        state.phase = progress.phase
        state.phaseStart = now
        state.lastDrawn = nil
        state.isComplete = false
      }
      let isDue = state.lastDrawn.map { now - $0 >= .milliseconds(100) } ?? true
      let isComplete = progress.done == progress.total
      guard isDue || isComplete && !state.isComplete else { return nil }
      state.isComplete = isComplete
      state.lastDrawn = now
      state.isDrawn = true
      return Self.line(progress, elapsed: (now - state.phaseStart) / .seconds(1), width: Terminal.diagnosticsWidth)
    }
    if let line { draw("\r\u{1B}[K" + line) }
  }

  /// Erases the line.
  func finish() {
    guard isShown, state.withLock({ $0.isDrawn }) else { return }
    draw("\r\u{1B}[K")
  }

  private func draw(_ text: String) {
    // A bar that cannot be drawn is no reason to fail.
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }

  /// `checking  [#####-----]  50 %  21,000 lines/s  3 s left`
  static func line(_ progress: OperationProgress, elapsed: Double, width: Int) -> String {
    let fraction = progress.total > 0 ? min(1, Double(progress.done) / Double(progress.total)) : 1
    let rate = elapsed > 0 ? Int(Double(progress.count) / elapsed) : 0
    let left = fraction > 0 ? Int((elapsed / fraction * (1 - fraction)).rounded(.up)) : 0
    let tail = "  \(Int(fraction * 100)) %  \(rate) \(progress.phase.unit)/s  \(left) s left"
    let head = progress.phase.description.padding(toLength: 10, withPad: " ", startingAt: 0)
    let room = min(40, width - head.count - tail.count - 3)
    guard room >= 5 else { return TerminalText.truncated(head + tail, to: width - 1) }
    let filled = Int(fraction * Double(room))
    return head + "[" + String(repeating: "#", count: filled) + String(repeating: "-", count: room - filled) + "]" + tail
  }
}
