import VectorSearch

/// How two embeddings are compared. Every score is "higher is better".
public enum Metric: String, Sendable, Hashable, Codable, CaseIterable {
  /// The cosine of the angle between the two: rows and queries are scaled to unit length, and scores lie in −1…1.
  case cosine
  /// The plain dot product of the two, unscaled.
  case dot

  var rows: RowMetric {
    switch self {
    case .cosine: .cosine
    case .dot: .dot
    }
  }
}
