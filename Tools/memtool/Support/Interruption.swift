import ArgumentParser
import Dispatch
import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// SIGINT and SIGTERM: the program undoes unfinished work before it ends.
enum Interruption {
  private struct State {
    var signal: Int32?
    var hasWritten = false
    var note: String?
    var grace = Duration.seconds(1)
  }

  private static let state = Mutex(State())
  /// The command; nil before it begins. Not a field of ``State``: an optimised build then reads a signal in a state that has none (Swift
  /// 6.3.1).
  private static let command = Mutex<Task<Void, any Error>?>(nil)

  /// Runs a command. A signal cancels it and waits until it has undone its unfinished work. A second signal ends the program at once.
  static func run(
    _ command: sending any ParsableCommand, _ body: @escaping @Sendable (any ParsableCommand) async throws -> Void
  ) async throws {
    // Before the command begins: a signal without a handler would end the program and leave unfinished work behind.
    let sources = [SIGINT, SIGTERM].compactMap { number in source(number) { handle(number) } }
    defer { extendLifetime(sources) }
    let task = Task { try await body(command) }
    Self.command.withLock { $0 = task }
    if signal != nil { task.cancel() }
    try await task.value
  }

  /// The signal that ends the program; nil while there is none.
  static var signal: Int32? { state.withLock { $0.signal } }

  /// From here on, undoing the work may take long: after a signal, the program is ended after a minute and not after a second.
  static func leavesTime() { state.withLock { $0.grace = .seconds(60) } }

  /// From here on, some changes cannot be undone.
  ///
  /// - Parameter note: The part of the last message that says which changes stay.
  static func hasWritten(_ note: String) {
    state.withLock { state in
      state.hasWritten = true
      state.note = note
    }
  }

  /// Ends the program with the code of the signal, after a line that says what became of the command.
  static func exit(with signal: Int32) -> Never {
    let state = state.withLock { $0 }
    Diagnostics.write("memtool: interrupted; \(state.hasWritten ? state.note ?? "what was written stays" : "nothing was changed")")
    Foundation.exit(128 + signal)
  }

  private static func handle(_ number: Int32) {
    let (isFirst, grace) = state.withLock { state in
      defer { if state.signal == nil { state.signal = number } }
      return (state.signal == nil, state.grace)
    }
    guard isFirst else { end(number) }
    // `run` looks for a signal after it has set the command, so none is missed.
    command.withLock { $0 }?.cancel()
    DispatchQueue.global().asyncAfter(deadline: .now() + grace / .seconds(1)) { end(number) }
  }

  /// Ends the program without waiting for the command: the next command that opens the store for writing removes its unfinished work.
  private static func end(_ number: Int32) -> Never {
    if Terminal.diagnosticsAreTerminal { Diagnostics.clearLine() }
    Diagnostics.write("memtool: interrupted")
    _exit(128 + number)
  }

  /// Nil if the signal is ignored already, as by `nohup`. Waits until the signal is handled.
  private static func source(_ number: Int32, _ body: @escaping @Sendable () -> Void) -> (any DispatchSourceSignal)? {
    // SAFETY: both are plain dispositions and no functions of ours; SIG_IGN is 1 in every C library.
    let previous = unsafe unsafeBitCast(Foundation.signal(number, SIG_IGN), to: Int.self)
    guard previous != 1 else { return nil }
    #if canImport(Glibc)
      // Ignored, a signal would be lost until Dispatch handles it. Nothing has begun yet, so it may end the program.
      _ = Foundation.signal(number, SIG_DFL)
    #endif
    let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
    source.setEventHandler(handler: body)
    source.resume()
    #if canImport(Glibc)
      awaitHandler(of: number)
    #endif
    return source
  }

  #if canImport(Glibc)
    /// Waits until Dispatch has replaced the disposition, which a thread of its own does: some microseconds, a second at most. Its
    /// registration handler may be called before that.
    private static func awaitHandler(of number: Int32) {
      var current = sigaction()
      let limit = ContinuousClock.now + .seconds(1)
      // SAFETY: `sigaction` fills the one struct that it is given.
      while ContinuousClock.now < limit, unsafe sigaction(number, nil, &current) == 0, unsafe current.__sigaction_handler.sa_handler == nil
      { usleep(50) }
    }
  #endif
}
