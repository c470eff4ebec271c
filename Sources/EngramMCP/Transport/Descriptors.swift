#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The calls of C in this module: reading, writing and waiting on file descriptors.
enum Descriptors {
  /// What `poll` reported.
  enum Readiness: Sendable, Equatable {
    case ready
    /// The other descriptor, which wakes the waiting thread, has data.
    case woken
    /// The output has no reader any more.
    case broken
    case timedOut
  }

  /// Waits until `descriptor` has bytes to read, or is at its end.
  ///
  /// - Parameters:
  ///   - waker: Ends the wait as soon as it has bytes.
  ///   - output: Ends the wait as soon as its reader is gone: a client that is killed may leave the input open in another process.
  static func awaitInput(_ descriptor: Int32, waker: Int32, output: Int32) -> Readiness {
    var polled = [
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: waker, events: Int16(POLLIN), revents: 0),
      pollfd(fd: output, events: 0, revents: 0),
    ]
    // SAFETY: `poll` reads and fills the structs of the array.
    while unsafe poll(&polled, nfds_t(polled.count), -1) < 0 { guard errno == EINTR || errno == EAGAIN else { return .ready } }
    if polled[1].revents != 0 { return .woken }
    return polled[2].revents != 0 ? .broken : .ready
  }

  /// Waits until `descriptor` takes bytes, or its reader is gone; at most `milliseconds`.
  static func awaitOutput(_ descriptor: Int32, milliseconds: Int32) -> Readiness {
    var polled = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    // SAFETY: `poll` reads and fills the one struct.
    let count = unsafe poll(&polled, 1, milliseconds)
    if count == 0 || (count < 0 && errno == EINTR) { return .timedOut }
    return .ready
  }

  /// Reads at most `limit` bytes.
  ///
  /// - Returns: Nil at the end, and if the descriptor cannot be read; nothing if another reader of it was faster.
  static func read(_ descriptor: Int32, atMost limit: Int) -> [UInt8]? {
    var isAtEnd = false
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, used in
      while true {
        // SAFETY: `read` fills at most the bytes of the buffer, and exactly the bytes that it filled are declared initialised.
        #if canImport(Glibc)
          let count = unsafe Glibc.read(descriptor, buffer.baseAddress, limit)
        #else
          let count = unsafe Darwin.read(descriptor, buffer.baseAddress, limit)
        #endif
        if count < 0, errno == EINTR { continue }
        used = max(0, count)
        isAtEnd = count == 0 || (count < 0 && errno != EAGAIN)
        return
      }
    }
    return isAtEnd ? nil : bytes
  }

  /// Writes at most ``writeLimit`` bytes.
  ///
  /// - Returns: How many were written; nil if the descriptor cannot be written, for example because its reader is gone.
  static func write(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) -> Int? {
    let part = bytes.prefix(writeLimit)
    while true {
      // SAFETY: `write` reads exactly the bytes of the slice.
      #if canImport(Glibc)
        let count = unsafe part.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
      #else
        let count = unsafe part.withUnsafeBytes { unsafe Darwin.write(descriptor, $0.baseAddress, $0.count) }
      #endif
      if count >= 0 { return count }
      if errno == EAGAIN { return 0 }
      guard errno == EINTR else { return nil }
    }
  }

  /// PIPE_BUF of Linux: a pipe that is ready takes so many bytes without blocking.
  static let writeLimit = 4096
}

/// A pipe that ends the wait of a thread: see ``Descriptors/awaitInput(_:waker:output:)``.
final class Waker: Sendable {
  let descriptor: Int32
  private let writingEnd: Int32

  /// Nil if the process has no descriptor left.
  init?() {
    var ends: [Int32] = [-1, -1]
    // SAFETY: `pipe` fills the two integers of the array.
    guard unsafe pipe(&ends) == 0 else { return nil }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    (descriptor, writingEnd) = (ends[0], ends[1])
  }

  deinit {
    close(descriptor)
    close(writingEnd)
  }

  /// Wakes the thread that waits now, and every later one.
  func wake() {
    var byte: UInt8 = 1
    // SAFETY: `write` reads one byte. If the pipe is full, the thread is being woken already.
    #if canImport(Glibc)
      _ = unsafe Glibc.write(writingEnd, &byte, 1)
    #else
      _ = unsafe Darwin.write(writingEnd, &byte, 1)
    #endif
  }
}
