import Files
import Foundation
import LMDB
import Logging
import Metrics
import Synchronization

/// One store as this process has it open, shared by all its handles.
final class StoreCore: Sendable {
  let id: FileID
  let live: LiveGeneration
  /// Nil in a store that was opened read-only, and once it is closed: the writer's thread and descriptor are released then.
  private let writing: Mutex<WriteCoordinator?>
  let options: StoreOptions
  let commits = CommitSignal()
  /// Announces the end of work, of writing and of transactions, for a close that waits for it.
  private let ended = CommitSignal()
  /// The shared lock on `alive.lock`, which every process holds while it has the store open. It does not keep former generations.
  private let alive: Mutex<FileLock?>
  private let maintenance = Mutex<Task<Void, Never>?>(nil)
  /// Rebuilds and the like that are under way, and whether the store is being closed.
  private let work = Mutex(Work())
  /// Whether codes are being built or flushed.
  let isWorkingOnCodes = Atomic(false)
  /// Delays the next attempt after work on codes failed.
  let codesRetry = Mutex(RebuildRetry())

  private struct Work {
    var count = 0
    var isClosing = false
    /// Delays the next attempt after an automatic rebuild failed.
    var retry = RebuildRetry()
    /// When the last automatic rebuild ended.
    var lastRebuild: ContinuousClock.Instant?
  }

  init(id: FileID, _ files: consuming StoreOpening.Files, options: StoreOptions) throws {
    self.id = id
    let live = LiveGeneration(files.generation, paths: files.paths, writerLock: files.writerLock, options: options)
    self.live = live
    self.options = options
    let (commits, ended, owner) = (commits, ended, Owner())
    writing = Mutex(
      options.access == .readWrite
        ? try WriteCoordinator(
          live, options: options,
          onCommit: {
            commits.announce()
            owner.core?.flushCodesIfMany()
          }, onIdle: { ended.announce() }) : nil)
    alive = Mutex(files.alive)
    owner.core = self
    let task = Task { [weak self] in
      while let self, !Task.isCancelled {
        await self.maintain()
        try? await Task.sleep(for: self.maintenanceInterval)
      }
    }
    maintenance.withLock { $0 = task }
  }

  /// The core that a coordinator belongs to.
  private final class Owner: Sendable {
    private struct Reference { weak var core: StoreCore? }
    private let reference = Mutex(Reference())

    var core: StoreCore? {
      get { reference.withLock { $0.core } }
      set { reference.withLock { $0.core = newValue } }
    }
  }

  var coordinator: WriteCoordinator? { writing.withLock { $0 } }
  var paths: StorePaths { get throws(StoreError) { try live.paths } }
  var generation: Generation { live.generation }

  /// Compares the options of a second opening in this process with the store that is open.
  func check(_ asked: StoreOptions) throws {
    try live.requireInPlace()
    if asked.access == .readWrite, coordinator == nil {
      throw StoreError(.readOnly, "this process has the store open read-only: close it before opening it for writing")
    }
    if let dimension = asked.dimension, dimension != generation.store.dimension {
      throw StoreError(
        .storeMismatch, "the store has dimension \(generation.store.dimension.map(String.init) ?? "none"), \(dimension) was asked for")
    }
    if let metric = asked.metric, metric != generation.store.metric {
      throw StoreError(.storeMismatch, "the store compares by \(generation.store.metric.rawValue), \(metric.rawValue) was asked for")
    }
    if let language = asked.language, language != generation.store.language {
      throw StoreError(.storeMismatch, "the store's words are \(generation.store.language.rawValue), \(language.rawValue) was asked for")
    }
    if let asked = asked.embedder?.identity, asked != generation.embedder {
      if let pinned = generation.embedder { throw StoreError.embedderMismatch(asked, pinned: pinned) }
      throw StoreError(
        .embedderMismatch,
        "this process has the store open without an embedder, and it is pinned to none: close it before opening it with '\(asked)'")
    }
  }

  func writer() throws(StoreError) -> WriteCoordinator {
    if let coordinator { return coordinator }
    if options.access == .readOnly { throw StoreError(.readOnly, "the store was opened read-only") }
    throw StoreError(.closed, "the store is closed")
  }

  // MARK: Maintenance

  private var maintenanceInterval: Duration {
    var interval = Duration.seconds(1)
    if let age = options.snapshotMaxAge { interval = min(interval, age / 4) }
    if case .eventual(let delay) = options.durability { interval = min(interval, delay / 2) }
    return max(interval, .milliseconds(10))
  }

  private let lastReaderCheck = Mutex(ContinuousClock.now)
  private let lastSlotRelease = Mutex(ContinuousClock.now)
  let lastCodesFlush = Mutex(ContinuousClock.now)

