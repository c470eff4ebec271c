@testable import Engram

/// The search for traces of erased data, compared with a naive one.
enum PatternTarget {
  /// The input: how many patterns, for each its length and bytes, then what is searched.
  static func run(_ input: [UInt8]) throws {
    var rest = FuzzInput(input)
    var list = PatternList()
    var patterns: [[UInt8]] = []
    for _ in 0..<rest.byte() % 16 {
      let pattern = rest.bytes(PatternSet.shortestBytes + Int(rest.byte() % 40))
      guard pattern.count >= PatternSet.shortestBytes else { break }
      list.append(ErasureScan.Kind.allCases[patterns.count % ErasureScan.Kind.allCases.count], pattern[...])
      if !patterns.contains(pattern) { patterns.append(pattern) }
    }
    let searched = rest.remaining
    let set = PatternSet(list)
    var found: [(Int, [UInt8])] = []
    withSpan(searched) { span in set.forEachMatch(in: span) { pattern, offset in found.append((offset, Array(set.bytes(of: pattern)))) } }
    let ordered = patterns.sorted { $0.count > $1.count }
    let expected = searched.indices.flatMap { offset in
      ordered.filter { searched[offset...].starts(with: $0) }.map { (offset, $0) }
    }
    try require(found.elementsEqual(expected, by: ==), "found \(found), there is \(expected)")
  }
}
