import Foundation
import Synchronization
import TestSupport

@testable import Engram

/// A child process whose waits take no thread from the cooperative pool, because the code under test needs that pool.
final class ChildProcess: Sendable {
  private let process: Mutex<Subprocess>
  let processID: Int32

  init(executable: String, _ arguments: [String], timeout: Duration = .seconds(60)) throws {
    let process = try Subprocess(executable, arguments, timeout: timeout)
    processID = process.processID
    self.process = Mutex(process)
  }

  /// Starts a command of `EngramTestChild`, usually on a store.
  convenience init(_ arguments: [String], timeout: Duration = .seconds(60)) throws {
    try self.init(executable: try TestProcess.executable("EngramTestChild"), arguments, timeout: timeout)
  }

  func readLine() async throws -> String {
    try await onBlockingThread { try self.process.withLock { try $0.readLine() } }
  }

  /// Writes a line to the child's standard input.
  func say(_ line: String) async throws {
    try await onBlockingThread { try self.process.withLock { try $0.say(line) } }
  }

  /// Closes the child's standard input, which is what a holding command waits for, and waits for the process to end.
  @discardableResult
  func finish() async throws -> Subprocess.Outcome {
    try await onBlockingThread { try self.process.withLock { try $0.finish() } }
  }

  /// Kills the child; also works while another task waits for a line.
  func kill() { _ = Foundation.kill(processID, SIGKILL) }

  /// Runs a command of `EngramTestChild` to its end.
  static func run(_ arguments: [String], timeout: Duration = .seconds(60)) async throws -> Subprocess.Outcome {
    try await ChildProcess(arguments, timeout: timeout).finish()
  }

  /// Runs a program of the system to its end; a missing one is an error that names it.
  static func run(executable: String, _ arguments: [String], timeout: Duration = .seconds(60)) async throws -> Subprocess.Outcome {
    guard FileManager.default.isExecutableFile(atPath: executable) else { throw MissingProgram(path: executable) }
    return try await ChildProcess(executable: executable, arguments, timeout: timeout).finish()
  }

  struct MissingProgram: Error, CustomStringConvertible {
    let path: String
    var description: String { "this test needs \(path): install it (apt-get install strace util-linux mount)" }
  }
}