  /// Whether `interval` is over since this last returned true; then `last` becomes now.
  func isTime(_ last: borrowing Mutex<ContinuousClock.Instant>, every interval: Duration) -> Bool {
    last.withLock { last in
      guard ContinuousClock.now - last >= interval else { return false }
      last = .now
      return true
    }
  }

  /// The periodic work: releases overdue snapshots and idle reader slots, notices a move of the store, flushes deferred commits, writes and
  /// flushes codes, removes expired memories, clears the slots of dead readers.
  private func maintain() async {
    if let age = options.snapshotMaxAge { live.expire(olderThan: age) }
    live.releaseSlotsIfCrowded()
    if isTime(lastSlotRelease, every: .seconds(2)) { live.releaseUnusedSlots() }
    do {
      if let coordinator, coordinator.poison == nil {
        if let move = try live.move() { coordinator.makeReadOnly(move.error(committed: false)) }
      }
      if let coordinator, coordinator.poison == nil {
        if case .eventual = options.durability { try await coordinator.flushDeferred() }
        try await sweep(coordinator)
      }
      if isTime(lastReaderCheck, every: .seconds(60)) { try live.read { _ = try $0.generation.environment.clearStaleReaders() } }
      try await tidy()
    } catch is CancellationError {
      return
    } catch let error as StoreError where error.code == .closed {
      return
    } catch {
      options.logger.warning("the store's maintenance failed", metadata: ["error": "\(error)"])
    }
  }

  /// Removes memories that expired an hour ago or earlier, see ``StateRecord/expiryStep(first:at:)``. Reads leave them out from the moment
  /// at which they expire.
  private func sweep(_ coordinator: WriteCoordinator) async throws {
    var hasMore = true
    while hasMore {
      let now = options.clock.now
      let step = try live.read { reader in try reader.state().expiryStep(first: try reader.firstExpiry(), at: now) }
      if step == .nothing { return }
      hasMore = try await coordinator.write { try $0.sweepExpired(limit: 1024) }
    }
  }

  /// Closes former generations; begins a rebuild if it is worth its cost.
  private func tidy() async throws {
    if live.needsSweep {
      // This task also expires snapshots, so a stalled holder of `open.lock` must not stop it for long. The next round tries again.
      do {
        _ = try await onBlockingThread { try self.live.sweep(atMost: .seconds(1)) }
      } catch let error as StoreError where error.code == .storeMoved && !error.isCommitted {
        // Reported already, when writing ended.
      } catch let error as FileError where error.isTimeout {
        options.logger.debug("earlier generations cannot be removed yet", metadata: ["error": "\(error)", "holders": "\(error.holders)"])
      }
    }
    // With this read an idle process follows to the live generation, and releases the one that it had open.
    let state = try live.read { try $0.state() }
    maintainCodes(state)
    guard let coordinator, coordinator.poison == nil, needsRebuild(state) || lacksIndex(state) else { return }
    let isTime = work.withLock { [needsRebuild = needsRebuild(state)] work in
      // Each commit of an earlier version of Engram makes an index incomplete again, so it is rebuilt once an hour at most.
      let isIndexTime = work.lastRebuild.map { .now - $0 > .seconds(3600) } ?? true
      return work.count == 0 && work.retry.isTime(at: .now) && (needsRebuild || isIndexTime)
    }
    guard isTime else { return }
    // Not awaited, because the maintenance of snapshots and expiry must go on meanwhile.
    Task { [weak self] in
      do {
        try await self?.background("the store cannot be compacted") { core, check in
          // A pending erasure was asked for by a caller, so that rebuild is not automatic.
          try core.rebuild(
            ifWanted: { core.needsRebuild($0) || core.lacksIndex($0) }, isAutomatic: state.pendingErasure == 0, check: check)
          // Before this work is counted as ended: the next round must know of it.
          core.work.withLock { work in
            work.retry.succeeded()
            work.lastRebuild = .now
          }
        }
      } catch is CancellationError {
      } catch let error as StoreError where error.code == .closed {
      } catch {
        self?.work.withLock { $0.retry.failed(at: .now) }
        self?.options.logger.warning("the store could not be compacted", metadata: ["error": "\(error)"])
      }
    }
  }

  // MARK: Closing

  /// Counts work that closing must wait for.
  ///
  /// - Throws: ``StoreError`` `.closed`; what `body` throws.
  func countingWork<Value>(_ body: () throws -> Value) throws -> Value {
    try work.withLock { work throws(StoreError) in
      if work.isClosing { throw StoreError(.closed, "the store is closed") }
      work.count += 1
    }
    defer {
      work.withLock { $0.count -= 1 }
      ended.announce()
    }
    return try body()
  }

