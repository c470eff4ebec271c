import Foundation

/// How long the calls of one kind took, in milliseconds.
struct Waits: Codable {
  /// Calls by the logarithm of their microseconds, in steps of a sixteenth of a doubling, so that another process gets few bytes.
  private var buckets: [Int: Int] = [:]
  private(set) var errors: [String] = []
  private(set) var calls = 0
  private(set) var longest = 0.0
  private(set) var overLimit = 0

  /// A wait that a person would notice, in milliseconds.
  static let limit = 50.0

  /// The wait that all but 1 % of the calls stay below, exact to 5 %.
  var percentile99: Double {
    var seen = 0
    for (bucket, count) in buckets.sorted(by: { $0.key < $1.key }) {
      seen += count
      if seen * 100 >= calls * 99 { return exp2(Double(bucket + 1) / 16) / 1000 }
    }
    return 0
  }

  mutating func add(_ milliseconds: Double) {
    buckets[Int(log2(max(milliseconds * 1000, 0.01)) * 16), default: 0] += 1
    calls += 1
    longest = max(longest, milliseconds)
    if milliseconds > Self.limit { overLimit += 1 }
  }

  mutating func fail(_ error: any Error) { errors.append("\(error)") }

  mutating func measure<Value>(_ body: () throws -> Value) {
    let start = ContinuousClock.now
    do { _ = try body() } catch { fail(error) }
    add(milliseconds(since: start))
  }

  mutating func measure<Value>(isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Value) async {
    let start = ContinuousClock.now
    do { _ = try await body() } catch { fail(error) }
    add(milliseconds(since: start))
  }

  mutating func merge(_ other: Waits) {
    buckets.merge(other.buckets, uniquingKeysWith: +)
    errors += other.errors
    calls += other.calls
    longest = max(longest, other.longest)
    overLimit += other.overLimit
  }
}

func milliseconds(since start: ContinuousClock.Instant) -> Double { milliseconds(.now - start) }

func milliseconds(_ duration: Duration) -> Double { duration / .milliseconds(1) }
