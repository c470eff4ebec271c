import CLMDB

/// A reader slot of an environment whose databases are not open yet, lent to the inspection of
/// ``Environment/init(path:databases:options:inspect:)``.
///
/// Taking it touches the meta pages and the reader table, no page of a tree.
@safe
package struct InspectionSlot: ~Copyable, RenewableSnapshot {
  private let environment: OpaquePointer
  private let transaction: OpaquePointer

  // SAFETY: the initialiser of the environment keeps the handle open until the slot is gone.
  init(environment: OpaquePointer) throws(LMDBError) {
    unsafe transaction = try EnvironmentSnapshot.beginCurrent(environment)
    unsafe self.environment = environment
  }

  deinit { unsafe mdb_txn_abort(transaction) }

  package var id: Int { unsafe mdb_txn_id(transaction) }

  package mutating func renew() throws(LMDBError) {
    unsafe mdb_txn_reset(transaction)
    unsafe try EnvironmentSnapshot.renewCurrent(transaction, in: environment)
  }
}
