import CLMDB

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A snapshot of every database. May move between threads (MDB_NOTLS), never used by two at once.
///
/// While active, it pins the pages of its commit. After ``reset()`` it keeps only its reader slot, and can be renewed.
@safe
package struct EnvironmentSnapshot: ~Copyable, Sendable {
  private let environment: Environment
  // SAFETY: owned by this value alone until `deinit`.
  private nonisolated(unsafe) let transaction: OpaquePointer
  package private(set) var isActive: Bool
  package private(set) var isEnded = false

  /// How long to wait for a free slot while others are idle. Processes release idle slots within three seconds.
  package static var patience: Duration { .seconds(5) }
  /// The pause between two attempts: each attempt reads the whole table.
  package static var pauseMicroseconds: UInt32 { 10_000 }

  /// Begins a snapshot of the last commit.
  ///
  /// - Parameter waits: Whether to block, for at most ``patience``, while no slot is free but other processes hold idle ones.
  /// - Throws: ``LMDBError`` with `isReadersFull` if no slot is free after those of dead processes were cleared.
  package init(_ environment: Environment, waits: Bool = true) throws(LMDBError) {
    let begun = unsafe try Self.beginCurrent(environment, waits: waits)
    unsafe transaction = begun
    self.environment = environment
    isActive = true
  }

  deinit {
    if !isEnded { unsafe Self.end(transaction, of: environment) }
    if isActive { environment.exclusion?.leave() }
  }

  private static func end(_ transaction: OpaquePointer, of environment: Environment) {
    // In a forked process the slot is the parent's: freeing it would unpin the parent's snapshot.
    if environment.isInOwnProcess { unsafe mdb_txn_abort(transaction) }
    environment.leave()
  }

  private static func beginCurrent(_ environment: Environment, waits: Bool) throws(LMDBError) -> OpaquePointer {
    try environment.enter("read transaction")
    do throws(LMDBError) {
      try environment.exclusion?.enter()
    } catch {
      environment.leave()
      throw error
    }
    do throws(LMDBError) {
      return unsafe try beginCurrent(environment.handle, waits: waits)
    } catch {
      environment.exclusion?.leave()
      environment.leave()
      throw error
    }
  }

  /// Begins a snapshot of the last commit in an open environment.
  static func beginCurrent(_ environment: OpaquePointer, waits: Bool = true) throws(LMDBError) -> OpaquePointer {
    let transaction = unsafe try begin(environment, waits: waits)
    do throws(LMDBError) {
      unsafe try refreshIfStale(transaction, in: environment)
    } catch {
      unsafe mdb_txn_abort(transaction)
      throw error
    }
    return unsafe transaction
  }

  /// Begins a snapshot. If no slot is free, clears those of dead processes first.
  ///
  /// - Throws: ``LMDBError`` with `isReadersFull`; its ``LMDBError/slotsByProcess`` names the holders of the slots.
  static func begin(_ environment: OpaquePointer, waits: Bool = true) throws(LMDBError) -> OpaquePointer {
    let deadline = ContinuousClock.now + patience
    while true {
      do throws(LMDBError) {
        return unsafe try beginNow(environment)
      } catch {
        guard waits, error.idleSlots > 0, ContinuousClock.now < deadline else { throw error }
        usleep(pauseMicroseconds)
      }
    }
  }

  private static func beginNow(_ environment: OpaquePointer) throws(LMDBError) -> OpaquePointer {
    var begun: OpaquePointer?
    var code = unsafe mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &begun)
    if code == MDB_READERS_FULL {
      var dead: Int32 = 0
      unsafe try check(mdb_reader_check(environment, &dead), "mdb_reader_check")
      code = unsafe mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &begun)
    }
    if code == MDB_READERS_FULL {
      let table = unsafe try? Environment.readerTable(of: environment)
      throw LMDBError(
        code: code, operation: "mdb_txn_begin for reading", slotsByProcess: table?.slotsByProcess ?? [:],
        idleSlots: table?.slots.count { $0.transactionID == nil } ?? 0)
    }
    try check(code, "mdb_txn_begin for reading")
    // SAFETY: mdb_txn_begin succeeded, so the pointer is set.
    return unsafe begun!
  }

  /// Releases the pages and keeps the reader slot.
  package mutating func reset() {
    guard isActive, environment.isInOwnProcess else { return }
    unsafe mdb_txn_reset(transaction)
    isActive = false
    environment.exclusion?.leave()
  }

  /// Releases the reader slot, too. This value no longer uses the environment, which may be closed then.
  package mutating func end() {
    if isEnded { return }
    let wasActive = isActive
    isActive = false
    isEnded = true
    unsafe Self.end(transaction, of: environment)
    if wasActive { environment.exclusion?.leave() }
  }

  /// Takes a new snapshot of the last commit.
  package mutating func renew() throws(LMDBError) {
    precondition(!isEnded, "an ended snapshot was renewed")
    try environment.requireOwnProcess("snapshot renewal")
    reset()
    try environment.exclusion?.enter()
    do throws(LMDBError) {
      unsafe try Self.renewCurrent(transaction, in: environment.handle)
    } catch {
      environment.exclusion?.leave()
      throw error
    }
    isActive = true
  }

  /// Gives a reset transaction a snapshot of the last commit.
  static func renewCurrent(_ transaction: OpaquePointer, in environment: OpaquePointer) throws(LMDBError) {
    unsafe try check(mdb_txn_renew(transaction), "mdb_txn_renew")
    unsafe try refreshIfStale(transaction, in: environment)
  }

  /// A thread that was suspended in the middle of `mdb_txn_begin` can hold the id of a commit whose pages were already reused.
  /// The sign of it is that the last commit is at least two further on (lmdb.h, "Caveats").
  private static func refreshIfStale(_ transaction: OpaquePointer, in environment: OpaquePointer) throws(LMDBError) {
    while unsafe Environment.lastTransactionID(environment) >= mdb_txn_id(transaction) + 2 {
      unsafe mdb_txn_reset(transaction)
      unsafe try check(mdb_txn_renew(transaction), "mdb_txn_renew")
    }
  }

  /// LMDB's number of the snapshot.
  package var id: Int { unsafe mdb_txn_id(transaction) }

  /// The reading half; valid while the snapshot is active and unchanged.
  package var view: TransactionView {
    @_lifetime(borrow self)
    get {
      precondition(isActive, "a reset snapshot was read")
      return unsafe _overrideLifetime(TransactionView(transaction: transaction), borrowing: self)
    }
  }
}
