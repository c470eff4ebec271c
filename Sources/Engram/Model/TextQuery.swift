import Formats
public import Foundation

/// What a search by text compares: words, embeddings, or both.
public enum SearchMode: String, Sendable, Hashable, Codable, CaseIterable {
  /// Words and meaning together; words alone if there is no embedding to compare.
  case hybrid
  /// The similarity of embeddings alone.
  case dense
  /// Words alone: no embedder is needed.
  case lexical
}

/// A search by text: by its words, by the embedding of the text, or by both.
///
/// A score is a weighted sum of parts, each scaled to at most 1 within the scope; ``SearchResult/Explanation/parts`` has them. A memory
/// scores by its words and those of its caption (BM25), its author and its date; with less weight, by the turns before and after it in its
/// session, and with full weight by the words of a question right before it; by the words of its session as a whole; by the similarity of
/// its embedding, its neighbors' embeddings and the best embedding of its session. A memory that asks a question scores a little less than
/// one that states something. The statistics count all memories of the scope that are neither expired nor superseded, also those that the
/// filter leaves out, and no memory outside of the scope.
///
/// ```swift
/// let hits = try store.search(TextQuery("who likes ramen?", scope: .user("ada"), mode: .lexical))
/// ```
public struct TextQuery: Sendable, Hashable {
  public var text: String
  /// The embedding of the text, made by the embedder that the store is pinned to. Nil: a hybrid search compares words alone, and a dense
  /// one throws `.embeddingRequired`.
  public var embedding: Embedding?
  public var scope: SearchScope
  public var mode: SearchMode
  /// The most results to return; at least 1.
  public var limit: Int
  /// Memories whose embedding scores less than this against the query's, or that have none, are left out; nil: none are.
  public var threshold: Float?
  /// Results whose score is below this are left out; nil: none are. The scale is that of the weighted sum, at most about 3.
  public var minimumFusedScore: Float?
  public var filter: Filter?
  /// What counts beside words and meaning. A dense search must have the default, because it ranks by similarity alone.
  public var ranking: TextRanking
  /// How many memories before and after each result come with it, 0…64: see ``SearchResult/neighbors``.
  public var neighbors: Int
  /// The time whose memories are searched, as far as the store still has them; nil: now. See ``SearchQuery/asOf``. The statistics, the
  /// sessions and the ages that ``ranking`` counts are those of that time.
  public var asOf: Date?
  /// Whether memories that others have replaced are found, too: see ``Memory/supersededBy``. They then count in the statistics as well.
  /// With ``asOf``: all that were created by then.
  public var includesSuperseded: Bool
  /// Whether each result has a ``SearchResult/explanation``.
  public var includesExplanation: Bool

  public init(
    _ text: String, embedding: Embedding? = nil, scope: SearchScope, mode: SearchMode = .hybrid, limit: Int = 10, threshold: Float? = nil,
    minimumFusedScore: Float? = nil, filter: Filter? = nil, ranking: TextRanking = TextRanking(), neighbors: Int = 0,
    asOf: Date? = nil, includesSuperseded: Bool = false, includesExplanation: Bool = false
  ) {
    self.text = text
    self.embedding = embedding
    self.scope = scope
    self.mode = mode
    self.limit = limit
    self.threshold = threshold
    self.minimumFusedScore = minimumFusedScore
    self.filter = filter
    self.ranking = ranking
    self.neighbors = neighbors
    self.asOf = asOf
    self.includesSuperseded = includesSuperseded
    self.includesExplanation = includesExplanation
  }

  /// Whether both are the same, texts byte for byte.
  public static func == (left: TextQuery, right: TextQuery) -> Bool {
    left.text.hasSameBytes(as: right.text) && left.embedding == right.embedding && left.scope == right.scope && left.mode == right.mode
      && left.limit == right.limit && left.threshold == right.threshold && left.minimumFusedScore == right.minimumFusedScore
      && left.filter == right.filter && left.ranking == right.ranking && left.neighbors == right.neighbors
      && left.asOf == right.asOf && left.includesSuperseded == right.includesSuperseded
      && left.includesExplanation == right.includesExplanation
  }

  public func hash(into hasher: inout Hasher) {
    text.hash(bytesInto: &hasher)
    hasher.combine(scope)
    hasher.combine(limit)
  }
}

extension TextQuery: Codable {
  private enum CodingKeys: String, CodingKey {
    case text, embedding, scope, mode, limit, threshold, minimumFusedScore, filter, ranking, neighbors, asOf,
      includesSuperseded, includesExplanation
  }

  /// Only `text` and `scope` are needed; the defaults are those of the initializer.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      try container.decode(String.self, forKey: .text), embedding: try container.decodeIfPresent(Embedding.self, forKey: .embedding),
      scope: try container.decode(SearchScope.self, forKey: .scope),
      mode: try container.decodeIfPresent(SearchMode.self, forKey: .mode) ?? .hybrid,
      limit: try container.decodeIfPresent(Int.self, forKey: .limit) ?? 10,
      threshold: try container.decodeIfPresent(Float.self, forKey: .threshold),
      minimumFusedScore: try container.decodeIfPresent(Float.self, forKey: .minimumFusedScore),
      filter: try container.decodeIfPresent(Filter.self, forKey: .filter),
      ranking: try container.decodeIfPresent(TextRanking.self, forKey: .ranking) ?? TextRanking(),
      neighbors: try container.decodeIfPresent(Int.self, forKey: .neighbors) ?? 0,
      asOf: try container.decodeIfPresent(Date.self, forKey: .asOf),
      includesSuperseded: try container.decodeIfPresent(Bool.self, forKey: .includesSuperseded) ?? false,
      includesExplanation: try container.decodeIfPresent(Bool.self, forKey: .includesExplanation) ?? false)
  }
}
