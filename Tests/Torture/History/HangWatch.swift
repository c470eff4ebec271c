import Foundation
import Synchronization

/// Ends the process when one of its calls hangs. It looks on a thread of its own, because a hang may block all others.
final class HangWatch: Sendable {
  private struct Call {
    let name: String
    /// Counted down by looks and not by the clock: after a pause of the whole machine, no call counts as hanging.
    var looksLeft: Int
  }

  private struct State {
    var next = 0
    var calls: [Int: Call] = [:]
  }

  /// The exit code of a process that ends because of a hang.
  static let exitCode: Int32 = 75

  private let state = Mutex(State())
  private static let interval = 0.1

  /// - Parameter onHang: Gets the name of the call.
  func start(onHang: @escaping @Sendable (String) -> Never) {
    Thread { [self] in
      while true {
        Thread.sleep(forTimeInterval: Self.interval)
        let overdue = state.withLock { state in
          for number in state.calls.keys { state.calls[number]?.looksLeft -= 1 }
          return state.calls.values.first { $0.looksLeft < 0 }
        }
        if let overdue { onHang(overdue.name) }
      }
    }.start()
  }

  func watching<Value>(_ name: String, seconds: Double, _ body: () throws -> Value) rethrows -> Value {
    let number = begin(name, seconds)
    defer { end(number) }
    return try body()
  }

  func watching<Value: Sendable>(_ name: String, seconds: Double, _ body: () async throws -> Value) async rethrows -> Value {
    let number = begin(name, seconds)
    defer { end(number) }
    return try await body()
  }

  private func begin(_ name: String, _ seconds: Double) -> Int {
    state.withLock { state in
      state.next += 1
      state.calls[state.next] = Call(name: name, looksLeft: Int(seconds / Self.interval))
      return state.next
    }
  }

  private func end(_ number: Int) { state.withLock { $0.calls[number] = nil } }
}
