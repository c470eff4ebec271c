package import Files

extension MetaPair {
  /// Takes away the meta page of a commit that failed in writing it, if the page is in the file all the same; durably.
  ///
  /// While other processes have the file open, LMDB goes by the last commit that it counted, and builds the next one upon that, out of the
  /// pages that the failed one took. A process that counts anew, as the first opener does and the heir of a dead writer's lock, would believe the
  /// later page, whose tree is overwritten by then. So it is made the older of the two before a page is written.
  ///
  /// - Parameter id: Of the write transaction that the caller is in, and has changed nothing by: a meta page with this number is a failed commit's.
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
