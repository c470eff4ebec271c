import Files
import LMDB
import Logging
import Synchronization

/// The generation that this process reads and writes, and former ones whose snapshots are still held.
///
/// The last commit of a replaced generation names its successor; the next snapshot or batch of each process follows to it. Readers and
/// writers need not know this. A held snapshot keeps its state.
final class LiveGeneration: Sendable {
  /// A generation with its snapshots.
  final class PooledGeneration: Sendable {
    let generation: Generation
    let pool: SnapshotPool
    /// Opens when an outage begins, after a commit failed half-way.
    let loss = Latch()
    /// Opens when the outage ends: the generation was opened again, or given up.
    let replacement = Latch()

    init(_ generation: Generation) {
      self.generation = generation
      pool = SnapshotPool(generation)
    }
  }

  struct WeakGeneration {
    weak var value: Generation?
  }

  struct State {
    var live: PooledGeneration
    /// Present while the live generation cannot be read.
    var outage: Outage?
    /// Built by this process, and not live yet. No file may be opened twice in a process, so a reader that follows takes this object.
    var prepared: PooledGeneration?
    var retired: [PooledGeneration] = []
    /// Closed generations, which a handle of an ended snapshot may keep alive. The lock on a generation's files is released with the
    /// object, or when the store is closed.
    var closed: [WeakGeneration] = []
    /// The opening of another generation that readers wait for.
    var attempt: Following?
    var isClosed = false
  }

  /// The path that the store was opened by, for messages.
  let directory: String
  /// Nil once the store is closed, although a handle may keep this object alive.
  private let place: Mutex<StorePaths?>
  let options: StoreOptions
  let state: Mutex<State>
  /// Held by the one thread that follows or opens again. Order of locks: `writer.lock`, this one, `open.lock`.
  let following = Mutex(())

  /// The device and inode of `writer.lock` when the store was opened; nil if it was missing.
  let writerLock: FileID?

  init(_ generation: Generation, paths: StorePaths, writerLock: FileID?, options: StoreOptions) {
    directory = paths.directory
    place = Mutex(paths)
    self.writerLock = writerLock
    self.options = options
    state = Mutex(State(live: PooledGeneration(generation)))
  }

  /// - Throws: ``StoreError`` `.closed`.
  var paths: StorePaths {
    get throws(StoreError) {
      guard let paths = place.withLock({ $0 }) else { throw StoreError(.closed, "the store is closed") }
      return paths
    }
  }

  var current: PooledGeneration { state.withLock { $0.live } }
  var generation: Generation { current.generation }
  var outage: Outage? { state.withLock { $0.outage } }

  // MARK: Reading

  /// Runs `body` once on the last commit.
  ///
  /// - Parameter waits: Whether to wait for the end of an outage; otherwise it is thrown as ``EnvironmentLost``.
  /// - Throws: ``StoreError`` `.tooManyReaders`, naming the holders; `.closed`; `.reopening` or `.inDoubt` after a commit failed half-way;
  ///   and what `body` throws.
  func read<Value>(waits: Bool = true, _ body: (RecordReader) throws -> Value) throws -> Value {
    try onLive(waits: waits) { try $0.pool.read(body) }
  }

  /// Takes a snapshot of the last commit, to be held, and returns it with its generation.
  func take() throws -> (pooled: PooledGeneration, reader: PooledReader) {
    try onLive { ($0, try $0.pool.take()) }
  }

  private func onLive<Value>(waits: Bool = true, _ body: (PooledGeneration) throws -> Value) throws -> Value {
    do {
      return try goingOn(waits: waits, body)
    } catch let lost as EnvironmentLost {
      throw lost
    } catch {
      throw surfacing(error, "reading failed")
    }
  }

