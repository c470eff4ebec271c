import LMDB

extension Generation {
  /// Runs one transaction that stores copied records in a generation under construction; its changes are not logged.
  ///
  /// - Parameter state: The state whose commit number and times are adopted; the counts are the generation's own.
  func fill(adopting state: StateRecord, _ body: (inout WriteTransaction) throws -> Void) throws {
    var transaction = try WriteTransaction(
      WriteBatch(
        try EnvironmentTransaction(environment), generation: self, historyLimit: .max, now: state.lastCommit, purpose: .copy))
    try body(&transaction)
    if let failure = transaction.batch.failure { throw failure }
    do {
      try transaction.batch.finish(adopting: state)
    } catch let failure as RowFlushFailure {
      throw failure.error
    }
    let hasRoom = growDataFile(by: transaction.batch.storedBytes)
    do throws(LMDBError) {
      try transaction.commit()
    } catch {
      // LMDB reports an I/O error if the disk has room for only a part of its pages.
      if error.isInputOutput, try !hasRoom || isDiskNearlyFull {
        throw StoreError(.diskFull, "there is no room for a copy of the store", cause: error)
      }
      throw error
    }
    growDataFile(by: 0)
  }
}
