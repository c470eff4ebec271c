public import Foundation
import LMDB
import Metrics
import Synchronization

/// A store of contexts and memories: one directory on disk, used by any number of tasks and processes at once.
///
/// Reads are synchronous, take microseconds and never wait for a writer. Writes are asynchronous and durable when they return.
/// Call ``close(timeout:)`` when done. Releasing the last reference to an open handle closes it later, in the background.
public final class MemoryStore: Sendable {
  let core: StoreCore
  private let access: StoreOptions.Access
  /// The embedder that the handle was opened with, or has moved the store to.
  let embedder: Mutex<(any Embedder)?>
  private let isClosed = Atomic(false)
  /// Taken by the one task that closes the handle; others wait for the outcome.
  private let isClosing = Atomic(false)
  /// Announces the end of each close, whether it succeeded or failed.
  private let closings = CommitSignal()

  /// Opens the store at `url`, making it first if there is none.
  ///
  /// A store that this process has open already is not opened a second time: the handles share it, with the durability, timeouts and limits
  /// of the first one.
  ///
  /// - Throws: ``StoreError``; see the codes there. Nothing is changed on a failure.
  public static func open(at url: URL, options: StoreOptions = StoreOptions()) async throws -> MemoryStore {
    guard url.isFileURL else { throw StoreError(.invalidArgument, "a store is a local directory, and \(url) is not a file URL") }
    let path = url.path
    let core = try await onBlockingThread { try StoreRegistry.acquire(path, options: options) }
    return MemoryStore(core: core, options: options)
  }

  private init(core: StoreCore, options: StoreOptions) {
    self.core = core
    access = options.access
    embedder = Mutex(options.embedder)
  }

  deinit {
    guard !isClosed.load(ordering: .relaxed) else { return }
    let core = core
    // A deinit cannot wait: the files are closed by a thread of their own, after the snapshots that outlive the handle.
    Task.detached {
      var limit = Duration.seconds(60)
      while StoreRegistry.release(core) {
        do {
          return try await Self.closeFiles(of: core, until: .now + limit)
        } catch {
          // No handle is left to close again, so the close is repeated until it succeeds. Between two attempts, an opening fails with
          // `.stillInUse`.
          limit = .seconds(1)
          try? await Task.sleep(for: .seconds(2))
        }
      }
    }
  }

  /// Waits for the writes under way, then closes the store.
  ///
  /// Closing a closed store does nothing.
  ///
  /// - Parameter timeout: How long to wait for writes, snapshots and background work, 0 to 3,650 days.
  /// - Throws: ``StoreError`` `.stillInUse` if some are still held or under way after the timeout: nothing is forced, and `close` can be
  ///   called again. `.poisoned` if commits of `.eventual` cannot be flushed: they may be lost, and the next call closes without flushing.
  public func close(timeout: Duration = .seconds(10)) async throws {
    try Limits.check(timeout, "the timeout of close")
    let core = core
    let end = ContinuousClock.now + timeout
    while true {
      let seen = closings.count
      if isClosing.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged { break }
      if isClosed.load(ordering: .acquiring) { return }
      let left = end - .now
      guard left > .zero else {
        throw StoreError(.stillInUse, "another task was still closing the store when the timeout of close was over")
      }
      await closings.wait(past: seen, atMost: left)
      try Task.checkCancellation()
    }
    defer {
      isClosing.store(false, ordering: .releasing)
      closings.announce()
    }
    if isClosed.load(ordering: .acquiring) { return }
    if StoreRegistry.release(core) { try await Self.closeFiles(of: core, until: end) }
    isClosed.store(true, ordering: .releasing)
  }

  /// Closes the files once they are unused. A read that was admitted just before its pool closed may begin after the drain: this waits for
  /// it, too.
  private static func closeFiles(of core: StoreCore, until deadline: ContinuousClock.Instant) async throws {
    do {
      while true {
        try await core.drain(until: deadline)
        do {
          return try await onBlockingThread { try StoreRegistry.finishClosing(core, until: deadline) }
        } catch let error as StoreError where error.code == .stillInUse && ContinuousClock.now < deadline {}
      }
    } catch {
      StoreRegistry.giveUpClosing(core)
      throw core.live.surfacing(error, "the store \(core.live.directory) cannot be closed")
    }
  }

  // MARK: Snapshots

  /// Takes a snapshot to hold: everything read through it is of this instant.
  ///
  /// - Throws: ``StoreError`` `.tooManyReaders`, `.closed`; `.storeBusy` if the store moved to another generation that cannot be opened in
  ///   time; `.reopening` or `.inDoubt` after a commit failed half-way.
  public func snapshot() throws -> MemorySnapshot {
    try requireOpen()
    StoreMetrics.snapshots.increment()
    return try MemorySnapshot(core.live)
  }

