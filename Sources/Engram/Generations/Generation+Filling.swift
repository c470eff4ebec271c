import LMDB

extension Generation {
  /// One transaction that brings records of elsewhere into a generation under construction; what it changes is not logged.
  ///
  /// - Parameters:
  ///   - state: Gives the commit and its time; counts are the generation's own.
  ///   - sizeBytes: About what the body writes.
  func fill(adopting state: StateRecord, sizeBytes: Int, _ body: (inout WriteTransaction) throws -> Void) throws {
    var transaction = try WriteTransaction(
      WriteBatch(
        try LMDB.WriteTransaction(environment), generation: self, historyLimit: .max, now: state.lastCommit, purpose: .copy))
    try body(&transaction)
    if let failure = transaction.batch.failure { throw failure }
    do {
      try transaction.batch.finish(adopting: state)
    } catch let failure as RowFlushFailure {
      throw failure.error
    }
    // A full disk is told as such only where LMDB does not find half a page's room.
    let hasRoom = growDataFile(by: sizeBytes)
    do throws(LMDBError) {
      try transaction.commit()
    } catch {
      if error.isInputOutput, !hasRoom { throw StoreError(.diskFull, "there is no room for a copy of the store", cause: error) }
      throw error
    }
    growDataFile(by: 0)
  }
}
