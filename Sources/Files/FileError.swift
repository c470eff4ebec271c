#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// An error of the operating system, with the call and the file.
package struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The `errno` value.
  package let errno: Int32
  /// The system call that failed.
  package let call: String
  /// The file or directory it was about.
  package let path: String
  /// If a lock was not released in time: the processes that hold it, as far as the system reports them.
  package let holders: [Int32]

  package init(errno: Int32, call: String, path: String, holders: [Int32] = []) {
    self.errno = errno
    self.call = call
    self.path = path
    self.holders = holders
  }

  /// The system's own sentence for the code.
  package var reason: String {
    // SAFETY: strerror returns a NUL-terminated string, copied before anything else runs on this thread.
    unsafe String(cString: strerror(errno))
  }

  package var description: String { "\(call) \(path): \(reason)" }

  package var isMissing: Bool { errno == ENOENT || errno == ENOTDIR }
  package var isExisting: Bool { errno == EEXIST || errno == ENOTEMPTY }
  package var isNoSpace: Bool { errno == ENOSPC || errno == EDQUOT || errno == EFBIG }
  package var isPermission: Bool { errno == EACCES || errno == EPERM }
  package var isReadOnlyFileSystem: Bool { errno == EROFS }
  package var isSymbolicLink: Bool { errno == ELOOP }
  /// A lock was not released in time.
  package var isTimeout: Bool { errno == ETIMEDOUT }
  /// The process, or the system, has no descriptor, thread or address space left.
  package var isOutOfResources: Bool { errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EAGAIN }
}

/// Runs `call` until it is not interrupted; −1 becomes a ``FileError``.
@discardableResult
func retrying<Result: SignedInteger>(
  _ name: StaticString, _ path: @autoclosure () -> String, _ call: () -> Result
) throws(FileError) -> Result {
  while true {
    let result = call()
    if result != -1 { return result }
    let code = errno
    if code != EINTR { throw FileError(errno: code, call: name.description, path: path()) }
  }
}
