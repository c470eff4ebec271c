/// Which memories ``MemoryStore/audit(_:progress:)`` examines, and how closely.
public struct AuditOptions: Sendable, Hashable, Codable {
  public var scope: SearchScope
  /// The most entries of every list in the report; at least 1. Counts are never cut.
  public var limit: Int
  /// The least cosine at which two embeddings of a user count as near duplicates; above 0 and at most 1.
  public var threshold: Float
  /// If a user has more than ``allPairsLimit`` embeddings, each is compared with this many stored after it; at least 1.
  public var window: Int
  /// How many memories must share an embedding for it to count as a constant; at least 2.
  public var constantCount: Int

  /// The most embeddings of a user for which every pair is compared.
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
