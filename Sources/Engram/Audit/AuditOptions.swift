/// What ``MemoryStore/audit(_:progress:)`` looks at, and how closely.
public struct AuditOptions: Sendable, Hashable, Codable {
  public var scope: SearchScope
  /// The most entries of every list in the report; at least 1. Counts are never cut.
  public var limit: Int
  /// The cosine from which on two embeddings of a user are near duplicates; above 0 and at most 1.
  public var threshold: Float
  /// If a user has more than ``allPairsLimit`` embeddings, each is compared with this many stored after it; at least 1.
  public var window: Int
  /// How many memories with one and the same embedding make it a constant; at least 2.
  public var constantCount: Int

  /// The most embeddings of a user that are all compared with each other.
  public static let allPairsLimit = 2_000

  public init(scope: SearchScope = .all, limit: Int = 10, threshold: Float = 0.97, window: Int = 1_000, constantCount: Int = 10) {
    self.scope = scope
    self.limit = limit
    self.threshold = threshold
    self.window = window
    self.constantCount = constantCount
  }

  /// - Throws: ``StoreError`` `.invalidArgument`, `.invalidUserID`.
  func check() throws(StoreError) {
    if limit < 1 { throw StoreError(.invalidArgument, "the limit of an audit is \(limit), it must be at least 1") }
    // Refuses NaN, too.
    guard threshold > 0, threshold <= 1 else {
      throw StoreError(.invalidArgument, "the threshold of an audit is \(threshold), it must lie above 0 and not above 1")
    }
    if window < 1 { throw StoreError(.invalidArgument, "the window of an audit is \(window), it must be at least 1") }
    if constantCount < 2 {
      throw StoreError(.invalidArgument, "the count of a constant embedding is \(constantCount), it must be at least 2")
    }
    try Limits.check(scope)
  }
}
