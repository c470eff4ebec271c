import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A child made by `posix_spawn`, with pipes to its input and output.
///
/// Foundation's `Process` is not used: it reads this process's table of descriptors in a way that touches memory beyond the directory's
/// buffer, and sometimes crashes (SIGSEGV in `Process.run`, seen while several threads start children).
struct SpawnedProcess {
  let processID: Int32
  /// The writing end of the child's input, and the reading end of its output.
  let input: Int32
  let output: Int32

  struct Failure: Error {
    let call: String
    let code: Int32
  }

  /// - Parameter errorPath: The file that receives the child's standard error.
  init(_ executable: String, _ arguments: [String], _ environment: [String], errorPath: String) throws {
    let ((inputRead, inputWrite), (outputRead, outputWrite)) = try Self.spawning.withLock { _ in (try Self.pipe(), try Self.pipe()) }
    defer {
      close(inputRead)
      close(outputWrite)
    }
    (input, output) = (inputWrite, outputRead)
    #if canImport(Darwin)
      var actions: posix_spawn_file_actions_t?
      var attributes: posix_spawnattr_t?
    #else
      var actions = unsafe posix_spawn_file_actions_t()
      var attributes = posix_spawnattr_t()
    #endif
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawnattr_init(&attributes)
    defer {
      unsafe posix_spawn_file_actions_destroy(&actions)
      unsafe posix_spawnattr_destroy(&attributes)
    }
    unsafe posix_spawn_file_actions_adddup2(&actions, inputRead, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, outputWrite, 1)
    unsafe posix_spawn_file_actions_addopen(&actions, 2, errorPath, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    // The child blocks no signals, whichever thread starts it; nothing else of this process is inherited.
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    #if canImport(Darwin)
      unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_CLOEXEC_DEFAULT))
    #else
      unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    #endif
    var child: pid_t = 0
    // SAFETY: the copies made by strdup are NUL-terminated and live until they are freed after the call, which only reads them.
    var words = unsafe ([executable] + arguments).map { unsafe strdup($0) } + [nil]
    var variables = unsafe environment.map { unsafe strdup($0) } + [nil]
    defer {
      unsafe words.forEach { unsafe free($0) }
      unsafe variables.forEach { unsafe free($0) }
    }
    let code = Self.spawning.withLock { _ in unsafe posix_spawn(&child, executable, &actions, &attributes, &words, &variables) }
    guard code == 0 else {
      close(inputWrite)
      close(outputRead)
      throw Failure(call: "posix_spawn \(executable)", code: code)
    }
    processID = child
  }

  /// No child may be started between the making of a pipe and the setting of its close-on-exec flag: it would inherit the pipe, whose end
  /// would then never be seen.
  private static let spawning = Mutex(())

  /// - Returns: The end to read from, and the end to write to.
  private static func pipe() throws -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    #if canImport(Darwin)
      let code = unsafe Darwin.pipe(&ends)
    #else
      let code = unsafe Glibc.pipe(&ends)
    #endif
    guard code == 0 else { throw Failure(call: "pipe", code: errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }
}

/// The end of a child, which a thread of its own waits for.
final class ProcessEnd: Sendable {
  private let termination = Mutex<Subprocess.Termination?>(nil)
  private let ended = DispatchSemaphore(value: 0)

  init(of processID: Int32) {
    Thread.detachNewThread { [self] in
      var status: Int32 = 0
      while unsafe waitpid(processID, &status, 0) < 0, errno == EINTR {}
      // The macros of wait.h, which Swift does not import.
      let signal = status & 0x7F
      termination.withLock { $0 = signal == 0 ? .exited((status >> 8) & 0xFF) : .signalled(signal) }
      ended.signal()
    }
  }

  /// Nil while the child runs.
  var status: Subprocess.Termination? { termination.withLock { $0 } }

  /// Nil if the child still runs after that time.
  func wait(milliseconds: Int) -> Subprocess.Termination? {
    if ended.wait(timeout: .now() + .milliseconds(milliseconds)) == .success { ended.signal() }
    return status
  }
}
