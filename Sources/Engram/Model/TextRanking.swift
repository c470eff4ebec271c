import Formats
import Foundation

/// How much questions, age and importance count in a search by text, beside words and meaning.
///
/// ```swift
/// var query = TextQuery("where does she live?", scope: .user("ada"))
/// query.ranking.recency = .init(halfLife: .seconds(30 * 86_400))
/// query.ranking.importance = 0.2
/// ```
public struct TextRanking: Sendable, Hashable, Codable {
  /// Whether a memory that asks a question counts less than one that states something, and whether the words of a question also count for
  /// the memory after it.
  public var prefersStatements: Bool
  /// Nil: the age of a memory does not count.
  public var recency: Recency?
  /// The weight of ``Memory/importance``, 0…10: the product of both is added to the score. The other parts add up to about 3 at most.
  public var importance: Double

  /// How much the age of a memory adds to its score: `weight` if it was created now, and half as much after each half-life.
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
  /// The term that is added to the score of a memory. Both times are milliseconds since 1970; a `createdAt` after `now` counts as `now`.
  func term(createdAt: Int64, now: Int64) -> Double {
    let age = max(0, Double(now) - Double(createdAt))
    return weight * exp2(-age / (halfLife / .milliseconds(1)))
  }
}