  /// Runs `body` on a snapshot of this instant.
  ///
  /// - Throws: As ``snapshot()``, and what `body` throws.
  public func read<Value>(_ body: (borrowing MemorySnapshot) throws -> Value) throws -> Value {
    try body(try snapshot())
  }

  /// Runs `body` once on the last commit. Costs less than a snapshot to hold.
  func readOnce<Value>(_ body: (RecordReader) throws -> Value) throws -> Value {
    try requireOpen()
    return try core.live.read(body)
  }

  func requireOpen() throws(StoreError) {
    if isClosed.load(ordering: .relaxed) { throw StoreError(.closed, "the store is closed") }
  }

  // MARK: Writing

  /// Runs `body` in a transaction: all or nothing, durable on return.
  ///
  /// - Parameters:
  ///   - users: The users whose memories and contexts the body reads or writes; nil: any. A call that uses another user, or the scope
  ///     `.all`, throws `.undeclaredUser`, and so does the write, even if the body catches the error.
  ///   - token: Kept with the commit, so that ``wasCommitted(_:)`` can answer a caller that lost the outcome; at most 1024 bytes. A token
  ///     that was committed before throws `.conflict`.
  ///   - body: Synchronous; runs once, on the writer thread.
  /// - Returns: What the body returns.
  /// - Throws: What the body throws, with its changes undone; `CancellationError` if the task was cancelled before the body began;
  ///   ``StoreError`` `.undeclaredUser`, `.invalidUserID` for one of `users`, `.writerBusy`, `.nestedWrite`, `.readOnly`, `.closed`,
  ///   `.diskFull`, `.inputOutput`, `.poisoned`, `.inDoubt`.
  public func write<Value: Sendable>(
    users: [String]? = nil, token: String? = nil, _ body: @escaping @Sendable (inout WriteTransaction) throws -> Value
  ) async throws -> Value {
    try Limits.checkName(token, "the token")
    guard let users else { return try await writer().write(token: token, body) }
    return try await writer().write(token: token) { try $0.restricted(to: users, body) }
  }

  func writer() throws(StoreError) -> WriteCoordinator {
    try requireOpen()
    if access != .readWrite { throw StoreError(.readOnly, "the store was opened read-only") }
    return try core.writer()
  }

  /// Whether a write with this token was committed. The store remembers the last 16,384 tokens.
  ///
  /// If the process that wrote is still committing, or was killed in the middle of its commit, false may become true with the next write of
  /// any process. Writing again with the same token is safe: it throws `.conflict` if the first write was committed.
  public func wasCommitted(_ token: String) throws -> Bool {
    try readOnce { reader in try reader.contains(.token(reader.userKey(token)), in: Tables.Tokens.self) }
  }

  // MARK: Embedding

  /// - Throws: ``StoreError`` `.embedderRequired` if the handle has none; `.embedderMismatch` if the store is pinned to another one by now.
  func requireEmbedder() throws -> any Embedder {
    guard let embedder = embedder.withLock({ $0 }) else {
      throw StoreError(
        .embedderRequired,
        "a text can only be searched or embedded with an embedder: open the store with the one that it is pinned to (\(core.generation.embedder.map { "\($0)" } ?? "none yet"))"
      )
    }
    try readOnce { try $0.require(embedder.identity) }
    return embedder
  }

  var hasEmbedder: Bool { embedder.withLock { $0 != nil } && core.generation.store.dimension != nil }

  // MARK: Changes

  /// The changes committed from now on, by this and other processes, or those after a commit that was seen before.
  ///
  /// - Parameters:
  ///   - userID: Only changes of this user; nil: of all users.
  ///   - batchSequence: The sequence begins with the commit after this one, see ``StoreChange/batchSequence``; 0: with the first. If the log
  ///     no longer has that commit, the first element is ``StoreChange/Kind/lagged``. Nil: from now on.
  /// - Throws: ``StoreError`` `.invalidArgument` if the store has fewer commits, because the number is another store's, or the store was
  ///   restored from a backup; `.invalidUserID`, `.corrupted`, `.tooManyReaders`, `.closed`.
  public func changes(for userID: String? = nil, after batchSequence: UInt64? = nil) throws -> ChangeSequence {
    if let userID { try Limits.checkUserID(userID) }
    let last = try readOnce { try $0.state().batchSequence }
    if let batchSequence, batchSequence > last {
      throw StoreError(
        .invalidArgument, "no changes can follow commit \(batchSequence): the last commit of the store is \(last)")
    }
    return ChangeSequence(core: core, userID: userID, start: batchSequence ?? last)
  }
}

/// A metric of reads, for swift-metrics. ``SearchMetrics`` has those of searches, and the write coordinator those of commits.
enum StoreMetrics {
  static let snapshots = Counter(label: "engram.snapshots")
}
