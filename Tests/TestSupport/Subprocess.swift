import Foundation

/// A real child process: the initialiser starts it, its output is collected, and it is killed if the value is released before it has ended.
public final class Subprocess {
  public enum Termination: Sendable, Equatable {
    case exited(Int32)
    case signalled(Int32)
  }

  public struct Outcome: Sendable {
    public let termination: Termination
    public let standardOutput: String
    public let standardError: String
  }

  public enum Failure: Error, Equatable {
    /// The child did not do what the caller waited for in time; it has been killed.
    case timedOut(output: String)
    /// The child closed its output before it printed the awaited line.
    case endOfOutput(errorOutput: String)
  }

  public let processID: Int32
  private let input: Int32
  private let output: Int32
  private var isInputOpen = true
  private let errorDirectory = TemporaryDirectory()
  private let end: ProcessEnd
  private let deadline: ContinuousClock.Instant
  private var collected: [UInt8] = []
  private var linesEnd = 0

  /// - Parameters:
  ///   - arguments: Without the executable's own name.
  ///   - timeout: The time for the whole process. When it has passed, every method kills the child and throws.
  ///   - environment: Variables that are added to those of this process, or replace them.
  public init(
    _ executable: String, _ arguments: [String], timeout: Duration = .seconds(60), environment: [String: String] = [:]
  ) throws {
    deadline = ContinuousClock.now + timeout
    // The backtrace of a child that crashes on purpose would take seconds.
    let variables = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
      .merging(environment) { $1 }
    let spawned = try SpawnedProcess(
      executable, arguments, variables.map { "\($0.key)=\($0.value)" }, errorPath: errorDirectory.path("stderr"))
    (processID, input, output) = (spawned.processID, spawned.input, spawned.output)
    end = ProcessEnd(of: spawned.processID)
  }

  deinit {
    if end.status == nil { _ = Foundation.kill(processID, SIGKILL) }
    if isInputOpen { close(input) }
    close(output)
  }

  /// Runs a process to its end.
  public static func run(
    _ executable: String, _ arguments: [String], timeout: Duration = .seconds(60), environment: [String: String] = [:]
  ) throws -> Outcome {
    let child = try Subprocess(executable, arguments, timeout: timeout, environment: environment)
    return try child.finish()
  }

  /// The child's next line of output, without the line feed.
  public func readLine() throws -> String {
    while true {
      if let end = collected[linesEnd...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { linesEnd = end + 1 }
        return String(decoding: collected[linesEnd..<end], as: UTF8.self)
      }
      if try !readMore() { throw Failure.endOfOutput(errorOutput: errorOutput()) }
    }
  }

  /// Waits until the child prints another line that begins with `beginning`; false if the time passes first. The child is not killed then.
  public func prints(_ beginning: String, within time: Duration) throws -> Bool {
    let end = min(deadline, ContinuousClock.now + time)
    // Lines printed before the call do not count.
    while isReadable(within: 0) { guard try readMore() else { return false } }
    var seen = collected.count
    while true {
      let lines = String(decoding: collected[seen...], as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
      if lines.dropLast().contains(where: { $0.hasPrefix(beginning) }) { return true }
      seen = collected.count - (lines.last?.utf8.count ?? 0)
      let left = Int((end - ContinuousClock.now) / .milliseconds(1))
      guard left > 0, isReadable(within: left), try readMore() else { return false }
    }
  }

  private func isReadable(within milliseconds: Int) -> Bool {
    var poller = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&poller, 1, Int32(milliseconds)) > 0
  }

  /// Writes a line to the child's standard input.
  public func say(_ line: String) throws {
    try FileHandle(fileDescriptor: input, closeOnDealloc: false).write(contentsOf: Data("\(line)\n".utf8))
  }

  /// Closes the child's standard input, which the commands of `TestChild` wait for.
  public func closeInput() {
    if isInputOpen { close(input) }
    isInputOpen = false
  }

  /// Whether the child has exited or was killed.
  public var hasEnded: Bool { end.status != nil }

  /// Names a thread that waits for a mutex of LMDB that will never be released, and the thread that holds it; nil if there is none.
  public var hangDiagnosis: String? { HangDiagnosis.text(of: processID) }

  public func kill() { _ = Foundation.kill(processID, SIGKILL) }

  /// Closes the child's input, collects the rest of its output and waits for its end.
  public func finish() throws -> Outcome {
    closeInput()
    while try readMore() {}
    guard let termination = end.wait(milliseconds: remainingMilliseconds()) else { throw timedOut() }
    return Outcome(
      termination: termination, standardOutput: String(decoding: collected, as: UTF8.self), standardError: errorOutput())
  }

  private func errorOutput() -> String {
    (try? String(contentsOfFile: errorDirectory.path("stderr"), encoding: .utf8)) ?? ""
  }

  private func remainingMilliseconds() -> Int {
    max(0, Int((deadline - ContinuousClock.now) / .milliseconds(1)))
  }

  private func timedOut() -> Failure {
    let diagnosis = HangDiagnosis.text(of: processID)
    kill()
    return .timedOut(output: String(decoding: collected, as: UTF8.self) + (diagnosis.map { "\n\($0)" } ?? ""))
  }

  /// Appends the output that has arrived; false at its end.
  private func readMore() throws -> Bool {
    var poller = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
    let ready = unsafe poll(&poller, 1, Int32(remainingMilliseconds()))
    if ready == 0 { throw timedOut() }
    if ready < 0 { return true }
    var buffer = [UInt8](repeating: 0, count: 4096)
    // SAFETY: read fills at most the buffer's own bytes.
    let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(output, $0.baseAddress!, $0.count) }
    if count > 0 { collected += buffer[..<count] }
    return count > 0 || (count < 0 && errno == EINTR)
  }
}
