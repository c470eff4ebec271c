#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// One pthread that runs an actor's jobs, and nothing else.
///
/// LMDB wants a write transaction begun, used and ended on one thread, and a flush must not block a thread of Swift's cooperative
/// pool. Signals are blocked, so that no flush is interrupted. The thread ends with the last reference to the executor: an actor
/// holds one, so no job can come later.
final class WriterThread: SerialExecutor, TaskExecutor {
  private let jobs = JobQueue()

  /// - Throws: ``StoreError`` `.outOfResources`.
  init() throws(StoreError) {
    let jobs = jobs
    try startThread(blocksSignals: true) { jobs.run() }
    jobs.setExecutor(self)
  }

  deinit { jobs.stop() }

  func enqueue(_ job: consuming ExecutorJob) { jobs.append(UnownedJob(job)) }

  func asUnownedSerialExecutor() -> UnownedSerialExecutor { unsafe UnownedSerialExecutor(ordinary: self) }
}

/// The queue of jobs between the enqueuing threads and the writer thread.
@safe
private final class JobQueue: @unchecked Sendable {
  // SAFETY of `@unchecked`: everything below is touched with the mutex held; mutex and condition never move.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var jobs: [UnownedJob] = []
  private var isStopped = false
  private unowned(unsafe) var executor: WriterThread?

  init() {
    unsafe mutex = .allocate(capacity: 1)
    unsafe condition = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(condition, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  func setExecutor(_ executor: WriterThread) {
    unsafe pthread_mutex_lock(mutex)
    unsafe self.executor = executor
    unsafe pthread_mutex_unlock(mutex)
  }

  func append(_ job: UnownedJob) {
    unsafe pthread_mutex_lock(mutex)
    jobs.append(job)
    unsafe pthread_cond_signal(condition)
    unsafe pthread_mutex_unlock(mutex)
  }

  func stop() {
    unsafe pthread_mutex_lock(mutex)
    isStopped = true
    unsafe pthread_cond_signal(condition)
    unsafe pthread_mutex_unlock(mutex)
  }

  func run() {
    while true {
      unsafe pthread_mutex_lock(mutex)
      while jobs.isEmpty && !isStopped { unsafe pthread_cond_wait(condition, mutex) }
      let batch = jobs
      jobs = []
      // SAFETY: the caller that enqueued a job keeps the executor alive until the job has run. Without a job `stop` was called, by the
      // executor's deinit, and the reference must not be touched any more.
      let executor = batch.isEmpty ? nil : unsafe self.executor
      unsafe pthread_mutex_unlock(mutex)
      guard let executor else { return }
      for job in batch {
        unsafe job.runSynchronously(isolatedTo: executor.asUnownedSerialExecutor(), taskExecutor: executor.asUnownedTaskExecutor())
      }
    }
  }
}
