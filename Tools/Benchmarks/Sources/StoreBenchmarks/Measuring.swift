import Foundation

/// Runs `a` and `b` in turn, so that a change of the machine's speed affects both.
///
/// - Returns: The medians in seconds, and the median of the ratios a/b, pair by pair.
func interleaved(
  rounds: Int, _ a: () async throws -> Void, _ b: () async throws -> Void
) async throws -> (a: Double, b: Double, ratio: Double) {
  var firsts: [Double] = []
  var others: [Double] = []
  for _ in 0..<rounds {
    firsts.append(try await seconds { try await a() })
    others.append(try await seconds { try await b() })
  }
  return (median(firsts), median(others), median(zip(firsts, others).map { $0 / $1 }))
}

func seconds(_ body: () async throws -> Void) async throws -> Double {
  let start = ContinuousClock.now
  try await body()
  return (ContinuousClock.now - start) / .seconds(1)
}

func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  return sorted.isEmpty ? .nan : (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}

/// A line of the table: what, measured, target, and whether it is reached.
struct Row: Encodable {
  var name: String
  let measured: String
  let target: String
  let isReached: Bool
  /// The measured numbers, for programs.
  var values: [String: Double] = [:]

  static func print(_ rows: [Row]) {
    let widths = [\Row.name, \Row.measured, \Row.target].map { path in rows.map { $0[keyPath: path].count }.max() ?? 0 }
    for row in rows {
      let cells = zip([row.name, row.measured, row.target], widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
      Swift.print("| \(cells.joined(separator: " | ")) | \(row.isReached ? "reached" : "MISSED ") |")
    }
  }
}

func number(_ value: Double, digits: Int = 0) -> String {
  value.formatted(.number.precision(.fractionLength(digits)).locale(Locale(identifier: "en_US_POSIX")).grouping(.automatic))
}

/// Deterministic numbers (SplitMix64), so that runs can be compared.
struct Generator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
