#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A `flock` on a file of its own or on a directory: the system releases it when the process ends, whatever the reason.
///
/// The lock belongs to the open file description, so two `FileLock`s of one process exclude each other as two processes do.
package struct FileLock: ~Copyable, Sendable {
  package enum Mode: Sendable {
    case shared
    case exclusive
  }

  private let handle: FileHandle

  /// Closing alone may not release the lock: a process that was forked meanwhile shares it until it runs another program.
  deinit { _ = flock(handle.descriptor, LOCK_UN) }

  /// Opens the lock file, making it if it is missing; takes no lock yet.
  package init(path: some FilePlaceConvertible) throws(FileError) {
    handle = try FileHandle(path: path, access: .create)
  }

  /// Opens an existing lock file, for a store that must not be written to; takes no lock yet.
  package init(existing path: some FilePlaceConvertible) throws(FileError) {
    handle = try FileHandle(path: path, access: .read)
  }

  /// Opens a directory to lock it; takes no lock yet.
  package init(_ directory: Directory) throws(FileError) {
    handle = try FileHandle(directory)
  }

  /// Opens an existing file to lock it; nil if there is none.
  package init?(ifExists path: some FilePlaceConvertible) throws(FileError) {
    let opened: FileHandle
    do throws(FileError) {
      opened = try FileHandle(path: path, access: .read)
    } catch {
      if error.isMissing { return nil }
      throw error
    }
    handle = opened
  }

  /// Whether ``writeNote(_:)`` can write.
  package var isWritable: Bool { fcntl(handle.descriptor, F_GETFL) & O_ACCMODE == O_RDWR }

  /// How long to wait for a lock by default.
  package static let patience = Duration.seconds(30)

  /// Blocks this thread until the lock is held, however long that takes.
  ///
  /// Only for a thread whose waiters have time limits of their own. It gets the lock before threads that wait in ``lock(_:atMost:)``.
  package func lockWithoutLimit(_ mode: Mode) throws(FileError) {
    try retrying("flock", handle.path) { flock(handle.descriptor, mode == .shared ? LOCK_SH : LOCK_EX) }
  }

  /// Blocks this thread until the lock is held, for a limited time: `flock` has no deadline, so it is tried at intervals of at most 5 ms.
  ///
  /// - Throws: ``FileError`` that `isTimeout` and has the holders.
  package func lock(_ mode: Mode, atMost limit: Duration = patience) throws(FileError) {
    let deadline = ContinuousClock.now + limit
    var pauseMicroseconds: useconds_t = 200
    while try !tryLock(mode) {
      if ContinuousClock.now >= deadline { throw timeout() }
      usleep(pauseMicroseconds)
      pauseMicroseconds = min(pauseMicroseconds * 2, 5000)
    }
  }

  /// Waits as ``lock(_:atMost:)`` does, and calls `check` after each failed attempt: an error that it throws ends the waiting.
  ///
  /// - Parameter longestPause: The longest pause between two attempts, in microseconds: short if others take the lock again and again.
  package func lock(
    _ mode: Mode, atMost limit: Duration, longestPause: UInt32 = 50_000, check: () throws -> Void
  ) throws {
    let deadline = ContinuousClock.now + limit
    var pauseMicroseconds: useconds_t = min(1000, longestPause)
    while try !tryLock(mode) {
      try check()
      if ContinuousClock.now >= deadline { throw timeout() }
      usleep(pauseMicroseconds)
      pauseMicroseconds = min(pauseMicroseconds * 2, longestPause)
    }
  }

  private func timeout() -> FileError {
    let holders = (try? handle.status()).map { LockHolders.processes(locking: $0.id) } ?? []
    return FileError(errno: ETIMEDOUT, call: "flock", path: handle.path, holders: holders)
  }

  /// Takes the lock if no other holds one that excludes it.
  package func tryLock(_ mode: Mode) throws(FileError) -> Bool {
    do throws(FileError) {
      try retrying("flock", handle.path) { flock(handle.descriptor, (mode == .shared ? LOCK_SH : LOCK_EX) | LOCK_NB) }
      return true
    } catch {
      if error.errno == EWOULDBLOCK { return false }
      throw error
    }
  }

  /// Whether the lock's name still leads to the file that was opened: other processes may have removed it and created a new one.
  package var isInPlace: Bool {
    get throws(FileError) { try Directories.status(handle.place)?.id == handle.status().id }
  }

  /// Releases the lock. Tries again for half a second if the call fails: other processes, and other descriptors of this one, would wait for
  /// a lock that nobody needs.
  package func unlock() throws(FileError) {
    for _ in 0..<50 {
      do throws(FileError) {
        try retrying("flock", handle.path) { flock(handle.descriptor, LOCK_UN) }
        return
      } catch {
        // The descriptor is closed already, which only a bug of ours can cause: another attempt cannot succeed.
        guard error.errno != EBADF else { throw error }
        usleep(10_000)
      }
    }
    try retrying("flock", handle.path) { flock(handle.descriptor, LOCK_UN) }
  }

  /// Writes a short note, such as the holder's pid, into the lock file, unless it is there already: a write would dirty the file for the
  /// next flush. Only the holder may call it; nothing flushes it.
  package func writeNote(_ text: String) throws(FileError) {
    if readNote() == text { return }
    try handle.write(Array(text.utf8), at: 0)
    try handle.truncate(to: text.utf8.count)
  }

  /// The holder's note, as far as it can be read.
  package func readNote() -> String? {
    guard let bytes = try? handle.read(count: 64, at: 0) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }
}
