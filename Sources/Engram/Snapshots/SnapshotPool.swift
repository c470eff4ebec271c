import Foundation
import LMDB
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// One reader slot with its transaction: held by a snapshot, or idle in the pool.
final class PooledReader: Sendable {
  private struct State: ~Copyable {
    var transaction: EnvironmentSnapshot
    /// Milliseconds since 1970 when the snapshot was taken: what expires is judged by it.
    var now: Int64 = 0
    /// Nil while idle.
    var takenAt: ContinuousClock.Instant?
    /// Why a held snapshot was taken away; nil while it was not.
    var release: Release?
    /// LMDB's number of the last snapshot that was seen to be of the live generation.
    var liveID = -1
  }

  private enum Release {
    case overdue
    case reopened
    case ended

    var error: StoreError {
      switch self {
      case .overdue:
        StoreError(.snapshotExpired, "the snapshot was held longer than snapshotMaxAge and was released: take a new one")
      case .ended: StoreError(.snapshotExpired, "the snapshot was ended by its holder: take a new one")
      case .reopened:
        StoreError(
          .snapshotExpired, "the snapshot was released because the store had to be opened again after a commit failed: take a new one")
      }
    }
  }

  private let generation: Generation
  private let state: Mutex<State>

  init(_ generation: Generation) throws(LMDBError) {
    self.generation = generation
    // The pool waits for a slot: one of its own may come back meanwhile.
    state = Mutex(State(transaction: try EnvironmentSnapshot(generation.environment, waits: false), now: WallClock.now()))
  }

  /// Makes the idle reader a snapshot of the last commit, to be held.
  ///
  /// - Throws: ``Superseded``, ``EnvironmentLost``, `LMDBError`.
  func renew() throws {
    try state.withLock { state in
      try renew(&state)
      state.takenAt = .now
    }
  }

  private func renew(_ state: inout State) throws {
    if !state.transaction.isActive {
      do throws(LMDBError) {
        try state.transaction.renew()
      } catch {
        if error.isPanic { throw EnvironmentLost() }
        throw error
      }
    }
    state.now = WallClock.now()
    state.release = nil
    let id = state.transaction.id
    if id == state.liveID { return }
    // Once for each commit. A state record that does not decode leads nowhere else.
    let next = (try? RecordReader(state.transaction.view, generation, now: state.now).state().supersededBy) ?? 0
    if next > 0 {
      state.transaction.reset()
      throw Superseded(by: next)
    }
    state.liveID = id
  }

  /// One read of the last commit: renewed, read and reset in one go.
  func readOnce<Value>(_ body: (RecordReader) throws -> Value) throws -> Value {
    try state.withLock { state in
      defer { state.transaction.reset() }
      do {
        try renew(&state)
        let value = try body(RecordReader(state.transaction.view, generation, now: state.now))
        try generation.requireUnchanged(since: state.transaction.id)
        return value
      } catch let lost as EnvironmentLost {
        throw lost
      } catch {
        throw StoreError.wrapping(error, "reading failed")
      }
    }
  }

  /// Lets go of the pages.
  ///
  /// - Returns: Whether the reader can be used again.
  func reset() -> Bool {
    state.withLock { state in
      state.transaction.reset()
      state.takenAt = nil
      return !state.transaction.isEnded
    }
  }

  /// Ends the snapshot, slot and all, for its holder.
  func finish() {
    state.withLock { state in
      state.transaction.end()
      state.takenAt = nil
      state.release = state.release ?? .ended
    }
  }

  /// Reads at the snapshot's instant. The lock is only ever contended by the release of an overdue snapshot.
  ///
  /// - Throws: ``StoreError`` `.snapshotExpired`, and what `body` throws.
  func read<Value>(_ body: (RecordReader) throws -> Value) throws -> Value {
    try state.withLock { state in
      if let release = state.release { throw release.error }
      do {
        let value = try body(RecordReader(state.transaction.view, generation, now: state.now))
        try generation.requireUnchanged(since: state.transaction.id)
        return value
      } catch {
        throw StoreError.wrapping(error, "reading failed")
      }
    }
  }

  /// Releases the snapshot if it is held since before `instant` and nobody reads through it right now.
  func expire(takenBefore instant: ContinuousClock.Instant) {
    _ = state.withLockIfAvailable { state in
      guard let takenAt = state.takenAt, takenAt < instant, state.release == nil else { return }
      state.transaction.reset()
      state.release = .overdue
    }
  }

  /// Ends the snapshot, slot and all, unless somebody reads through it right now: the environment is to be closed.
  func end() {
    _ = state.withLockIfAvailable { state in
      state.transaction.end()
      state.release = state.release ?? .reopened
    }
  }

  /// When the snapshot was taken, and LMDB's number of it; nil while idle, expired or just being read.
  var holding: (takenAt: ContinuousClock.Instant, transactionID: Int)? {
    state.withLockIfAvailable { state in
      guard let takenAt = state.takenAt, state.release == nil else { return nil }
      return (takenAt, state.transaction.id)
    } ?? nil
  }
}

/// The snapshots of one generation: idle ones are reset and keep their reader slot, so that taking one costs a fraction of a
/// microsecond and waits for no writer.
final class SnapshotPool: Sendable {
  private struct State {
    /// Used from the end, so readers that nobody needs stay at the beginning.
    var idle: [PooledReader] = []
    /// The fewest readers that were idle at once since the last ``SnapshotPool/releaseUnused()``: that many were not needed.
    var fewestIdle = 0
    /// The held ones that the status lists.
    var listed: [ObjectIdentifier: PooledReader] = [:]
    var isClosed = false

