extension AuditReport {
  /// Pairs of memories of one user whose embeddings have a cosine of at least ``AuditOptions/threshold``.
  ///
  /// A user with at most ``AuditOptions/allPairsLimit`` embeddings has every pair compared. A larger one has each embedding compared
  /// with the ``AuditOptions/window`` stored after it, so that pairs further apart are not found; ``compared`` and ``partial`` say how
  /// much that leaves out. Embeddings that are zero have no cosine and are no part of it.
  public struct NearDuplicates: Sendable, Hashable, Codable {
    /// Pairs found, ``identical`` ones included.
    public let pairs: Int
    /// Pairs of equal embeddings among those compared; ``AuditReport/sameEmbedding`` has all of them, as groups.
    public let identical: Int
    /// Pairs compared, of ``possible``.
    public let compared: Int
    /// Pairs of embeddings of the same user.
    public let possible: Int
    /// Users of whom not every pair was compared.
    public let partialUsers: Int
    /// Those users, by embeddings, equal ones by userID.
    public let partial: [Partial]
    /// Pairs of different embeddings, the highest cosine first.
    public let closest: [Pair]

    public var isComplete: Bool { compared == possible }
  }

  /// A user of whom not every pair was compared.
  public struct Partial: Sendable, Hashable, Codable {
    public let userID: String
    public let embeddings: Int
    public let compared: Int
    public let possible: Int
  }

  public struct Pair: Sendable, Hashable, Codable {
    public let userID: String
    /// The cosine; a rounding error above 1 is cut.
    public let score: Float
    /// The lower id.
    public let first: MemoryID
    public let second: MemoryID
    public let firstExcerpt: String
    public let secondExcerpt: String
  }

  /// What no search finds, or what it finds without a reason.
  public struct Unmatched: Sendable, Hashable, Codable {
    /// Texts of nothing but white space.
    public let emptyTexts: Listing<MemoryID>
    /// Nil in a store without embeddings.
    public let withoutEmbedding: Listing<MemoryID>?
    /// Embeddings of the metric dot whose components are all zero: they score 0 for every query.
    public let zeroEmbeddings: Listing<MemoryID>?
    /// Components that are zero in every embedding, counted from 0.
    public let deadComponents: Listing<Int>?
    public let constants: Constants?
  }

  /// Things in ascending order.
  public struct Listing<Element: Sendable & Hashable>: Sendable, Hashable {
    public let count: Int
    public let first: [Element]
  }

  /// Embeddings that ``AuditOptions/constantCount`` memories and more share, also those of different users: what an embedder answers
  /// to a text that it cannot read.
  public struct Constants: Sendable, Hashable, Codable {
    /// Different embeddings.
    public let count: Int
    /// Memories that have one of them.
    public let memories: Int
    /// By members.
    public let largest: [Constant]
  }

  public struct Constant: Sendable, Hashable, Codable {
    /// Members.
    public let count: Int
    /// Users among the members.
    public let users: Int
    /// Different texts among the members.
    public let texts: Int
    public let ids: [MemoryID]
    /// The beginning of the first member's text.
    public let excerpt: String
  }
}

extension AuditReport.Listing: Encodable where Element: Encodable {}
extension AuditReport.Listing: Decodable where Element: Decodable {}
