import LMDB

extension Generation {
  /// One transaction that brings records of elsewhere into a generation under construction; what it changes is not logged.
  ///
  /// - Parameter state: Gives the commit and its time; counts are the generation's own.
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
      // LMDB calls it an I/O error where the disk has room for a part of its pages.
      if error.isInputOutput, try !hasRoom || isDiskNearlyFull {
        throw StoreError(.diskFull, "there is no room for a copy of the store", cause: error)
      }
      throw error
    }
    growDataFile(by: 0)
  }
}