    /// Idle slots kept; more go back to the table.
    private static let idleLimit = 128
    /// The same once the table was crowded.
    static let crowdedIdleLimit = 4

    mutating func keep(_ reader: PooledReader, of generation: Generation) {
      if isClosed || idle.count >= Self.idleLimit { return }
      if idle.count >= Self.crowdedIdleLimit, generation.environment.hasCrowdedReaderTable { return }
      idle.append(reader)
    }

    mutating func takeIdle() -> PooledReader? {
      let reader = idle.popLast()
      fewestIdle = min(fewestIdle, idle.count)
      return reader
    }
  }

  private let generation: Generation
  private let state = Mutex(State())

  init(_ generation: Generation) { self.generation = generation }

  /// Takes a snapshot of the last commit, to be held: the status lists it, and `snapshotMaxAge` applies.
  ///
  /// - Throws: ``StoreError`` `.tooManyReaders`, naming the holders; `.closed`; ``Superseded``; ``EnvironmentLost``.
  func take() throws -> PooledReader {
    let reader = try idleReader()
    do {
      try reader.renew()
    } catch let error as LMDBError {
      throw explained(error)
    }
    state.withLock { $0.listed[ObjectIdentifier(reader)] = reader }
    return reader
  }

  /// Takes a snapshot back.
  func give(_ reader: PooledReader) {
    let isUsable = reader.reset()
    state.withLock { state in
      state.listed[ObjectIdentifier(reader)] = nil
      if isUsable { state.keep(reader, of: generation) }
    }
  }

  /// Runs `body` once on the last commit.
  ///
  /// - Throws: What ``take()`` and `body` throw.
  func read<Value>(_ body: (RecordReader) throws -> Value) throws -> Value {
    let reader = try idleReader()
    defer { state.withLock { $0.keep(reader, of: generation) } }
    return try reader.readOnce(body)
  }

  /// The generation that replaces this one, by the last commit; zero while there is none.
  func supersedingNumber() throws -> UInt64 {
    do {
      return try read { _ in 0 }
    } catch let superseded as Superseded {
      return superseded.by
    }
  }

  /// While no slot is free, those that other processes keep idle are waited for, ``LMDB/EnvironmentSnapshot/patience`` at most.
  private func idleReader() throws -> PooledReader {
    var deadline: ContinuousClock.Instant?
    while true {
      let (isClosed, idle) = state.withLock { ($0.isClosed, $0.takeIdle()) }
      guard !isClosed else { throw StoreError(.closed, "the store is closed") }
      if let idle { return idle }
      do throws(LMDBError) {
        return try PooledReader(generation)
      } catch {
        if error.isPanic { throw EnvironmentLost() }
        let end = deadline ?? .now + EnvironmentSnapshot.patience
        guard error.idleSlots > 0, ContinuousClock.now < end else { throw explained(error) }
        deadline = end
        usleep(EnvironmentSnapshot.pauseMicroseconds)
      }
    }
  }

  /// Held snapshots, the oldest first.
  func held() -> [(age: Duration, transactionID: Int)] {
    let readers = state.withLock { Array($0.listed.values) }
    return readers.compactMap(\.holding).sorted { $0.takenAt < $1.takenAt }.map { (.now - $0.takenAt, $0.transactionID) }
  }

  func expire(olderThan age: Duration) {
    let readers = state.withLock { Array($0.listed.values) }
    for reader in readers { reader.expire(takenBefore: .now - age) }
  }

  /// Gives slots back that nobody needs while the table is crowded: an idle slot must not be why another process has none.
  func releaseIfCrowded() {
    // Freed outside the lock: ending a transaction is a call into LMDB.
    let unused = state.withLock { state in
      guard !state.isClosed, state.idle.count > State.crowdedIdleLimit, generation.environment.hasCrowdedReaderTable else {
        return [PooledReader]()
      }
      let unused = Array(state.idle.prefix(state.idle.count - State.crowdedIdleLimit))
      state.idle.removeFirst(unused.count)
      state.fewestIdle = min(state.fewestIdle, state.idle.count)
      return unused
    }
    _ = unused
  }

  /// Gives the slots back that were idle since the last call, but for one: the table has 1,024 for all processes, and a burst of reads must
  /// not keep its slots forever.
  func releaseUnused() {
    // Freed outside the lock: ending a transaction is a call into LMDB.
    let unused = state.withLock { state in
      let unused = Array(state.idle.prefix(max(0, min(state.fewestIdle, state.idle.count - 1))))
      state.idle.removeFirst(unused.count)
      state.fewestIdle = state.idle.count
      return unused
    }
    _ = unused
  }

  /// Hands out no more; the idle slots are freed at once, the held ones when they come back.
  func close() {
    // Freed outside the lock: ending a transaction is a call into LMDB.
    let idle = state.withLock { state in
      state.isClosed = true
      let idle = state.idle
      state.idle = []
      return idle
    }
    _ = idle
  }

  /// Takes the held snapshots away from their holders, but for those that somebody reads through right now.
  func endHeld() {
    let readers = state.withLock { Array($0.listed.values) }
    for reader in readers { reader.end() }
  }

  private func explained(_ error: LMDBError) -> StoreError {
    if error.isClosed { return StoreError(.closed, "the store is closed", cause: error) }
    return StoreError(error, "a snapshot cannot be taken")
  }
}
