import Files

/// State shared by the walks of one pass: used and free pages, problems found, bytes read. Used by one thread.
final class PageLedger {
  let pageSizeBytes: Int
  /// One more than the last page's number; zero pages if the meta page cannot be followed.
  let pageLimit: UInt64
  let fileSizeBytes: Int
  var used: PageBitmap
  var free: PageBitmap
  /// A tree uses a page that the free list names: one of the two is damaged, and the pages themselves do not tell which.
  var contradictsFreeList = false
  private(set) var problems: [String] = []
  private(set) var omittedProblemCount = 0
  private let problemLimit: Int
  private let shouldStop: () -> Bool
  /// Whether the caller stopped the walk. The state of pages that were not visited is unknown then.
  private(set) var isStopped = false
  private var pagesToAsk = 0
  var bytesRead = 0

  /// - Parameter meta: The page that the walks begin at. Its problems are reported first; if its last page is implausible, the pages
  ///   end with the file.
  /// - Parameter shouldStop: Called once per 64 pages; once it returns true, the walks end early.
  init(_ meta: MetaPage, fileSizeBytes: Int, problemLimit: Int = 1000, shouldStop: @escaping () -> Bool = { false }) {
    self.problemLimit = problemLimit
    self.shouldStop = shouldStop
    self.fileSizeBytes = fileSizeBytes
    let hasPages = meta.headerProblems.isEmpty
    pageSizeBytes = hasPages ? meta.pageSizeBytes : MetaPair.usualPageSizeBytes
    // A page behind the end of the file can only be a free one, and the free list takes eight bytes for each.
    let possible = min(UInt64(fileSizeBytes / pageSizeBytes) + UInt64(fileSizeBytes / 8), MetaPage.maximumPageCount)
    let isPlausible = hasPages && meta.lastPage < possible
    pageLimit = isPlausible ? meta.lastPage + 1 : hasPages ? min(UInt64(fileSizeBytes / pageSizeBytes), possible) : 0
    used = PageBitmap(limit: pageLimit)
    free = PageBitmap(limit: pageLimit)
    for problem in meta.problems { report(problem) }
    if !isPlausible, hasPages, meta.lastPage < MetaPage.maximumPageCount {
      report("the file is truncated: it has \(fileSizeBytes) bytes, its meta page says \(meta.lastPage + 1) pages of \(pageSizeBytes)")
    }
  }

  /// Notes that a page is about to be read.
  func willRead() {
    pagesToAsk -= 1
    guard pagesToAsk < 0 else { return }
    pagesToAsk = 63
    if shouldStop() { isStopped = true }
  }

  func report(_ problem: @autoclosure () -> String) {
    if problems.count < problemLimit { problems.append(problem()) } else { omittedProblemCount += 1 }
  }

  /// Notes that a page is used; false if it was before. (Swift 6.3 with the thread sanitizer crashes on the same in a `~Copyable` struct.)
  func use(_ page: UInt64) -> Bool { used.insert(page) }

  var problemCount: Int { problems.count + omittedProblemCount }

  /// Whether `page` can be a page of a tree.
  func isTreePage(_ page: UInt64) -> Bool { page >= 2 && page < pageLimit }

  /// Whether the file has `count` bytes from byte `offset` of `page` on; `page` must be below the limit.
  func hasBytes(_ page: UInt64, offset: Int, count: Int) -> Bool {
    // At most 2^30 pages of 2^16 bytes: no overflow.
    let start = Int(page) * pageSizeBytes + offset
    return start <= fileSizeBytes && count <= fileSizeBytes - start
  }

  /// Fills `buffer` from byte `offset` of `page`.
  ///
  /// - Returns: Why the buffer could not be filled; nil if it was.
  func read(
    _ file: borrowing FileHandle, page: UInt64, offset: Int = 0, into buffer: UnsafeMutableRawBufferPointer
  ) -> String? {
    guard hasBytes(page, offset: offset, count: buffer.count) else { return "page \(page) lies behind the end of the file" }
    do throws(FileError) {
      let count = unsafe try file.read(into: buffer, at: Int(page) * pageSizeBytes + offset)
      bytesRead += count
      return count == buffer.count ? nil : "page \(page) lies behind the end of the file"
    } catch {
      return "page \(page) cannot be read: \(error.reason)"
    }
  }
}
