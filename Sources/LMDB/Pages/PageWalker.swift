package import Files

/// Walks every page of a data file by reading it: LMDB is not asked, and nothing is mapped, so that damaged pages and bad sectors
/// become sentences in a report and not the end of the process.
///
/// Whatever the bytes are, a walk ends: each page is read once, memory is in proportion to the file. It takes the free list first,
/// then the main tree and the named databases, and accounts for every page between.
package struct PageWalker: ~Copyable, Sendable {
  /// Given each entry as it is stored, its checksum included; both spans live for the call.
  package typealias Visitor = (_ database: String, _ key: RawSpan, _ value: RawSpan) -> Void

  let file: FileHandle
  private let databases: [String]
  private let optional: Set<String>
  private let problemLimit: Int

  /// - Parameters:
  ///   - file: The data file.
  ///   - databases: The names of the databases that it may have.
  ///   - optional: Those that may be missing.
  ///   - problemLimit: How many problems a report lists; further ones are counted.
  package init(_ file: consuming FileHandle, databases: [String], optional: Set<String> = [], problemLimit: Int = 1000) {
    self.file = file
    self.databases = databases
    self.optional = optional
    self.problemLimit = problemLimit
  }

  /// Walks the state that `meta` describes. Nothing may commit meanwhile, or a reader slot must hold the state.
  ///
  /// - Parameters:
  ///   - visit: Lent the entries of the named databases, those of damaged pages as far as they can be read.
  ///   - shouldStop: Called once per 64 pages. Once it returns true the walk ends, and the report is incomplete and must not be used.
  package func walk(
    _ meta: MetaPage, lending visit: Visitor? = nil, stoppingIf shouldStop: @escaping () -> Bool = { false }
  ) -> PageReport {
    let size: Int
    do throws(FileError) {
      size = try file.status().sizeBytes
    } catch {
      return PageReport(problem: "the file cannot be examined: \(error.reason)")
    }
    let ledger = PageLedger(meta, fileSizeBytes: size, problemLimit: problemLimit, shouldStop: shouldStop)
    var report = PageReport()
    report.transactionID = meta.transactionID
    report.pageSizeBytes = ledger.pageSizeBytes
    if meta.headerProblems.isEmpty {
      walkTrees(meta, ledger, &report, visit)
      reportMissingPages(ledger)
    }
    report.problems = ledger.problems
    report.omittedProblemCount = ledger.omittedProblemCount
    report.usedPages = Int(ledger.used.count)
    report.freePages = Int(ledger.free.count)
    report.bytesRead = ledger.bytesRead
    return report
  }

  private func walkTrees(_ meta: MetaPage, _ ledger: PageLedger, _ report: inout PageReport, _ visit: Visitor?) {
    var freeList = TreeWalk("the free list", .freeList, ledger)
    FreeList.walk(&freeList, file, meta, ledger)
    if ledger.isStopped { return }
    report.freeList = finish(freeList, meta.freeList, ledger)

    var main = TreeWalk("the main tree", .main, ledger)
    let records = MainTree.walk(&main, file, meta, databases, ledger)
    if ledger.isStopped { return }
    report.main = finish(main, meta.main, ledger)

    for name in databases {
      guard let record = records[name] else {
        if main.isComplete, !optional.contains(name) { ledger.report("the database \(name) is missing") }
        continue
      }
      var tree = TreeWalk("database \(name)", .named, ledger)
      tree.walk(file, record, lendsEntries: visit != nil) { key, value in
        visit?(name, key, value)
        return true
      }
      if ledger.isStopped { return }
      report.databases.append(finish(tree, record, ledger, as: name))
    }
  }

  /// Compares what was counted with what LMDB recorded.
  private func finish(_ tree: borrowing TreeWalk, _ record: TreeRecord, _ ledger: PageLedger, as name: String? = nil) -> PageReport.Tree {
    for difference in tree.differences(from: record) { ledger.report(difference) }
    return PageReport.Tree(name ?? tree.name, tree.counts)
  }

  private func reportMissingPages(_ ledger: PageLedger) {
    if ledger.isStopped { return }
    var start: UInt64 = 2
    while let first = ledger.used.firstAbsent(from: start, orIn: ledger.free) {
      start = ledger.used.firstPresent(from: first, orIn: ledger.free)
      let what = start == first + 1 ? "page \(first) is" : "pages \(first) to \(start - 1) are"
      ledger.report("\(what) neither used nor free")
    }
  }
}
