import TestSupport
import Testing

@testable import Engram

@Suite struct PatternSetTests {
  @Test(arguments: 0..<12) func findsWhatANaiveSearchFinds(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<20 {
      let alphabet: [UInt8] = random.chance(percent: 50) ? [0, 1] : [0, 97, 98, 255]
      let bytes = random.bytes(of: alphabet, count: Int.random(in: 0...400, using: &random))
      let least = Int.random(in: 8...20, using: &random)
      let patterns = random.patterns(Int.random(in: 0...40, using: &random), least: least, alphabet: alphabet, from: bytes)
      let set = PatternSet(patternList(patterns))
      #expect(set.occurrences(in: bytes) == naiveSearch(patterns, in: bytes))
      let limit = Int.random(in: -1...bytes.count + 1, using: &random)
      #expect(set.occurrences(in: bytes, startsBelow: limit) == naiveSearch(patterns, in: bytes, startsBelow: limit))
    }
  }

  @Test(arguments: [8, 9, 14, 15, 16, 17, 40]) func findsAPatternAtEveryOffset(length: Int) {
    var random = SeededGenerator(seed: UInt64(length))
    let pattern = random.bytes(count: length)
    let set = PatternSet(patternList([(.text, pattern)]))
    for offset in 0..<40 {
      for rest in 0..<20 {
        let bytes = [UInt8](repeating: 7, count: offset) + pattern + [UInt8](repeating: 7, count: rest)
        #expect(set.occurrences(in: bytes) == [Occurrence(offset: offset, pattern: pattern, kind: .text)])
        #expect(set.occurrences(in: Array(bytes.dropLast(rest + 1))).isEmpty)
      }
    }
  }

  @Test func manyPatternsWithOneBeginningAreToldApart() {
    var random = SeededGenerator(seed: 5)
    let patterns = (0..<3000).map { _ in (ErasureScan.Kind.text, Array("The user likes ".utf8) + random.bytes(count: 9)) }
    let set = PatternSet(patternList(patterns))
    #expect(set.count == 3000)
    for (index, pattern) in patterns.enumerated() where index % 50 == 0 {
      let bytes = random.bytes(count: 3) + pattern.1 + Array("The user likes none of it at all".utf8)
      #expect(set.occurrences(in: bytes) == [Occurrence(offset: 3, pattern: pattern.1, kind: .text)])
    }
  }

  @Test func ofEqualPatternsTheFirstCounts() {
    let pattern = Array("sixteen bytes ..".utf8)
    let set = PatternSet(patternList([(.embedding, pattern), (.text, pattern), (.text, Array(pattern.prefix(9)))]))
    #expect(set.count == 2)
    #expect(set.counts { _ in true } == [.embedding: 1, .text: 1])
    #expect(set.occurrences(in: pattern).map(\.kind) == [.embedding, .text])
  }

  @Test func aFilteredSetFindsTheRest() {
    var random = SeededGenerator(seed: 9)
    let bytes = random.bytes(of: [1, 2], count: 2000)
    let patterns = random.patterns(200, least: 8, alphabet: [1, 2], from: bytes)
    let set = PatternSet(patternList(patterns))
    let rest = set.filtered { $0 % 3 != 0 }
    let kept = (0..<set.count).filter { $0 % 3 != 0 }.map { (kind: set.kind(of: $0), bytes: Array(set.bytes(of: $0))) }
    #expect(rest.count == kept.count)
    #expect(rest.occurrences(in: bytes) == naiveSearch(kept, in: bytes))
  }

  @Test func anEmptySetFindsNothing() {
    let set = PatternSet(PatternList())
    #expect(set.count == 0)
    #expect(set.occurrences(in: [UInt8](repeating: 0, count: 100)).isEmpty)
  }
}
