import Files
import Foundation
import LMDB
import Logging
import Metrics
import Synchronization

/// Serialises the writers of this process, and with `writer.lock` those of all processes.
///
/// Group commit without a timer: whatever queued while the last flush ran is the next batch. Everything isolated runs on one
/// pthread of its own.
actor WriteCoordinator {
  private let thread: WriterThread
  private let live: LiveGeneration
  private let lock: FileLock
  private let options: StoreOptions
  nonisolated let queue: WriteQueue
  nonisolated let progress = Mutex(Progress())
  /// Told after every commit, on the writer thread.
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
  @TaskLocal private static var isInBody = false

  /// Queues `body` and returns its result once the commit that holds it is durable.
  ///
  /// - Throws: What the body throws, with its changes undone; ``StoreError``; `CancellationError` where the task was cancelled before
  ///   the body began.
  nonisolated func write<Value: Sendable>(
    token: String? = nil, sizeBytes: Int = 0, runsAlone: Bool = false,
    _ body: @escaping @Sendable (inout WriteTransaction) throws -> Value
  ) async throws -> Value {
    if Self.isInBody {
      throw StoreError(.nestedWrite, "write was called by a task that was started in a write body: start it after the write has returned")
    }
    if let poison { throw poison }
    let box = ResultBox<Value>()
    let request = WriteRequest(
      token: token, sizeBytes: sizeBytes, runsAlone: runsAlone, deadline: options.writeTimeout.map { .now + $0 },
      body: { transaction in box.value = try body(&transaction) })
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
    guard let value = box.value else { preconditionFailure("a finished body left no result") }
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

  /// One task for all deadlines: sleeps until the next one, as long as something with a deadline waits. Holds the coordinator while it
  /// looks, not while it sleeps.
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

  /// Flushes what `.eventual` commits left to the system.
  func flushDeferred() throws {
    let (batches, flushed) = progress.withLock { ($0.batches, $0.flushedBatches) }
    guard batches > flushed else { return }
    let generation = live.generation
    do {
      try generation.environment.synchronize()
      progress.withLock { $0.flushedBatches = batches }
    } catch {
      // Left meanwhile for the next generation, where all was flushed before, or opened again: the next call sees to it.
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
    // Claimed only now: what was cancelled or timed out while another process wrote is not run.
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
      // Those who wait for their writes have deadlines of their own, and `close` has one, too.
      try lock.lockWithoutLimit(.exclusive)
    }
    // Only helps others to name this process; on a full disk the lock must not stay held for want of a note.
    try? lock.writeNote("\(MachineIdentity.processID)")
  }

  private func releaseLock() {
    do {
      try lock.unlock()
    } catch {
      options.logger.error("the writer lock cannot be released", metadata: ["error": "\(error)"])
    }
  }

  /// Maps the errors of a batch: see ``StoreMove/surfacing(_:committed:isOpening:_:find:)``. What they say of the batch's commit stays: where that happened, it is
  /// a committed `.storeMoved` already, or `.inDoubt` or `.poisoned`. A move ends writing.
  private func surfacing(_ results: [Result<Void, any Error>], _ doing: String) -> [Result<Void, any Error>] {
    results.map { result in
      guard case .failure(let error) = result else { return result }
      let surfaced = live.surfacing(error, doing)
      if let moved = surfaced as? StoreError, moved.code == .storeMoved, !moved.isCommitted, poison == nil { makeReadOnly(moved) }
      return .failure(surfaced)
    }
  }

  /// Steps 2 to 7 for one batch.
  ///
  /// - Returns: How each request ended, in order.
  private func perform(_ requests: [WriteRequest]) -> [Result<Void, any Error>] {
    func all(_ error: any Error) -> [Result<Void, any Error>] { requests.map { _ in .failure(error) } }
    if let poison { return all(poison) }
    do {
      let opened = try followed()
      let generation = opened.generation
      try live.requireInPlace(generation)
      let now = options.clock.now
      var transaction = try WriteTransaction(
        WriteBatch(
          try EnvironmentTransaction(generation.environment), generation: generation, historyLimit: options.historyLimit,
          now: now.wall, boot: now.boot))
      let lastState = transaction.batch.state
      if lastState.supersededBy > 0 {
        // Readers did not know: see ``GenerationSweep``.
        _ = consume transaction
        try live.follow(from: opened, to: lastState.supersededBy)
        return perform(requests)
      }
      var results: [Result<Void, any Error>] = []
      for request in requests {
        let undoes = requests.count > 1
        if undoes { transaction.batch.beginJournal() }
        do {
          try Self.$isInBody.withValue(true) {
            if let token = request.token { try transaction.record(token: token) }
            try request.body(&transaction)
          }
          // A body may have swallowed LMDB's error; the transaction is lost all the same.
          if let failure = transaction.batch.failure { throw failure }
          transaction.batch.endJournal()
          results.append(.success(()))
        } catch {
          // Dropping the transaction aborts it.
          if let failure = transaction.batch.failure { return all(StoreError(failure, "the write failed and nothing was changed")) }
          let error = StoreError.surfacing(error, "the write failed and nothing was changed")
          if !undoes { return [.failure(error)] }
          try transaction.batch.undo()
          results.append(.failure(error))
        }
      }
      if transaction.batch.isUnchanged { return results }
      if let jump = lastState.clockJump(at: now) {
        options.logger.warning(
          "the wall clock has jumped since the last commit: find out which of the two times was wrong",
          metadata: ["milliseconds": "\(jump)"])
      }
      try transaction.batch.finish()
      let hasRoom = generation.growDataFile(by: transaction.batch.storedBytes)
      do {
        try transaction.commit()
      } catch {
        let outcome = outcome(of: error, in: opened, hasRoom: hasRoom, lastState: lastState) { found in
          switch found.batchSequence {
          case lastState.batchSequence + 1: true
          case lastState.batchSequence: false
          default: nil
          }
        }
        switch outcome {
        case .happened:
          return acknowledged(results, in: generation)
        case .didNotHappen(let failure), .unknown(let failure): return all(failure)
        }
      }
      // LMDB does not write trailing pages that a transaction gave back; the next opener takes a file that is too short for damaged.
      generation.growDataFile(by: 0)
      return acknowledged(results, in: generation)
    } catch let failure as RowFlushFailure {
      let error = StoreError(
        .poisoned,
        "rows.f32 could not be flushed: nothing was changed, and this process writes no more; find out why the disk fails, then open the store again",
        cause: failure.error)
      makeReadOnly(error)
      return all(error)
    } catch {
      return all(error)
    }
  }

  /// The results of a batch that was committed: a write is acknowledged only if the files are still those that the store's path leads to.
  private func acknowledged(_ results: [Result<Void, any Error>], in generation: Generation) -> [Result<Void, any Error>] {
    guard let moved = live.moveAfterCommit(to: generation) else { return results }
    // Of the writes that come after this batch nothing is committed.
    makeReadOnly(moved.error(committed: false))
    return results.map { result in result.flatMap { .failure(moved.error(committed: true)) } }
  }

  /// The table in Concurrency.md: a full disk and an interruption abort for certain; after a failure of the meta page a further commit tells;
  /// after any other error the state of the disk is unknown, and a second flush would only pretend.
  ///
  /// To be called on the thread of the commit, with `writer.lock` still held.
  /// - Parameters:
  ///   - hasRoom: What growing the data file ahead of the commit said.
  ///   - lastState: That of the commit before.
  ///   - isCommitted: As in ``CommitResolution/run(_:after:lastState:isCommitted:)``.
  nonisolated func outcome(
    of error: LMDBError, in opened: LiveGeneration.PooledGeneration, hasRoom: Bool, lastState: StateRecord,
    isCommitted: (StateRecord) -> Bool?
  ) -> CommitResolution.Outcome {
    if opened.generation.environment.isPanicked {
      return CommitResolution(live: live, options: options, poison: makeReadOnly).run(
        opened, after: error, lastState: lastState, isCommitted: isCommitted)
    }
    if error.isNoSpace || error.isMapFull || error.isInterrupted {
      return .didNotHappen(StoreError(error, "the commit failed and nothing was changed"))
    }
    // A page that the disk has room for only in part is EIO to LMDB, which then aborts before any flush.
    if error.isInputOutput, !hasRoom {
      return .didNotHappen(StoreError(.diskFull, "the commit failed and nothing was changed: the disk is full", cause: error))
    }
    return .unknown(poisoned(by: error))
  }

  /// Ends writing in this process after a flush that failed.
  nonisolated func poisoned(by error: LMDBError) -> StoreError {
    let failure = StoreError(
      .poisoned,
      "a flush failed, and whether the last write is on disk shows when the store is opened again; this process writes no more: find out why the disk fails",
      cause: error)
    makeReadOnly(failure)
    return failure
  }

  /// The live generation as far as readers know. Held by `writer.lock`, no other process can supersede it.
  private func followed() throws -> LiveGeneration.PooledGeneration {
    while true {
      let opened = live.current
      let next = try opened.pool.supersedingNumber()
      guard next > 0 else { return opened }
      try live.follow(from: opened, to: next)
    }
  }

  /// From now on this process writes no more.
  nonisolated func makeReadOnly(_ error: StoreError) {
    options.logger.critical("the store is read-only from now on", metadata: ["error": "\(error)"])
    progress.withLock { $0.poison = $0.poison ?? error }
  }
}

extension Duration {
  var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
