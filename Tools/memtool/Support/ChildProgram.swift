import Engram
import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A child process with pipes to its input and output.
///
/// Its input is closed when this value is released or this process ends. If the child still runs a second after this process began to
/// exit, its process group is killed. If this process is killed itself, the kernel closes the pipe, and a child that reads its input
/// sees the end.
final class ChildProgram: Sendable {
  private let processID: pid_t
  /// This process's ends of the pipes. Reading and writing do not block.
  private let input: Int32
  private let output: Int32

  /// - Throws: ``StoreError`` `.outOfResources`.
  init(shell command: String) throws(StoreError) {
    func failed(_ code: Int32) -> StoreError {
      StoreError(.outOfResources, "the embed command cannot be started: \(unsafe String(cString: strerror(code)))")
    }
    // No other child may be started between the creation of a pipe and its close-on-exec mark: it would keep the pipe open.
    let (started, code) = Self.children.withLock { children -> (Started?, Int32) in
      guard let toChild = Self.pipe() else { return (nil, errno) }
      guard let fromChild = Self.pipe() else {
        defer { for end in [toChild.0, toChild.1] { close(end) } }
        return (nil, errno)
      }
      let (child, code) = Self.spawn(command, input: toChild.0, output: fromChild.1)
      close(toChild.0)
      close(fromChild.1)
      guard let child else {
        close(toChild.1)
        close(fromChild.0)
        return (nil, code)
      }
      if children == nil { atexit { ChildProgram.endAll() } }
      children = (children ?? [:]).merging([child: toChild.1]) { $1 }
      return (Started(processID: child, input: toChild.1, output: fromChild.0), 0)
    }
    guard let started else { throw failed(code) }
    (processID, input, output) = (started.processID, started.input, started.output)
    for end in [input, output] { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
  }

  /// Closes the child's input. A program that reads it then ends by itself; one that does not is killed after a second.
  ///
  /// A thread waits for the child: a child that has ended and was not waited for stays in the table of processes, and is reported again and
  /// again to a process that waits for any child, as the runner of tests does.
  deinit {
    Self.children.withLock { Self.closeInput(of: processID, &$0) }
    close(output)
    Thread.detachNewThread { [processID] in Self.children.withLock { _ = Self.end(processID, within: .seconds(1), &$0) } }
  }

  private struct Started {
    let processID: pid_t
    let input: Int32
    let output: Int32
  }

  /// The children that have not been waited for, and the writing ends of their inputs; −1 once closed. Nil before the first.
  private static let children = Mutex<[pid_t: Int32]?>(nil)

  // MARK: Reading and writing

  /// Waits until there is output to read or, if `writes`, room for input; at most for `milliseconds`.
  func poll(writes: Bool, milliseconds: Int32) -> (isReadable: Bool, isWritable: Bool) {
    var polls = [
      pollfd(fd: output, events: Int16(POLLIN), revents: 0), pollfd(fd: writes ? input : -1, events: Int16(POLLOUT), revents: 0),
    ]
    #if canImport(Glibc)
      let count = unsafe Glibc.poll(&polls, 2, milliseconds)
    #else
      let count = unsafe Darwin.poll(&polls, 2, milliseconds)
    #endif
    return count > 0 ? (polls[0].revents != 0, polls[1].revents != 0) : (false, false)
  }

  /// - Returns: How many bytes were written, 0 if the pipe is full; nil if the child has closed its input.
  func write(_ bytes: ArraySlice<UInt8>) -> Int? {
    // SAFETY: the bytes are alive for the call, which reads no more than their count.
    let count = unsafe bytes.withUnsafeBytes { unsafe Foundation.write(input, $0.baseAddress, $0.count) }
    if count >= 0 { return count }
    return errno == EAGAIN || errno == EINTR ? 0 : nil
  }

  /// Appends the output that is there.
  ///
  /// - Returns: False at the end of its output.
  func read(into bytes: inout [UInt8]) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    // SAFETY: read fills at most the buffer's own bytes.
    let count = unsafe buffer.withUnsafeMutableBytes { unsafe Foundation.read(output, $0.baseAddress, $0.count) }
    if count > 0 { bytes += buffer[..<count] }
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR))
  }

  /// Blocks SIGPIPE on this thread, which must end after its work: on other threads, memtool lets the signal end the process.
  static func ignoreBrokenPipes() {
    var pipes = sigset_t()
    unsafe sigemptyset(&pipes)
    unsafe sigaddset(&pipes, SIGPIPE)
    unsafe pthread_sigmask(SIG_BLOCK, &pipes, nil)
  }

  // MARK: The end

  /// Closes the child's input, waits until the child ends, and kills it and its children if that takes longer than `grace`.
  ///
  /// - Returns: How it ended, such as `ended with exit code 3`.
  @discardableResult
  func end(within grace: Duration) -> String {
    let status = Self.children.withLock { Self.end(processID, within: grace, &$0) }
    guard let status else { return "has ended" }
    // The macros of wait.h, which Swift does not import.
    let signal = status & 0x7F
    return signal == 0 ? "ended with exit code \((status >> 8) & 0xFF)" : "was ended by signal \(signal)"
  }

  private static func endAll() {
    children.withLock { children in
      let all = (children ?? [:]).keys
      // All inputs are closed at once; then the children have one second together.
      for child in all { closeInput(of: child, &children) }
      let limit = ContinuousClock.now + .seconds(1)
      for child in all { end(child, within: limit - .now, &children) }
    }
  }

  private static func closeInput(of child: pid_t, _ children: inout [pid_t: Int32]?) {
    guard let input = children?[child], input >= 0 else { return }
    close(input)
    children?[child] = -1
  }

  /// - Returns: The status that `waitpid` gave; nil if the child was waited for before.
  @discardableResult
  private static func end(_ child: pid_t, within grace: Duration, _ children: inout [pid_t: Int32]?) -> Int32? {
    guard children?[child] != nil else { return nil }
    closeInput(of: child, &children)
    children?[child] = nil
    let limit = ContinuousClock.now + grace
    var status: Int32 = 0
    while ContinuousClock.now < limit {
      if unsafe waitpid(child, &status, WNOHANG) == child { return status }
      usleep(2000)
    }
    // The whole group, because the shell may have children. The child was not waited for yet, so no other process has its number.
    kill(-child, SIGKILL)
    while unsafe waitpid(child, &status, 0) < 0, errno == EINTR {}
    return status
  }

  // MARK: The start

  /// - Returns: The end to read from and the end to write to, which no child inherits.
  private static func pipe() -> (Int32, Int32)? {
    var ends: [Int32] = [-1, -1]
    #if canImport(Glibc)
      let code = unsafe Glibc.pipe(&ends)
    #else
      let code = unsafe Darwin.pipe(&ends)
    #endif
    guard code == 0 else { return nil }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }

  /// - Returns: The process, or an error number.
  private static func spawn(_ command: String, input: Int32, output: Int32) -> (pid_t?, Int32) {
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
    unsafe posix_spawn_file_actions_adddup2(&actions, input, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
    // The child gets a process group of its own, and the signal handling of a new process.
    var (none, handled) = (sigset_t(), sigset_t())
    unsafe sigemptyset(&none)
    unsafe sigemptyset(&handled)
    for signal in [SIGINT, SIGTERM, SIGPIPE] { unsafe sigaddset(&handled, signal) }
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &handled)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    // SAFETY: the copies made by strdup are NUL-terminated and live until they are freed after the call, which only reads them.
    let arguments = ["/bin/sh", "-c", command]
    var words = unsafe arguments.map { unsafe strdup($0) } + [nil]
    var variables = unsafe ProcessInfo.processInfo.environment.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
    defer {
      unsafe words.forEach { unsafe free($0) }
      unsafe variables.forEach { unsafe free($0) }
    }
    var child: pid_t = 0
    let code = unsafe posix_spawn(&child, "/bin/sh", &actions, &attributes, &words, &variables)
    return code == 0 ? (child, 0) : (nil, code)
  }
}
