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
    /// When the snapshot was taken, in milliseconds since 1970: it decides which memories have expired.
    var now: Int64 = 0
    /// Nil while idle.
    var takenAt: ContinuousClock.Instant?
    /// Why a held snapshot was released; nil while it is usable.
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
    // Does not wait for a slot here: the pool does, because one of its own readers may come back meanwhile.
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
    // Checked once for each commit. A state record that does not decode names no successor.
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

  /// Ends the read, so that its pages can be reused, and keeps the slot.
  ///
  /// - Returns: Whether the reader can be used again.
  func reset() -> Bool {
    state.withLock { state in
      state.transaction.reset()
      state.takenAt = nil
      return !state.transaction.isEnded
    }
  }

  /// Ends the snapshot and releases its slot, because its holder asked for it.
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

  /// Releases the snapshot if it was taken before `instant` and no read through it is in progress.
  func expire(takenBefore instant: ContinuousClock.Instant) {
    _ = state.withLockIfAvailable { state in
      guard let takenAt = state.takenAt, takenAt < instant, state.release == nil else { return }
      state.transaction.reset()
      state.release = .overdue
    }
  }

  /// Ends the snapshot and releases its slot, because the environment is about to be closed. Does nothing while a read through it is in
  /// progress.
  func end() {
    _ = state.withLockIfAvailable { state in
      state.transaction.end()
      state.release = state.release ?? .reopened
    }
  }

  /// When the snapshot was taken, and LMDB's number of it; nil while it is idle, released or being read.
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
    /// Used from the end, so readers that are not needed stay at the beginning.
    var idle: [PooledReader] = []
    /// The fewest readers that were idle at once since the last ``SnapshotPool/releaseUnused()``: that many were not needed.
    var fewestIdle = 0
    /// The held snapshots that the status lists.
    var listed: [ObjectIdentifier: PooledReader] = [:]
    var isClosed = false

    /// The most idle slots that are kept; others are released.
    private static let idleLimit = 128
    /// The same while the reader table is crowded.
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

  /// Returns a held snapshot to the pool.
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

  /// Takes an idle reader or makes one. While no slot is free, waits for slots that other processes keep idle, at most
  /// ``LMDB/EnvironmentSnapshot/patience``.
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

  /// Releases idle slots while the reader table is crowded, so that other processes can use them.
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

  /// Releases the slots that were idle since the last call, except one: the table has 1,024 for all processes, and a burst of reads must
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

  /// Refuses new reads and snapshots. Idle slots are freed at once, held ones when they are returned.
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

  /// Ends the held snapshots, except those through which a read is in progress.
  func endHeld() {
    let readers = state.withLock { Array($0.listed.values) }
    for reader in readers { reader.end() }
  }

  private func explained(_ error: LMDBError) -> StoreError {
    if error.isClosed { return StoreError(.closed, "the store is closed", cause: error) }
    return StoreError(error, "a snapshot cannot be taken")
  }
}
