/// What ``MemoryStore/verify()`` found.
public struct VerificationReport: Sendable, Hashable {
  package init() {}

  /// Records seen.
  public internal(set) var memories = 0
  public internal(set) var contexts = 0
  /// Embeddings compared with their checksums.
  public internal(set) var rows = 0
  /// Bytes of values and rows read.
  public internal(set) var bytes = 0
  /// What is wrong, one sentence each; at most ``problemLimit``.
  public private(set) var problems: [String] = []
  /// Problems beyond the limit.
  public private(set) var omittedProblems = 0

  public var isIntact: Bool { problems.isEmpty }

  /// A store that is damaged all over is not told value by value.
  public static let problemLimit = 1000

  mutating func add(_ problem: String) {
    if problems.count < Self.problemLimit { problems.append(problem) } else { omittedProblems += 1 }
  }
}
