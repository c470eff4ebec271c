import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How many forks lie between the process that the program began as and this one.
///
/// LMDB must not be used after a fork by the child. Asking for the pid would cost a system call for every snapshot; a handler that the
/// fork itself runs in the child costs nothing until then.
enum ForkCount {
  private static let count = Atomic<Int>(0)

  private static let isRegistered: Bool = {
    pthread_atfork(nil, nil, { ForkCount.count.add(1, ordering: .relaxed) }) == 0
  }()

  /// Begins to count. To be called before the first use of ``current``; further calls do nothing.
  static func register() { precondition(isRegistered, "the system refuses a fork handler") }

  static var current: Int { count.load(ordering: .relaxed) }
}
