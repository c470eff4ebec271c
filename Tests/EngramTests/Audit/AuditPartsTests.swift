import TestSupport
import Testing

@testable import Engram

/// The small parts of an audit.
@Suite struct AuditPartsTests {
  @Test func quantilesAreNearestRanks() throws {
    #expect(Quantiles([]) == nil)
    let one = try #require(Quantiles([7]))
    #expect([one.minimum, one.percent25, one.median, one.percent75, one.percent90, one.percent99, one.maximum] == [7, 7, 7, 7, 7, 7, 7])
    for count in [2, 3, 4, 5, 10, 99, 100, 101] {
      var random = SeededGenerator(seed: UInt64(count))
      let counts = (1...count).shuffled(using: &random)
      let found = try #require(Quantiles(counts))
      // The smallest value that at least that share of all values does not exceed.
      func expected(_ share: Double) -> Int { counts.sorted().first { Double($0) >= share * Double(count) - 1e-9 }! }
      #expect(
        [found.minimum, found.percent25, found.median, found.percent75, found.percent90, found.percent99, found.maximum]
          == [1, expected(0.25), expected(0.5), expected(0.75), expected(0.9), expected(0.99), count])
    }
  }

  @Test(arguments: [1, 2, 3, 10, 1_000, Int.max]) func aRankingIsThePrefixOfTheSorted(_ limit: Int) {
    var random = SeededGenerator(seed: UInt64(limit))
    for count in [0, 1, 2, 7, 500] {
      let elements = (0..<count).map { _ in Int.random(in: 0...300, using: &random) }
      var ranking = Ranking<Int>(limit: limit, by: >)
      for element in elements { ranking.insert(element) }
      #expect(ranking.count == count)
      #expect(ranking.sorted() == Array(elements.sorted(by: >).prefix(limit)))
    }
  }

  @Test func namesBeyondTheBoundAreCountedAndSaidToBe() {
    var tally = NameTally()
    for number in 0..<(NameTally.nameLimit + 5) { tally.add("\(number)") }
    for _ in 0..<3 { tally.add("17") }
    tally.add("beyond")
    let names = tally.names(limit: 2)
    #expect(names.distinct == NameTally.nameLimit && names.uncounted == 6 && names.occurrences == NameTally.nameLimit + 9)
    #expect(names.commonest == [.init(name: "17", count: 4), .init(name: "0", count: 1)])
  }

  @Test(arguments: [0, 1, 79, 80, 81, 200]) func anExcerptIsTheFirst80CodePoints(_ count: Int) {
    // Combining marks: one character, however many code points there are.
    let text = String(repeating: "\u{301}", count: count)
    #expect(StoreAudit.excerpt(text).unicodeScalars.count == min(count, 80) + (count > 80 ? 1 : 0))
    #expect(text.unicodeScalars.starts(with: StoreAudit.excerpt(text).unicodeScalars.prefix(80)))
    #expect(StoreAudit.excerpt(text).hasSuffix("…") == (count > 80))
  }
}