  /// Whether more is under way than the caller's own work.
  var isDoingOtherWork: Bool { work.withLock { $0.count > 1 } }

  func checkOpen() throws(StoreError) {
    if work.withLock({ $0.isClosing }) { throw StoreError(.closed, "the store is closed") }
  }

  /// Refuses new work, writes and snapshots, and waits for those under way.
  ///
  /// - Throws: ``StoreError`` `.stillInUse` after the deadline; the store then writes no more but can be closed again later.
  func drain(until deadline: ContinuousClock.Instant) async throws {
    work.withLock { $0.isClosing = true }
    try await wait(until: deadline) {
      work.withLock { $0.count } == 0
    } otherwise: {
      "a rebuild was still under way when the timeout of close was over: close again later"
    }
    // Only a matter of speed: the next process can do without.
    try? await settleCodes()
    coordinator?.queue.close()
    maintenance.withLock { $0?.cancel() }
    commits.finish()
    try await wait(until: deadline) {
      coordinator?.queue.isIdle != false
    } otherwise: {
      let holders = ((try? paths.writerLock).map { LockHolders.processes(locking: $0) } ?? []).filter { $0 != MachineIdentity.processID }
      let holder = holders.first.map { ", waiting for process \($0), which holds writer.lock" } ?? ""
      return "writes were still under way when the timeout of close was over\(holder): close again later"
    }
    // The task may be in the middle of a call into LMDB, which counts as a transaction.
    if let task = maintenance.withLock({ $0 }) { await task.value }
    live.closePools()
    let ended = ended
    live.onIdle { ended.announce() }
    try await wait(until: deadline) {
      live.liveTransactionCount == 0
    } otherwise: {
      stillHeld("when the timeout of close was over")
    }
  }

  private func stillHeld(_ when: String) -> String {
    let oldest = live.held().first.map {
      ", the oldest for \($0.age.formatted(.units(allowed: [.hours, .minutes, .seconds, .milliseconds])))"
    }
    return
      "\(live.liveTransactionCount) snapshots of this process (\(MachineIdentity.processID)) were still held \(when)\(oldest ?? ""): "
      + "end them and close again"
  }

  /// Waits for a condition whose every change is announced by ``ended``.
  ///
  /// - Throws: ``StoreError`` `.stillInUse` after the deadline; `CancellationError`.
  private func wait(
    until deadline: ContinuousClock.Instant, for isDone: () -> Bool, otherwise message: () -> String
  ) async throws {
    while true {
      let seen = ended.count
      if isDone() { return }
      let left = deadline - .now
      guard left > .zero else { throw StoreError(.stillInUse, message()) }
      await ended.wait(past: seen, atMost: left)
      try Task.checkCancellation()
    }
  }

  /// Closes the files after ``drain(until:)``. Blocks; waits for `open.lock` until the deadline.
  func closeFiles(until deadline: ContinuousClock.Instant) throws {
    maintenance.withLock { $0?.cancel() }
    coordinator?.queue.close()
    live.closePools()
    // The lock file is missing if the store's directory was removed. Closing must not fail for that, and no other process can open the store.
    let opening = options.access == .immutable ? nil : try FileLock(ifExists: paths.openLock)
    try opening?.lock(.exclusive, atMost: max(.zero, deadline - .now))
    // A failed flush is not tried again: should this one fail, the next call closes without it.
    if case .eventual = options.durability, let coordinator, coordinator.poison == nil {
      do throws(LMDBError) {
        try generation.environment.synchronize()
      } catch {
        throw coordinator.poisoned(by: error)
      }
    }
    let paths = try? live.paths
    if opening != nil { setAsideUnused() }
    guard live.close() else { throw StoreError(.stillInUse, stillHeld("when the files were to be closed")) }
    // Unlocked, and not merely closed: see the deinit of the lock.
    try alive.withLock { alive in
      try alive?.unlock()
      alive = nil
    }
    writing.withLock { $0 = nil }
    try opening?.unlock()
    if opening != nil, options.access == .readWrite, let paths { try? GenerationSweep.removeSetAside(paths) }
  }

  /// Sets aside former generations that a rebuild's last sweep left because a read was under way. They may contain erased data, and the
  /// store may not be opened again for a long time. A failure does not stop the close; the next opening tries again.
  private func setAsideUnused() {
    do {
      _ = try live.setAsideUnused(isClosing: true)
    } catch {
      options.logger.debug("earlier generations cannot be removed yet", metadata: ["error": "\(error)"])
    }
  }
}
