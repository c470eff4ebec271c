import Formats
import Foundation

/// What counts in a search by text beside words and meaning.
///
/// ```swift
/// var query = TextQuery("where does she live?", scope: .user("ada"))
/// query.ranking.recency = .init(halfLife: .seconds(30 * 86_400))
/// query.ranking.importance = 0.2
/// ```
public struct TextRanking: Sendable, Hashable, Codable {
  /// Whether a memory that asks counts less than one that says, and the words of a question also count for the memory after it.
  public var prefersStatements: Bool
  /// Nil: the age of a memory does not count.
  public var recency: Recency?
  /// What ``Memory/importance`` 1 adds to a score, 0…10; half of it adds half as much. The other parts add up to about 3 at most.
  public var importance: Double

  /// What the age of a memory adds to its score: `weight` for one of this moment, half of it after each half-life.
  public struct Recency: Sendable, Hashable, Codable {
    /// More than zero.
    public var halfLife: Duration
    /// 0…10.
    public var weight: Double

    public init(halfLife: Duration, weight: Double = 0.3) {
      self.halfLife = halfLife
      self.weight = weight
    }
  }

  public init(prefersStatements: Bool = true, recency: Recency? = nil, importance: Double = 0) {
    self.prefersStatements = prefersStatements
    self.recency = recency
    self.importance = importance
  }

  private enum CodingKeys: String, CodingKey { case prefersStatements, recency, importance }

  /// The defaults are those of ``init(prefersStatements:recency:importance:)``.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      prefersStatements: try container.decodeIfPresent(Bool.self, forKey: .prefersStatements) ?? true,
      recency: try container.decodeIfPresent(Recency.self, forKey: .recency),
      importance: try container.decodeIfPresent(Double.self, forKey: .importance) ?? 0)
  }
}

extension TextRanking.Recency {
  /// What a memory of this time adds at another; one of the future counts as one of this moment.
  func term(createdAt: Int64, now: Int64) -> Double {
    let age = max(0, Double(now) - Double(createdAt))
    return weight * exp2(-age / (halfLife / .milliseconds(1)))
  }
}
