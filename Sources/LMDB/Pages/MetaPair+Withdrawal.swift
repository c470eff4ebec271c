package import Files

extension MetaPair {
  /// Withdraws, durably, the meta page of a commit that failed while writing it, if the page reached the file all the same.
  ///
  /// While other processes have the file open, LMDB continues from the last commit that it counted: the next commit builds upon that one
  /// and reuses the pages that the failed one took. A process that reads the meta pages anew (the first to open the file, or one that takes
  /// over a dead writer's lock) would believe the later page, whose tree is overwritten by then. So, before any page is written, the failed
  /// commit's meta page gets a number that makes it the older of the two.
  ///
  /// - Parameter id: The id of the caller's write transaction, which has changed nothing: a meta page with this id is a failed commit's.
  /// - Throws: `FileError`; the page may still be there.
  package static func withdraw(transaction id: UInt64, in file: borrowing FileHandle) throws(FileError) {
    let pair = try read(file)
    guard id >= 2, let page = pair.page(ofTransaction: id) else { return }
    var number: [UInt8] = []
    for shift in stride(from: 0, to: 64, by: 8) { number.append(UInt8(truncatingIfNeeded: (id - 2) >> UInt64(shift))) }
    // Within one sector, so that a crash leaves the one number or the other.
    try file.write(number, at: page.slot * pageSizeBytes(of: pair.first) + MetaPage.transactionOffset)
    try file.synchronizeData()
  }
}
