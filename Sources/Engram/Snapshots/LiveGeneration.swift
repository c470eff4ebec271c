import Files
import LMDB
import Logging
import Synchronization

/// The generation that this process reads and writes, and those that it has left but whose snapshots are still held.
///
/// A process learns from the last commit of a generation that another has replaced it: the next snapshot or batch follows. Readers
/// and writers need not know; a held snapshot keeps its state.
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
    /// Built by this process, and not the live one yet: no file may be opened twice in a process, so a reader that follows takes this one.
    var prepared: PooledGeneration?
    var retired: [PooledGeneration] = []
    /// Closed, and perhaps kept alive by a handle of an ended snapshot. Its lock on the files is released with it, or when the store is closed.
    var closed: [WeakGeneration] = []
    /// The opening of another generation that readers wait for.
    var attempt: Following?
    var isClosed = false
  }

  /// The path that the store was opened by, for messages.
  let directory: String
  /// Nil once the store is closed, though this object may live on with a handle.
  private let place: Mutex<StorePaths?>
  let options: StoreOptions
  let state: Mutex<State>
  /// Taken by the one thread that follows or opens again; before `open.lock`, after `writer.lock`.
  let following = Mutex(())

  /// What `writer.lock` was when the store was opened; nil if it was missing.
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
  /// - Throws: ``StoreError`` `.tooManyReaders`, naming the holders; `.closed`; `.reopening` or `.inDoubt` after a commit failed half-way; and
  ///   what `body` throws.
  func read<Value>(waits: Bool = true, _ body: (RecordReader) throws -> Value) throws -> Value {
    try onLive(waits: waits) { try $0.pool.read(body) }
  }

  /// Takes a snapshot of the last commit, to be held, and the generation that it is of.
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
        // Retired, or to be opened again, between the two lines.
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

  /// Goes on with the live generation, unless another thread has done so. Blocks, for ``FileLock/patience`` at most while another process
  /// holds `open.lock`: readers call ``awaitFollowing(from:to:)``.
  ///
  /// - Throws: ``StoreError``; the old generation stays, and the next call tries again.
  func follow(from pooled: PooledGeneration, to number: UInt64) throws {
    try following.withLock { _ in
      guard current === pooled else { return }
      if let prepared = state.withLock({ $0.prepared }), prepared.generation.number >= number { return adopt(prepared) }
      do {
        let opening = try openLock()
        try opening.lock(.exclusive)
        // A moved directory is followed within; a directory of that name among other files is not the successor.
        if case .contents(let sentence)? = try move(of: pooled.generation) { throw StoreMove.contents(sentence).error(committed: false) }
        // Closed under that lock, and perhaps open again as another object.
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

  /// Announces the generation that is about to become the live one; from now on this process opens it no second time.
  func prepare(_ generation: Generation) {
    let pooled = PooledGeneration(generation)
    state.withLock { $0.prepared = pooled }
  }

  /// Takes the announcement back: nothing has named the generation.
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

  /// Whether ``sweep()`` has something to do.
  var needsSweep: Bool {
    if state.withLock({ !$0.retired.isEmpty }) { return true }
    return options.access == .readWrite && (try? GenerationSweep.isDue(paths)) == true
  }

  /// Closes the generations that were left and whose snapshots have come back, and removes the directories that no process has open.
  ///
  /// Blocks on `open.lock`, and removes without it.
  ///
  /// - Throws: ``StoreError`` `.storeMoved`, and nothing was removed; `FileError`.
  /// - Parameter limit: How long that lock is waited for.
  /// - Returns: The superseded generations that stay, because this or another process has them open; the files of all others are gone.
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

  /// The first step of ``sweep(atMost:)``: lets go of the generations that were left, and takes those that nobody has open out of the way. The caller
  /// holds `open.lock`, and calls ``GenerationSweep/removeSetAside(_:)`` without it.
  ///
  /// - Parameter isClosing: The store is about to be closed: what it has left gives its files up even if handles live on.
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
      // An outage has begun; the next sweep does it.
      return []
    }
  }

  /// Lets go of the generations whose transactions have all ended.
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

  /// Whether a generation that was left is still open for a read of this process that ends by itself, and not for a snapshot that somebody holds.
  var isLeftGenerationReadInPassing: Bool { state.withLock { $0.retired }.contains { $0.pool.held().isEmpty } }

  /// The snapshots that this process holds, of the live generation and of those that were left, the oldest first.
  func held() -> [(age: Duration, transactionID: Int)] {
    generations.flatMap { $0.pool.held() }.sorted { $0.age > $1.age }
  }

  func expire(olderThan age: Duration) {
    for pooled in generations { pooled.pool.expire(olderThan: age) }
  }

  /// Gives back the reader slots that nobody has used since the last call.
  func releaseUnusedSlots() { current.pool.releaseUnused() }

  /// Gives back idle reader slots if all processes together need many.
  func releaseSlotsIfCrowded() { current.pool.releaseIfCrowded() }

  private var generations: [PooledGeneration] { state.withLock { $0.retired + [$0.live] } }

  // MARK: Closing

  /// Hands out no more snapshots.
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
