/// The distribution of counts. A quantile is the smallest count that at least its percentage of all counts does not exceed ("nearest
/// rank").
public struct Quantiles: Sendable, Hashable, Codable {
  public let minimum: Int
  public let percent25: Int
  public let median: Int
  public let percent75: Int
  public let percent90: Int
  public let percent99: Int
  public let maximum: Int

  /// Nil if there are no counts.
  init?(_ counts: [Int]) {
    guard !counts.isEmpty else { return nil }
    let sorted = counts.sorted()
    func quantile(_ percent: Int) -> Int { sorted[max(0, (sorted.count * percent + 99) / 100 - 1)] }
    minimum = quantile(0)
    percent25 = quantile(25)
    median = quantile(50)
    percent75 = quantile(75)
    percent90 = quantile(90)
    percent99 = quantile(99)
    maximum = quantile(100)
  }
}