  private func goingOn<Value>(waits: Bool, _ body: (PooledGeneration) throws -> Value) throws -> Value {
    while true {
      let (pooled, outage) = state.withLock { ($0.live, $0.outage) }
      if let outage {
        guard waits else { throw EnvironmentLost() }
        if let failure = outage.failure { throw failure }
        try pass(pooled.replacement, until: outage.deadline)
        continue
      }
      do {
        return try body(pooled)
      } catch let superseded as Superseded {
        try awaitFollowing(from: pooled, to: superseded.by)
      } catch is EnvironmentLost {
        // The failed commit's thread is about to begin an outage, or has done so since.
        try pass(pooled.loss, until: .now + options.reopeningPatience)
      } catch let error as StoreError where error.code == .closed && isNoLongerLive(pooled) {
        // The generation was retired, or an outage began, between the two lines.
      }
    }
  }

  private func isNoLongerLive(_ pooled: PooledGeneration) -> Bool { state.withLock { $0.live !== pooled || $0.outage != nil } }

  private func pass(_ latch: Latch, until deadline: ContinuousClock.Instant) throws(StoreError) {
    guard latch.wait(until: deadline) else {
      throw StoreError(.reopening, "a commit failed, and the store is still being opened again: try again")
    }
  }

  // MARK: Following

  /// Opens the live generation and switches to it, unless another thread has done so. Blocks, for ``FileLock/patience`` at most while
  /// another process holds `open.lock`. Readers call ``awaitFollowing(from:to:)`` instead.
  ///
  /// - Throws: ``StoreError``; the old generation stays, and the next call tries again.
  func follow(from pooled: PooledGeneration, to number: UInt64) throws {
    try following.withLock { _ in
      guard current === pooled else { return }
      if let prepared = state.withLock({ $0.prepared }), prepared.generation.number >= number { return adopt(prepared) }
      do {
        let opening = try openLock()
        try opening.lock(.exclusive)
        // In a store that was only moved, the successor is in the same directory. If other files have the names now, it is not the
        // successor.
        if case .contents(let sentence)? = try move(of: pooled.generation) { throw StoreMove.contents(sentence).error(committed: false) }
        // `open.lock` is also held for closing: this object may be closed by now, and the store be open again as another object.
        if state.withLock({ $0.isClosed }) { throw StoreError(.closed, "the store is closed") }
        let next = try StoreOpening.openLive(paths, atLeast: number, opening, options: options.forOtherGenerations)
        try opening.unlock()
        adopt(PooledGeneration(next))
      } catch {
        throw StoreError.wrapping(error, "the store moved on to generation \(number), which cannot be opened")
      }
      options.logger.debug("followed to another generation", metadata: ["generation": "\(generation.number)"])
    }
  }

  /// Announces the generation that is about to become live. From now on, a thread that follows uses this object instead of opening the
  /// files again.
  func prepare(_ generation: Generation) {
    let pooled = PooledGeneration(generation)
    state.withLock { $0.prepared = pooled }
  }

  /// Takes the announcement back. Possible while no commit has named the generation.
  func withdraw() { state.withLock { $0.prepared = nil } }

  /// Makes the announced generation the live one, after the commit that names it.
  func adoptPrepared() {
    following.withLock { _ in
      guard let prepared = state.withLock({ $0.prepared }) else { return }
      adopt(prepared)
    }
  }

  private func adopt(_ pooled: PooledGeneration) {
    let old = state.withLock { state in
      let old = state.live
      state.live = pooled
      state.prepared = nil
      state.retired.append(old)
      return old
    }
    old.pool.close()
  }

  // MARK: Housekeeping

  /// Whether ``sweep(atMost:)`` has something to do.
  var needsSweep: Bool {
    if state.withLock({ !$0.retired.isEmpty }) { return true }
    return options.access == .readWrite && (try? GenerationSweep.isDue(paths)) == true
  }

  /// Closes former generations whose snapshots have ended, and removes the directories that no process has open.
  ///
  /// Waits for `open.lock`, and releases it before files are removed.
  ///
  /// - Parameter limit: How long to wait for that lock.
  /// - Returns: The superseded generations that stay, because this or another process has them open; the files of all others are removed.
  /// - Throws: ``StoreError`` `.storeMoved`, and nothing was removed; `FileError`.
  @discardableResult
  func sweep(atMost limit: Duration = FileLock.patience) throws -> [UInt64] {
    let opening = try openLock()
    try opening.lock(.exclusive, atMost: limit)
    guard let left = try setAsideUnused() else { return [] }
    try GenerationSweep.removeUnfinishedCurrent(paths)
    try opening.unlock()
    try GenerationSweep.removeSetAside(paths)
    return left
  }

