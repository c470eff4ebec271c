import Files
import Foundation
import LMDB
import Logging
import Metrics
import Synchronization

/// Serialises the writers of this process, and with `writer.lock` those of all processes.
///
/// Group commit without a timer: the requests that are queued while a batch is committed form the next batch. All isolated code runs on
/// one pthread of its own.
actor WriteCoordinator {
  private let thread: WriterThread
  let live: LiveGeneration
  private let lock: FileLock
  let options: StoreOptions
  nonisolated let queue: WriteQueue
  nonisolated let progress = Mutex(Progress())
  /// Called after every claimed batch, committed or not, on the writer thread.
  private let onCommit: @Sendable () -> Void
  /// Called when the queue is empty, on the writer thread.
  private let onIdle: @Sendable () -> Void

  /// What the status shows of the writer.
  struct Progress: Sendable {
    var isCommitting = false
    var isWaitingForLock = false
    var batches = 0
    /// Of ``batches``, those that ``flushDeferred()`` has flushed; only `.eventual` counts them.
    var flushedBatches = 0
    var operations = 0
    var poison: StoreError?
  }

  /// Why this process writes no more; nil while it may.
  nonisolated var poison: StoreError? { progress.withLock { $0.poison } }

  private let batchCounter = Counter(label: "engram.commit.batches")
  private let operationCounter = Counter(label: "engram.commit.operations")
  private let commitTimer = Metrics.Timer(label: "engram.commit.duration")
  private let waitTimer = Metrics.Timer(label: "engram.writer.wait")

  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

  init(
    _ live: LiveGeneration, options: StoreOptions, onCommit: @escaping @Sendable () -> Void, onIdle: @escaping @Sendable () -> Void
  ) throws {
    thread = try WriterThread()
    self.live = live
    self.options = options
    queue = WriteQueue(limit: options.queueLimit)
    self.onCommit = onCommit
    self.onIdle = onIdle
    lock = try FileLock(path: live.paths.writerLock)
  }

  // MARK: The caller's side

  /// Set while a body runs, and inherited by the tasks it starts: a write that such a task waits for could never begin.
  @TaskLocal static var isInBody = false

  /// Queues `body` and returns its result once the commit that holds it is durable.
  ///
  /// - Parameter limit: How long the body may wait for its turn; nil: as the options say.
  /// - Throws: What the body throws, with its changes undone; ``StoreError``; `CancellationError` if the task was cancelled before
  ///   the body began.
  nonisolated func write<Value: Sendable>(
    token: String? = nil, sizeBytes: Int = 0, runsAlone: Bool = false, atMost limit: Duration? = nil,
    _ body: @escaping @Sendable (inout WriteTransaction) throws -> Value
  ) async throws -> Value {
    if Self.isInBody {
      throw StoreError(.nestedWrite, "write was called by a task that was started in a write body: start it after the write has returned")
    }
    if let poison { throw poison }
    let result = ResultBox<Value>()
    let request = WriteRequest(
      token: token, sizeBytes: sizeBytes, runsAlone: runsAlone, deadline: (limit ?? options.writeTimeout).map { .now + $0 },
      body: { transaction in result.value = try body(&transaction) })
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        guard request.suspend(continuation) else { return }
        switch queue.append(request) {
        case .refused: request.drop(StoreError(.closed, "the store is closed"))
        case .first: Task(executorPreference: thread) { await self.drain() }
        case .queued: break
        }
        if request.deadline != nil, queue.beginWatch() { watchDeadlines() }
      }
    } onCancel: {
      if request.drop(CancellationError()) { queue.remove(request) }
    }
    guard let value = result.value else { preconditionFailure("a finished body left no result") }
    return value
  }

  /// Carries a body's result from the writer thread to its caller.
  private final class ResultBox<Value: Sendable>: Sendable {
    private let storage = Mutex<Value?>(nil)

    var value: Value? {
      get { storage.withLock { $0 } }
      set { storage.withLock { $0 = newValue } }
    }
  }

  /// Starts one task for all deadlines. It sleeps until the next one, as long as a request with a deadline waits, and retains the
  /// coordinator only while it looks for overdue requests, not while it sleeps.
  private nonisolated func watchDeadlines() {
    Task { [weak self] in
      while let next = self?.dropOverdue() { try? await Task.sleep(until: next, clock: .continuous) }
    }
  }

  private nonisolated func dropOverdue() -> ContinuousClock.Instant? {
    queue.expire(at: .now) { writerBusy() }
  }

  private nonisolated func writerBusy() -> StoreError {
    let waits = progress.withLock { $0.isWaitingForLock }
    let holder = waits ? lock.readNote().flatMap { Int32($0) } : MachineIdentity.processID
    let who = waits ? holder.map { "process \($0)" } ?? "another process" : "this process's own earlier writes"
    return StoreError(
      .writerBusy, "\(who) kept the store's writer busy for longer than the timeout; nothing was written: try again", holder: holder)
  }

  /// Flushes the commits of durability `.eventual`, which are written but not flushed.
  func flushDeferred() throws {
    let (batches, flushed) = progress.withLock { ($0.batches, $0.flushedBatches) }
    guard batches > flushed else { return }
    let generation = live.generation
    do {
      try generation.environment.synchronize()
      progress.withLock { $0.flushedBatches = batches }
    } catch {
      // The environment was closed meanwhile. Either the next generation is live, and everything was flushed before; or this one is opened
      // again, and the next call flushes it.
      if error.isClosed { return }
      throw poisoned(by: error)
    }
  }

  // MARK: The writer thread

  private func drain() {
    repeat {
      runBatch()
    } while !queue.endDrainIfEmpty()
    onIdle()
  }

  private func runBatch() {
    let started = ContinuousClock.now
    do {
      try takeLock()
    } catch {
      let requests = queue.next()
      let results = surfacing(requests.map { _ in .failure(error) }, "taking the writer lock")
      for (request, result) in zip(requests, results) { request.finish(result) }
      return
    }
    // Claimed only now, so that requests that were cancelled or timed out while another process wrote do not run.
    let requests = queue.next()
    if requests.isEmpty { return releaseLock() }
    waitTimer.recordNanoseconds((ContinuousClock.now - started).nanoseconds)
    progress.withLock { $0.isCommitting = true }
    let results = surfacing(perform(requests), "the write failed and nothing was changed")
    releaseLock()
    progress.withLock {
      $0.isCommitting = false
      $0.batches += 1
      $0.operations += requests.count
    }
    batchCounter.increment()
    operationCounter.increment(by: requests.count)
    commitTimer.recordNanoseconds((ContinuousClock.now - started).nanoseconds)
    options.logger.debug("committed", metadata: ["writes": "\(requests.count)", "duration": "\(ContinuousClock.now - started)"])
    onCommit()
    for (request, result) in zip(requests, results) { request.finish(result) }
  }

  private func takeLock() throws {
    if try !lock.tryLock(.exclusive) {
      progress.withLock { $0.isWaitingForLock = true }
      defer { progress.withLock { $0.isWaitingForLock = false } }
      // The callers that wait for their writes have deadlines of their own, and so has `close`.
      try lock.lockWithoutLimit(.exclusive)
    }
    // The note only lets other processes name this one. An error is ignored: on a full disk the lock must not stay held because of it.
    try? lock.writeNote("\(MachineIdentity.processID)")
  }

  private func releaseLock() {
    do {
      try lock.unlock()
    } catch {
      options.logger.error("the writer lock cannot be released", metadata: ["error": "\(error)"])
    }
  }

  /// Maps the errors of a batch: see ``StoreMove/surfacing(_:committed:isOpening:_:find:)``. Errors about the batch's commit stay: if it
  /// happened, the error is a committed `.storeMoved` already, or `.inDoubt` or `.poisoned`. A move ends writing.
  private func surfacing(_ results: [Result<Void, any Error>], _ doing: String) -> [Result<Void, any Error>] {
    results.map { result in
      guard case .failure(let error) = result else { return result }
      let surfaced = live.surfacing(error, doing)
      if let moved = surfaced as? StoreError, moved.code == .storeMoved, !moved.isCommitted, poison == nil { makeReadOnly(moved) }
      return .failure(surfaced)
    }
  }

  /// Ends writing in this process. Later calls change nothing: the first error is the one that writes report.
  nonisolated func makeReadOnly(_ error: StoreError) {
    options.logger.critical("the store is read-only from now on", metadata: ["error": "\(error)"])
    progress.withLock { $0.poison = $0.poison ?? error }
  }
}

extension Duration {
  var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
