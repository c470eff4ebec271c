import LMDB

/// What ``MemoryStore/verify(deep:progress:)`` found.
public struct VerificationReport: Sendable, Hashable, Codable {
  package init() {}

  /// Memories seen.
  public internal(set) var memories = 0
  /// Contexts seen.
  public internal(set) var contexts = 0
  /// Embeddings compared with their checksums.
  public internal(set) var rows = 0
  /// Pages of LMDB's file that were walked; zero unless the verification was deep.
  public internal(set) var pages = 0
  /// Bytes of pages, values and rows read.
  public internal(set) var bytes = 0
  /// What is wrong, one sentence each; at most ``problemLimit``.
  public private(set) var problems: [String] = []
  /// Problems beyond the limit.
  public private(set) var omittedProblems = 0

  /// Whether no problem was found.
  public var isIntact: Bool { problems.isEmpty }

  /// The most problems that are listed, because a store may be damaged everywhere.
  public static let problemLimit = 1000

  mutating func add(_ problem: String) {
    if problems.count < Self.problemLimit { problems.append(problem) } else { omittedProblems += 1 }
  }
}

extension VerificationReport {
  /// What a walk over the pages found.
  init(_ pages: PageReport) {
    self.init()
    count(pages)
    for problem in pages.problems { add("data.mdb: \(problem)") }
  }

  /// The report of a store that could not be opened.
  init(_ pages: PageReport?, _ error: StoreError) {
    self.init()
    if let pages { count(pages) }
    if let damage = error.cause as? PageDamage {
      for problem in damage.problems { add("data.mdb: \(problem)") }
    } else {
      add(error.message)
    }
  }

  mutating func count(_ walked: PageReport) {
    pages += walked.usedPages + walked.freePages
    bytes += walked.bytesRead
  }
}
