import Formats
public import Foundation

/// The users whose memories a call covers.
public enum SearchScope: Sendable, Hashable {
  /// The memories of one user. No memory of another user is read.
  case user(String)
  /// The memories of several users, at most 1,024: the results of each user, merged. A user named twice counts once; an empty list finds
  /// nothing.
  case users([String])
  case all

  /// Whether both name the same users in the same order, byte for byte, or mean all.
  public static func == (left: SearchScope, right: SearchScope) -> Bool {
    switch (left, right) {
    case (.all, .all): true
    case (.user(let left), .user(let right)): left.hasSameBytes(as: right)
    case (.users(let left), .users(let right)): left.hasSameBytes(as: right)
    default: false
    }
  }

  public func hash(into hasher: inout Hasher) {
    switch self {
    case .all: break
    case .user(let userID): userID.hash(bytesInto: &hasher)
    case .users(let userIDs): userIDs.hash(bytesInto: &hasher)
    }
  }
}

/// What a search compares before the components of rows. The results of an exact search are the same with each: ids, scores and ties.
public enum SearchTier: String, Sendable, Hashable, Codable, CaseIterable {
  /// Nothing: every row is scored from all its components.
  case floats
  /// A code of four bits for each component, which excludes most rows.
  case codes
  /// A code of two bits for each component, then that of four bits of the rows that are left.
  case coarseCodes
}

/// Whether a search by vector finds all of its results.
public enum SearchPrecision: Sendable, Hashable, Codable {
  /// The results are those of scoring every row.
  case exact
  /// A result may be missing, and the next best one is there instead; each score is that of its row. Two searches may miss different ones.
  ///
  /// `recall` is the expected share of the results that are found, 0.5…1, measured for each query on a sample of the rows in its scope; with 1 the
  /// search is exact. A search of a large scope then compares fewer components. The search is exact by itself where that saves nothing or where estimates
  /// are useless: in scopes whose four-bit codes fit into a cache (150,000 rows of 384 components) unless ``SearchQuery/tier`` is `coarseCodes`, in a
  /// store without codes, with a filter, with ``SearchQuery/asOf``, if the tier is `floats` or `codes`, and if the embeddings use few of their
  /// dimensions. Queries of a batch that share a scope share one exact pass, which costs less than a fast search each, unless their tier is
  /// `coarseCodes`. An explanation says what was done: ``SearchResult/Explanation/isApproximate``.
  case fast(recall: Double)

  /// The share of the results that a search may be expected to find.
  var recall: Double {
    switch self {
    case .exact: 1
    case .fast(let recall): recall
    }
  }
}

/// A search by vector.
public struct SearchQuery: Sendable, Hashable {
  /// `dimension` finite components; scaled to unit length here when the metric is cosine.
  public var embedding: Embedding
  public var scope: SearchScope
  /// The most results to return; at least 1.
  public var limit: Int
  /// Results below this score are left out; nil: none are.
  public var threshold: Float?
  public var filter: Filter?
  /// How many memories before and after each result come with it, 0…64: see ``SearchResult/neighbors``.
  public var neighbors: Int
  /// The time whose memories are searched, as far as the store still has them; nil: now.
  ///
  /// A memory is found if it was created by then, and no successor of it was: see ``Memory/createdAt``. If the successor has been deleted,
  /// the memory counts as superseded since the time at which ``Memory/supersededBy`` was stored. Memories that were deleted since or have
  /// expired by now are not found, and texts and all other fields are the present ones. Neighbors are those that were created by then.
  ///
  /// The filter is evaluated on memories as they are now: ``Filter/superseded`` selects those that were replaced since. A memory is found
  /// even if its statement did not hold at that time; ``Filter/valid(at:)`` excludes such memories.
  public var asOf: Date?
  /// Whether memories that others have replaced are found, too: see ``Memory/supersededBy``. With ``asOf``: all that were created by then.
  public var includesSuperseded: Bool
  /// Whether each result has a ``SearchResult/explanation``.
  public var includesExplanation: Bool
  /// What is compared first; nil: what costs least. Only the time of an exact search depends on it.
  ///
  /// A store that has no codes, because it is small or they are not yet built, compares all components. A search with a filter or a moment compares
  /// codes of four bits instead of two.
  public var tier: SearchTier?
  /// Whether all results must be found.
  public var precision: SearchPrecision

