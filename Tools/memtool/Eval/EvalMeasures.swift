import Foundation

/// How well the evidence of questions was found, as means over the questions.
struct EvalMeasures {
  static let names = ["recall@5", "recall@10", "hit@5", "hit@10", "MRR@10", "nDCG@10"]
  /// How many results a search is asked for.
  static let depth = 10

  private(set) var questions = 0
  private var sums = [Double](repeating: 0, count: names.count)

  /// In the order of ``names``; 0…1.
  var means: [Double] { sums.map { questions == 0 ? 0 : $0 / Double(questions) } }

  /// Counts one question.
  ///
  /// - Parameter found: What the search returned, best first.
  mutating func add(found: [String], evidence: Set<String>) {
    questions += 1
    let hits = found.prefix(Self.depth).map(evidence.contains)
    for (index, depth) in [5, 10].enumerated() {
      let count = hits.prefix(depth).count { $0 }
      sums[index] += Double(count) / Double(evidence.count)
      sums[2 + index] += count > 0 ? 1 : 0
    }
    if let first = hits.firstIndex(of: true) { sums[4] += 1 / Double(first + 1) }
    let gain = hits.enumerated().reduce(0.0) { $0 + ($1.element ? 1 / log2(Double($1.offset + 2)) : 0) }
    let ideal = (0..<min(evidence.count, Self.depth)).reduce(0.0) { $0 + 1 / log2(Double($1 + 2)) }
    sums[5] += gain / ideal
  }
}

/// The measures of each mode by category.
struct EvalTable {
  static let all = "all"

  private(set) var modes: [String] = []
  private var cells: [String: [String: EvalMeasures]] = [:]

  mutating func add(mode: String, category: String, found: [String], evidence: Set<String>) {
    if cells[mode] == nil { modes.append(mode) }
    for name in [category, Self.all] { cells[mode, default: [:]][name, default: EvalMeasures()].add(found: found, evidence: evidence) }
  }

  /// Categories in order, `all` last.
  func categories(of mode: String) -> [String] {
    (cells[mode] ?? [:]).keys.sorted { ($0 == Self.all ? 1 : 0, $0) < ($1 == Self.all ? 1 : 0, $1) }
  }

  subscript(mode: String, category: String) -> EvalMeasures { cells[mode]?[category] ?? EvalMeasures() }
}