  /// The first step of ``sweep(atMost:)``: closes former generations, and renames the directories of those that no process has open. The
  /// caller holds `open.lock`, and calls ``GenerationSweep/removeSetAside(_:)`` after it has released the lock.
  ///
  /// - Parameter isClosing: Whether the store is about to be closed: former generations then release their files even if handles still
  ///   exist.
  /// - Returns: The superseded generations that stay; nil if this process removes nothing.
  /// - Throws: ``StoreError`` `.storeMoved`, `FileError`; some directories may have been set aside.
  func setAsideUnused(isClosing: Bool = false) throws -> [UInt64]? {
    closeRetired(givingUpFiles: isClosing)
    let live = state.withLock { $0.isClosed || $0.outage != nil ? nil : $0.live }
    guard options.access == .readWrite, let live else { return nil }
    try requireInPlace(live.generation)
    do {
      return try GenerationSweep.setAside(paths, live: live.generation) { try requireInPlace(live.generation) }
        .filter { $0 < live.generation.number }
    } catch let error as LMDBError where error.isPanic || error.isClosed {
      // An outage has begun; the next sweep does the work.
      return []
    }
  }

  /// Closes the former generations whose transactions have all ended.
  private func closeRetired(givingUpFiles: Bool) {
    let (retired, earlier) = state.withLock { ($0.retired, $0.closed) }
    let closed = retired.filter { $0.generation.close(givingUpFiles: givingUpFiles) }
    if givingUpFiles { for generation in earlier { _ = generation.value?.close() } }
    state.withLock { state in
      state.retired.removeAll { pooled in closed.contains { $0 === pooled } }
      state.closed.removeAll { $0.value == nil || givingUpFiles }
      if !givingUpFiles { state.closed += closed.map { WeakGeneration(value: $0.generation) } }
    }
  }

  /// Whether a former generation is open although none of its snapshots is held. Then only a read is in progress, which ends by itself.
  var isLeftGenerationReadInPassing: Bool { state.withLock { $0.retired }.contains { $0.pool.held().isEmpty } }

  /// The snapshots that this process holds, of the live and of former generations, the oldest first.
  func held() -> [(age: Duration, transactionID: Int)] {
    generations.flatMap { $0.pool.held() }.sorted { $0.age > $1.age }
  }

  func expire(olderThan age: Duration) {
    for pooled in generations { pooled.pool.expire(olderThan: age) }
  }

  /// Releases the reader slots that were not used since the last call.
  func releaseUnusedSlots() { current.pool.releaseUnused() }

  /// Releases idle reader slots if all processes together need many.
  func releaseSlotsIfCrowded() { current.pool.releaseIfCrowded() }

  private var generations: [PooledGeneration] { state.withLock { $0.retired + [$0.live] } }

  // MARK: Closing

  /// Refuses new reads and snapshots.
  func closePools() {
    for pooled in generations { pooled.pool.close() }
  }

  /// Calls `body` each time when a generation's last transaction has ended.
  func onIdle(_ body: @escaping @Sendable () -> Void) {
    for pooled in generations { pooled.generation.environment.onIdle(body) }
  }

  /// Transactions that are alive, pooled ones included.
  var liveTransactionCount: Int { generations.reduce(0) { $0 + $1.generation.environment.liveTransactionCount } }

  /// Closes every generation. The caller holds `open.lock`.
  ///
  /// - Returns: Whether all are closed; one whose snapshots are held stays open.
  func close() -> Bool {
    let all = state.withLock { state in
      state.isClosed = true
      return state.retired + [state.live] + (state.prepared.map { [$0] } ?? [])
    }
    guard all.reduce(true, { $1.generation.close() && $0 }) else { return false }
    place.withLock { $0 = nil }
    return true
  }
}
