/// What a walk over all pages of a data file found.
package struct PageReport: Sendable, Equatable {
  /// One tree: a named database, the main tree that names them, or the free list.
  package struct Tree: Sendable, Equatable {
    package let name: String
    /// The counted entries; a difference from the number that LMDB recorded is a problem.
    package let entries: Int
    package let branchPages: Int
    package let leafPages: Int
    package let overflowPages: Int
    package let depth: Int

    package var pages: Int { branchPages + leafPages + overflowPages }

    init(_ name: String, _ counts: TreeCounts) {
      self.name = name
      // Each page was counted once, and a page has at most 2^15 entries.
      entries = Int(counts.entries)
      branchPages = Int(counts.branchPages)
      leafPages = Int(counts.leafPages)
      overflowPages = Int(counts.overflowPages)
      depth = counts.depth
    }
  }

  /// The commit that was walked; nil if no meta page could be chosen.
  package internal(set) var transactionID: UInt64?
  /// A sentence each, in the order in which they were met.
  package internal(set) var problems: [String] = []
  /// How many problems were found after the list was full.
  package internal(set) var omittedProblemCount = 0
  package internal(set) var freeList: Tree?
  package internal(set) var main: Tree?
  /// In the order in which the names were given, without missing databases.
  package internal(set) var databases: [Tree] = []
  /// Pages of trees and values; the two meta pages are not among them.
  package internal(set) var usedPages = 0
  /// Pages that the free list names.
  package internal(set) var freePages = 0
  package internal(set) var pageSizeBytes = 0
  package internal(set) var bytesRead = 0

  package var isClean: Bool { problems.isEmpty }

  init() {}

  /// A report about a file that was not walked.
  init(problem: String) { problems = [problem] }
}
