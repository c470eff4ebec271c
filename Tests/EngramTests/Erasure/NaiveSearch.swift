import TestSupport

@testable import Engram

/// An occurrence, as both the naive search and the matcher report it.
struct Occurrence: Equatable {
  let offset: Int
  let pattern: [UInt8]
  let kind: ErasureScan.Kind
}

/// Compares every pattern with every offset: at one offset the longest comes first, and of equal patterns the first one counts.
func naiveSearch(_ patterns: [(kind: ErasureScan.Kind, bytes: [UInt8])], in bytes: [UInt8], startsBelow limit: Int = .max) -> [Occurrence] {
  var kinds: [[UInt8]: ErasureScan.Kind] = [:]
  for pattern in patterns where kinds[pattern.bytes] == nil { kinds[pattern.bytes] = pattern.kind }
  let ordered = kinds.sorted { $0.key.count > $1.key.count }
  return bytes.indices.prefix(max(limit, 0)).flatMap { offset in
    ordered.filter { bytes[offset...].starts(with: $0.key) }.map { Occurrence(offset: offset, pattern: $0.key, kind: $0.value) }
  }
}

func patternList(_ patterns: [(kind: ErasureScan.Kind, bytes: [UInt8])]) -> PatternList {
  var list = PatternList()
  for pattern in patterns { list.append(pattern.kind, pattern.bytes[...]) }
  return list
}

extension PatternSet {
  func occurrences(in bytes: [UInt8], startsBelow limit: Int = .max) -> [Occurrence] {
    var found: [Occurrence] = []
    withRawSpan(bytes) { span in
      forEachMatch(in: span, startsBelow: limit) { pattern, offset in
        found.append(Occurrence(offset: offset, pattern: Array(self.bytes(of: pattern)), kind: kind(of: pattern)))
      }
    }
    return found
  }
}

extension SeededGenerator {
  /// Bytes of a small alphabet, so that patterns overlap, contain one another and occur by chance.
  mutating func bytes(of alphabet: [UInt8], count: Int) -> [UInt8] { (0..<count).map { _ in element(of: alphabet) } }

  /// Patterns that nest, overlap and repeat, some cut from `bytes`, of `least` bytes or more.
  mutating func patterns(
    _ count: Int, least: Int, alphabet: [UInt8], from bytes: [UInt8]
  ) -> [(kind: ErasureScan.Kind, bytes: [UInt8])] {
    var patterns: [(kind: ErasureScan.Kind, bytes: [UInt8])] = []
    for _ in 0..<count {
      let length = Int.random(in: least...least + 24, using: &self)
      let kind = element(of: ErasureScan.Kind.allCases)
      if chance(percent: 50), bytes.count > length {
        let start = Int.random(in: 0...bytes.count - length, using: &self)
        patterns.append((kind, Array(bytes[start..<start + length])))
      } else if chance(percent: 30), let other = patterns.last?.bytes {
        // One that begins with the previous pattern, the previous pattern itself, or the beginning of it.
        patterns.append((kind, chance(percent: 50) ? Array(other.prefix(least)) : other + self.bytes(of: alphabet, count: length % 3)))
      } else {
        patterns.append((kind, self.bytes(of: alphabet, count: length)))
      }
    }
    return patterns
  }
}
