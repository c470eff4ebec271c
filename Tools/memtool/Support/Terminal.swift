import Engram
import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The terminals that the program is connected to.
enum Terminal {
  static let outputIsTerminal = isatty(STDOUT_FILENO) == 1
  static let diagnosticsAreTerminal = isatty(STDERR_FILENO) == 1

  /// https://no-color.org: any value but an empty one turns colours off.
  static let isColoured: Bool = {
    let environment = ProcessInfo.processInfo.environment
    return outputIsTerminal && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
  }()

  /// Columns of standard output; nil if it is no terminal.
  static var outputWidth: Int? { outputIsTerminal ? width(of: STDOUT_FILENO) : nil }

  static var diagnosticsWidth: Int { width(of: STDERR_FILENO) ?? 80 }

  private static func width(of descriptor: Int32) -> Int? {
    var size = winsize()
    // SAFETY: TIOCGWINSZ fills the one struct that it is given.
    guard unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
    return Int(size.ws_col)
  }

  /// Asks the user to confirm; true if there is no terminal.
  static func confirms(_ question: String) -> Bool {
    guard isatty(STDIN_FILENO) == 1, diagnosticsAreTerminal else { return true }
    Diagnostics.write("\(question) [y/N] ", terminator: "")
    return ["y", "yes"].contains(readLine()?.lowercased() ?? "")
  }

  static func bold(_ text: String) -> String { isColoured ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
  static func red(_ text: String) -> String { isColoured ? "\u{1B}[31m\(text)\u{1B}[0m" : text }
  static func green(_ text: String) -> String { isColoured ? "\u{1B}[32m\(text)\u{1B}[0m" : text }

  /// Makes the help at least 80 columns wide: a wrapped example would run as two commands, and the parser traps below 30 columns.
  static func widenHelp() {
    let asked = ProcessInfo.processInfo.environment["COLUMNS"].flatMap { Int($0) }
    guard (asked ?? outputWidth ?? 80) < 80 else { return }
    // SAFETY: runs before anything reads the environment on another thread.
    unsafe setenv("COLUMNS", "80", 1)
  }

  /// Moves standard output to a descriptor of its own, for a protocol. What anything else in the process prints goes to standard error.
  ///
  /// From then on, writing to a reader that is gone fails instead of ending the process.
  /// - Throws: ``StoreError`` `.outOfResources`, `.inputOutput`.
  static func takeOutput() throws -> Int32 {
    _ = signal(SIGPIPE, SIG_IGN)
    let output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
    guard output >= 0 else { throw StoreError(errno == EBADF ? .inputOutput : .outOfResources, "standard output cannot be used") }
    guard dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 else { throw StoreError(.inputOutput, "standard error is closed") }
    return output
  }

  /// From then on, writing to a reader that is gone fails instead of ending the process.
  static func ignoreBrokenPipe() { _ = signal(SIGPIPE, SIG_IGN) }

  /// Whether nobody reads standard output any more: the reader of the pipe has ended, or the terminal was closed.
  static var outputIsClosed: Bool {
    var polled = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
    // SAFETY: `poll` reads and fills the one struct.
    return unsafe poll(&polled, 1, 0) > 0
  }

  /// Calls `body` on a thread of its own once ``outputIsClosed``.
  static func whenOutputCloses(_ body: @escaping @Sendable () -> Void) {
    let thread = Thread {
      var polled = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
      // SAFETY: `poll` reads and fills the one struct.
      while unsafe poll(&polled, 1, -1) < 0 { guard errno == EINTR || errno == EAGAIN else { return } }
      body()
    }
    thread.name = "output"
    thread.start()
  }

  /// `memtool export … | head` ends the program without a message, also if a parent process ignores the signal.
  static func restoreBrokenPipeSignal() { _ = signal(SIGPIPE, SIG_DFL) }
}
