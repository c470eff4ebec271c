import CLMDB

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The one transaction that may change the databases. Begin, use and end it on one thread: a commit from another thread returns
/// success and hangs every later writer, so a precondition checks the thread.
@safe
package struct EnvironmentTransaction: ~Copyable {
  private let environment: Environment
  /// Nil once committed.
  private var transaction: OpaquePointer?
  private let thread: pthread_t
  /// The value with its checksum, built here to save an allocation per put.
  private var scratch: [UInt8] = []

  package init(_ environment: Environment) throws(LMDBError) {
    try environment.enter("write transaction")
    var begun: OpaquePointer?
    let code = unsafe mdb_txn_begin(environment.handle, nil, 0, &begun)
    guard code == MDB_SUCCESS else {
      environment.leave()
      throw LMDBError(code: code, operation: "mdb_txn_begin for writing")
    }
    unsafe transaction = begun
    thread = pthread_self()
    self.environment = environment
  }

  deinit {
    guard let transaction = unsafe transaction else { return }
    requireOwnThread()
    // In a forked process the transaction and the writer mutex are the parent's.
    if environment.isInOwnProcess { unsafe mdb_txn_abort(transaction) }
    environment.leave()
  }

  private func requireOwnThread() {
    precondition(pthread_equal(thread, pthread_self()) != 0, "a write transaction left the thread that began it")
  }

  // SAFETY: only `commit`, which consumes the value, empties the handle.
  private var live: OpaquePointer { unsafe transaction! }

  /// The number that LMDB will give the commit.
  package var id: UInt64 { UInt64(unsafe mdb_txn_id(live)) }

  /// What the transaction sees, its own changes included; valid until the next change.
  package var view: TransactionView {
    @_lifetime(borrow self)
    get { unsafe _overrideLifetime(TransactionView(transaction: live), borrowing: self) }
  }

  /// Stores `value` with its checksum, replacing what was there.
  ///
  /// - Throws: ``LMDBError``; the transaction can only be aborted then.
  package mutating func put(_ key: borrowing Key, _ value: RawSpan, in database: Database) throws(LMDBError) {
    scratch.removeAll(keepingCapacity: true)
    unsafe value.withUnsafeBytes { unsafe scratch.append(contentsOf: $0) }
    let checksum = database.checksum.checksum(key: key.bytes, value: value)
    unsafe withUnsafeBytes(of: checksum.bigEndian) { unsafe scratch.append(contentsOf: $0) }
    let keyBytes = key.bytes
    let transaction = unsafe live
    let code = unsafe keyBytes.withUnsafeBytes { keyBuffer in
      unsafe scratch.withUnsafeMutableBytes { valueBuffer in
        // SAFETY: LMDB copies key and value during the call.
        var key = unsafe MDB_val(mv_size: keyBuffer.count, mv_data: UnsafeMutableRawPointer(mutating: keyBuffer.baseAddress))
        var data = unsafe MDB_val(mv_size: valueBuffer.count, mv_data: valueBuffer.baseAddress)
        return unsafe mdb_put(transaction, database.handle, &key, &data, 0)
      }
    }
    try check(code, "mdb_put in \(database.name)")
  }

  package mutating func put(_ key: borrowing Key, _ value: [UInt8], in database: Database) throws(LMDBError) {
    unsafe try put(key, value.span.bytes, in: database)
  }

  /// Removes a key.
  ///
  /// - Returns: Whether it was there.
  @discardableResult
  package mutating func delete(_ key: borrowing Key, in database: Database) throws(LMDBError) -> Bool {
    let keyBytes = key.bytes
    let transaction = unsafe live
    let code = unsafe keyBytes.withUnsafeBytes { buffer in
      var key = unsafe MDB_val(mv_size: buffer.count, mv_data: UnsafeMutableRawPointer(mutating: buffer.baseAddress))
      return unsafe mdb_del(transaction, database.handle, &key, nil)
    }
    if code == MDB_NOTFOUND { return false }
    try check(code, "mdb_del in \(database.name)")
    return true
  }

  /// The one commit point: on return every change is durable (or, with deferred meta flushes, survives a killed process).
  ///
  /// - Throws: ``LMDBError``. LMDB has freed the transaction whatever the code; Concurrency.md has a table of the states left behind.
  package consuming func commit() throws(LMDBError) {
    requireOwnThread()
    try environment.requireOwnProcess("commit")
    let handle = unsafe live
    unsafe transaction = nil
    let code = unsafe mdb_txn_commit(handle)
    environment.leave()
    try check(code, "mdb_txn_commit")
  }
}
