import Files

/// The tree that names the databases.
enum MainTree {
  /// Walks the main tree.
  ///
  /// - Parameter databases: The names that may be there.
  /// - Returns: The records that were found, by database; one with reported problems is included, because a walk can try it.
  static func walk(
    _ tree: inout TreeWalk, _ file: borrowing FileHandle, _ meta: MetaPage, _ databases: [String], _ ledger: PageLedger
  ) -> [String: TreeRecord] {
    var records: [String: TreeRecord] = [:]
    tree.walk(file, meta.main) { key, value in
      guard let name = databases.first(where: { unsafe key.equals(Array($0.utf8).span.bytes) }) else {
        ledger.report("the main tree: has an entry with the key \(key.hexadecimal), which is no database of a store")
        return true
      }
      guard value.byteCount == TreeRecord.byteCount else {
        ledger.report("the main tree: the record of database \(name) has \(value.byteCount) bytes, not \(TreeRecord.byteCount)")
        return true
      }
      guard records[name] == nil else {
        ledger.report("the main tree: database \(name) is there twice")
        return true
      }
      let record = TreeRecord(value, at: 0)
      if record.pad != 0 { ledger.report("database \(name): the padding is \(record.pad), not 0") }
      for problem in record.problems("database \(name)", flags: 0, lastPage: ledger.pageLimit - 1) { ledger.report(problem) }
      records[name] = record
      return true
    }
    return records
  }
}