  public init(
    embedding: Embedding, scope: SearchScope, limit: Int = 10, threshold: Float? = nil, filter: Filter? = nil, neighbors: Int = 0,
    asOf: Date? = nil, includesSuperseded: Bool = false, includesExplanation: Bool = false, tier: SearchTier? = nil,
    precision: SearchPrecision = .exact
  ) {
    self.embedding = embedding
    self.scope = scope
    self.limit = limit
    self.threshold = threshold
    self.filter = filter
    self.neighbors = neighbors
    self.asOf = asOf
    self.includesSuperseded = includesSuperseded
    self.includesExplanation = includesExplanation
    self.tier = tier
    self.precision = precision
  }
}

extension SearchQuery: Codable {
  private enum CodingKeys: String, CodingKey {
    case embedding, scope, limit, threshold, filter, neighbors, asOf, includesSuperseded, includesExplanation, tier, precision
  }

  /// Only `embedding` and `scope` are needed; the defaults are those of the initializer.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      embedding: try container.decode(Embedding.self, forKey: .embedding), scope: try container.decode(SearchScope.self, forKey: .scope),
      limit: try container.decodeIfPresent(Int.self, forKey: .limit) ?? 10,
      threshold: try container.decodeIfPresent(Float.self, forKey: .threshold),
      filter: try container.decodeIfPresent(Filter.self, forKey: .filter),
      neighbors: try container.decodeIfPresent(Int.self, forKey: .neighbors) ?? 0,
      asOf: try container.decodeIfPresent(Date.self, forKey: .asOf),
      includesSuperseded: try container.decodeIfPresent(Bool.self, forKey: .includesSuperseded) ?? false,
      includesExplanation: try container.decodeIfPresent(Bool.self, forKey: .includesExplanation) ?? false,
      tier: try container.decodeIfPresent(SearchTier.self, forKey: .tier),
      precision: try container.decodeIfPresent(SearchPrecision.self, forKey: .precision) ?? .exact)
  }
}

/// One memory found, with its score.
public struct SearchResult: Sendable, Hashable, Codable {
  public let memory: Memory
  /// Higher is better. In a search by vector and in a dense search by text, the `cblas_sdot` of the query with the memory's row; in other
  /// searches by text, the sum of ``Explanation/parts``.
  public let score: Float
  /// The user's memories directly before and after this one by time, such as the turns around a message: the oldest first, without this
  /// one, on each side at most as many as the query asked for. They may be results themselves.
  public let neighbors: [Memory]
  /// Present if the query asked for it.
  public let explanation: Explanation?

  /// How a score was computed.
  public struct Explanation: Sendable, Hashable, Codable {
    public let metric: Metric
    /// The row of the embedding in the row file; nil: the memory has none.
    public let row: Int?
    /// Rows whose score was computed for the query, from all components.
    public let rowsScored: Int
    /// Rows that were first compared by their codes, which exclude those that cannot be among the results; 0: the search used no codes.
    public let rowsCoded: Int
    /// Rows that the scope holds.
    public let rowsInScope: Int
    /// What was compared first.
    public let tier: SearchTier
    /// Whether rows may have been excluded by estimates of their scores, so that a result may be missing: see ``SearchPrecision``.
    public let isApproximate: Bool
    /// Bytes of codes and components that were compared. Of a query of a batch: as many as if the others had not shared them.
    public let bytesRead: Int
    /// From the beginning of the search until the ids and scores of its results were known. All queries of a batch share the time.
    public let microseconds: Int
    /// The commit whose state was searched.
    public let batchSequence: UInt64
    /// The parts whose sum is the score; nil in a search by vector and in a dense search by text.
    public let parts: Parts?

    /// The parts of a score, scaled and weighted.
    public struct Parts: Sendable, Hashable, Codable {
      /// The part for the memory's words, its neighbors' included.
      public let words: Float
      /// The part for the words of its session.
      public let session: Float
      /// Added if the query names the memory's author.
      public let author: Float
      /// Zero or negative: the deduction for the share of questions in the text.
      public let question: Float
      /// The part for its embedding, its neighbors' included.
      public let dense: Float
      /// The part for the best embedding of its session.
      public let sessionDense: Float
      /// The part for its age; zero unless ``TextQuery/ranking`` weighs it.
      public let recency: Float
      /// The part for its importance; zero unless ``TextQuery/ranking`` weighs it.
      public let importance: Float
      /// The `cblas_sdot` of the query's embedding with the memory's; nil: one of them is missing.
      public let similarity: Float?
    }
  }
}
