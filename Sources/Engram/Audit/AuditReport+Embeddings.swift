extension AuditReport {
  /// Pairs of memories of one user whose embeddings have a cosine of at least ``AuditOptions/threshold``.
  ///
  /// A user with at most ``AuditOptions/allPairsLimit`` embeddings has every pair compared. A larger one has each embedding compared
  /// with the ``AuditOptions/window`` stored after it, so that pairs further apart are not found; ``compared`` and ``partial`` show how
  /// much that leaves out. Embeddings whose components are all zero have no cosine and are left out.
  public struct NearDuplicates: Sendable, Hashable, Codable {
    /// Pairs found, ``identical`` ones included.
    public let pairs: Int
    /// Pairs of equal embeddings among those compared; ``AuditReport/sameEmbedding`` has all of them, as groups.
    public let identical: Int
    /// Pairs compared, of ``possible``.
    public let compared: Int
    /// Pairs of embeddings of the same user.
    public let possible: Int
    /// Users for whom not every pair was compared.
    public let partialUsers: Int
    /// The first of these users: the most embeddings first, equal counts by userID.
    public let partial: [Partial]
    /// Pairs of different embeddings, the highest cosine first.
    public let closest: [Pair]

    public var isComplete: Bool { compared == possible }
  }

  /// A user for whom not every pair was compared.
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

  /// Memories that no search finds, and embeddings that match without a reason.
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

  /// The number of elements, and the first ``AuditOptions/limit`` of them in ascending order.
  public struct Listing<Element: Sendable & Hashable>: Sendable, Hashable {
    public let count: Int
    public let first: [Element]
  }

  /// Embeddings that at least ``AuditOptions/constantCount`` memories share, also memories of different users: for example the vector that
  /// an embedder returns for every text that it cannot read.
  public struct Constants: Sendable, Hashable, Codable {
    /// Different embeddings.
    public let count: Int
    /// Memories that have one of them.
    public let memories: Int
    /// The embeddings with the most members first.
    public let largest: [Constant]
  }

  public struct Constant: Sendable, Hashable, Codable {
    /// Members: the memories that share the embedding.
    public let count: Int
    /// How many users the members belong to.
    public let users: Int
    /// How many different texts the members have.
    public let texts: Int
    public let ids: [MemoryID]
    /// The beginning of the first member's text.
    public let excerpt: String
  }
}

extension AuditReport.Listing: Encodable where Element: Encodable {}
extension AuditReport.Listing: Decodable where Element: Decodable {}
