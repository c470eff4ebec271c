import Files

/// A reader slot that can move on to the last commit.
package protocol RenewableSnapshot: ~Copyable {
  /// LMDB's number of the snapshot.
  var id: Int { get }
  mutating func renew() throws(LMDBError)
}

extension EnvironmentSnapshot: RenewableSnapshot {}

extension PageWalker {
  /// Walks the state that `snapshot` holds, while writers go on.
  ///
  /// Writers do not overwrite pages that a live snapshot can reach. They do overwrite its meta page, two commits later: if that has
  /// happened, or could happen during the reading, the snapshot is renewed.
  ///
  /// - Parameters:
  ///   - snapshot: Active, and of the environment that the file belongs to.
  ///   - shouldStop: As for ``walk(_:lending:stoppingIf:)``.
  /// - Throws: ``LMDBError`` if the meta pages cannot be read or the snapshot cannot be renewed.
  package func walkOwnSnapshot<Snapshot: RenewableSnapshot & ~Copyable>(
    _ snapshot: inout Snapshot, lending visit: Visitor? = nil, stoppingIf shouldStop: @escaping () -> Bool = { false }
  ) throws(LMDBError) -> PageReport {
    guard let meta = try metaPage(of: &snapshot) else {
      return PageReport(problem: "no meta page is that of transaction \(snapshot.id), which LMDB holds for the last one")
    }
    return walk(meta, lending: visit, stoppingIf: shouldStop)
  }

  /// The meta page that `snapshot` was taken from; nil if none carries its number even after renewals.
  package func metaPage<Snapshot: RenewableSnapshot & ~Copyable>(of snapshot: inout Snapshot) throws(LMDBError) -> MetaPage? {
    let pageSize = MetaPair.pageSizeBytes(of: try read(slot: 0, MetaPair.usualPageSizeBytes))
    // Two commits during one reading are rare. If it seems to happen each time, LMDB and this walk do not see the same file.
    for _ in 0..<1000 {
      let id = UInt64(bitPattern: Int64(snapshot.id))
      let own = try read(slot: Int(id & 1), pageSize)
      // Read after `own`: if it is not of a later transaction, no commit had begun to overwrite `own`.
      let other = try read(slot: Int(~id & 1), pageSize)
      if own.transactionID == id, other.transactionID <= id { return own }
      try snapshot.renew()
    }
    return nil
  }

  private func read(slot: Int, _ pageSizeBytes: Int) throws(LMDBError) -> MetaPage {
    do throws(FileError) {
      return try MetaPage.read(file, slot: slot, pageSizeBytes: pageSizeBytes)
    } catch {
      throw LMDBError(code: error.errno, operation: "\(error.call) \(error.path)")
    }
  }
}
