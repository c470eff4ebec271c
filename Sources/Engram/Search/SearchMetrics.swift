import Metrics

/// The metrics of searches, for swift-metrics: those of a store, and those of a snapshot.
enum SearchMetrics {
  private static let searches = Counter(label: "engram.searches")
  private static let failures = Counter(label: "engram.search.failures")
  private static let duration = Metrics.Timer(label: "engram.search.duration")

  /// Counts and times a call that makes `count` searches.
  static func measured<Value>(_ count: Int, _ body: () throws -> Value) throws -> Value {
    let start = ContinuousClock.now
    searches.increment(by: count)
    defer { duration.recordNanoseconds((ContinuousClock.now - start).nanoseconds) }
    do {
      return try body()
    } catch {
      if !(error is CancellationError) { failures.increment(by: count) }
      throw error
    }
  }
}
