import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Starts a detached thread that runs `body`.
///
/// It does not use Foundation's `Thread`, which reports no error if the system has no thread left: its body then never runs.
///
/// - Parameter blocksSignals: No signal is handled on the thread, so none interrupts its calls.
/// - Throws: ``StoreError`` `.outOfResources`; `body` is not run.
func startThread(blocksSignals: Bool = false, _ body: @escaping @Sendable () -> Void) throws(StoreError) {
  // SAFETY: the body is retained until the thread takes it, or until it is released below because no thread was made.
  let argument = unsafe Unmanaged.passRetained(ThreadBody(body)).toOpaque()
  var all = sigset_t()
  var old = sigset_t()
  unsafe sigfillset(&all)
  // A new thread inherits the mask of the one that makes it.
  if blocksSignals { unsafe pthread_sigmask(SIG_SETMASK, &all, &old) }
  // Uninitialized memory, because the C module that declares the initializer of the type depends on what else is imported.
  let code = unsafe withUnsafeTemporaryAllocation(of: pthread_attr_t.self, capacity: 1) { memory in
    let attributes = memory.baseAddress!
    unsafe pthread_attr_init(attributes)
    defer { unsafe pthread_attr_destroy(attributes) }
    unsafe pthread_attr_setdetachstate(attributes, Int32(PTHREAD_CREATE_DETACHED))
    // The bodies of writes run on such a thread: as much stack as a main thread has.
    unsafe pthread_attr_setstacksize(attributes, 8 << 20)
    var thread = pthread_t()
    return unsafe pthread_create(
      &thread, attributes,
      { argument in
        // SAFETY: the argument is the body that was retained above.
        unsafe Unmanaged<ThreadBody>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, argument)
  }
  if blocksSignals { unsafe pthread_sigmask(SIG_SETMASK, &old, nil) }
  if code == 0 { return }
  // SAFETY: no thread was made that would release it.
  unsafe Unmanaged<ThreadBody>.fromOpaque(argument).release()
  throw StoreError(
    .outOfResources,
    "the system has no thread left (pthread_create says \(code)): raise the limit of processes (ulimit -u) or of memory, or start fewer threads"
  )
}

private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void
  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Runs work that may block on the disk or a lock on a thread of its own, so that it does not take one from the cooperative pool.
///
/// - Throws: ``StoreError`` `.outOfResources` if no thread can be started, and what `work` throws.
func onBlockingThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    do throws(StoreError) {
      try startThread { continuation.resume(with: Result(catching: work)) }
    } catch {
      continuation.resume(throwing: error)
    }
  }
}

/// The same for long work.
///
/// - Parameter work: Gets a check to call now and then: it throws if the task was cancelled.
func onCancellableThread<Value: Sendable>(
  _ work: @escaping @Sendable (_ check: @escaping @Sendable () throws -> Void) throws -> Value
) async throws -> Value {
  let stop = StopFlag()
  return try await withTaskCancellationHandler {
    try await onBlockingThread {
      try work { if stop.isSet { throw CancellationError() } }
    }
  } onCancel: {
    stop.set()
  }
}

/// Carries the cancellation of a task to a thread that runs outside of the task.
final class StopFlag: Sendable {
  private let flag = Atomic(false)

  var isSet: Bool { flag.load(ordering: .relaxed) }
  func set() { flag.store(true, ordering: .relaxed) }
}
