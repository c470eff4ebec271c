import CBLAS
import TestSupport
import Testing

@testable import VectorSearch

/// A scan for several queries keeps the rows that a sort of all scores would keep, for each of them.
@Suite struct BatchScanTests {
  let directory = TemporaryDirectory()
  private static let dimension = 20

  private func files(_ rows: [[Float]]) throws -> (RowFile, CodeFile) {
    let header = rowHeader(dimension: Self.dimension)
    let file = try RowFile.make(path: directory.path("rows"), rows: rows, header: header)
    let codeHeader = CodeFileHeader(rows: header)
    try CodeFile.create(path: directory.path("codes"), header: codeHeader, mean: [Float](repeating: 0.1, count: Self.dimension))
    let codes = try CodeFile(path: directory.path("codes"), header: codeHeader, isReadOnly: false)
    var encoded = CodeFile.Encoded()
    for row in rows { codes.encode(row.span, into: &encoded) }
    try codes.write(encoded, fromRow: 0)
    return (file, codes)
  }

  /// Few different rows, so that there are many ties.
  private func rows(_ count: Int, _ generator: inout SeededGenerator) -> [[Float]] {
    let some = (0..<max(1, count / 3)).map { _ in randomVector(Self.dimension, &generator) }
    return (0..<count).map { _ in some[Int.random(in: 0..<some.count, using: &generator)] }
  }

  private func queries(_ count: Int, _ reading: CodeReading, _ generator: inout SeededGenerator) -> [BatchScan.Query] {
    (0..<count).map { number in
      let query = randomVector(Self.dimension, &generator)
      return BatchScan.Query(
        CodeFilter(reading, embedding: query), embedding: query, limit: [1, 10, 3, 700][number % 4],
        threshold: number % 5 == 3 ? 0.4 : -.infinity)
    }
  }

  /// The best of some rows and those that tie with the last of them.
  private func expect(_ found: RowScan.Outcome, _ query: BatchScan.Query, _ rows: [[Float]], _ candidates: [Int], _ comment: Comment) {
    // SAFETY: both arrays hold `dimension` components.
    let scores = rows.map { unsafe cblas_sdot(Int32(Self.dimension), query.embedding, 1, $0, 1) }
    let best = candidates.filter { scores[$0] >= query.threshold }.sorted { scores[$0] > scores[$1] }
    let last = best.count > query.limit ? scores[best[query.limit - 1]] : -.infinity
    #expect(Set(found.best.entries.map(\.row)) == Set(best.filter { scores[$0] >= last }), comment)
    #expect(Set(found.best.entries.map(\.row)).count == found.best.entries.count, comment)
    #expect(found.best.entries.allSatisfy { $0.score == scores[$0.row] }, comment)
    #expect(found.rowsScored <= candidates.count && found.rowsCoded <= candidates.count, comment)
  }

  /// Spans at any place, with gaps; rows without trusted codes, and rows behind the end of the codes.
  @Test(.timeLimit(.minutes(5)), arguments: [1, 129, 1200]) func theBestRowsOfEachQueryAreFound(count: Int) throws {
    var generator = SeededGenerator(seed: UInt64(count))
    let rows = rows(count, &generator)
    let (file, codes) = try files(rows)
    var (spans, candidates, first): ([RowSpan], [Int], Int) = ([], [], 0)
    while first < count {
      let length = min(Int.random(in: 1...128, using: &generator), count - first)
      var live = LiveMask.max >> LiveMask(128 - length)
      for place in 0..<length where generator.chance(percent: spans.count % 5 == 4 ? 90 : 10) { live &= ~(1 << LiveMask(place)) }
      candidates += (0..<length).filter { live & 1 << LiveMask($0) != 0 }.map { first + $0 }
      spans.append(RowSpan(firstRow: first, live: live))
      first += length + (generator.chance(percent: 20) ? Int.random(in: 1...30, using: &generator) : 0)
    }
    for (distrusted, end, queryCount, helpers) in [
      ([:], count, 1, 0), ([0: LiveMask.max, 3: 0xff << 60], count, 2, 1), ([:], count / 2, 5, 0), ([1: 0xf0], count, 11, 2),
    ] {
      let reading = CodeReading(file: codes, rowCount: min(end, try codes.cover(rowCount: count)), distrusted: distrusted)
      let queries = queries(queryCount, reading, &generator)
      let outcomes = try BatchScan(file, queries: queries, spans: spans).run(helpers: helpers) {}
      #expect(outcomes.count == queryCount)
      for (number, (query, outcome)) in zip(queries, outcomes).enumerated() {
        expect(outcome, query, rows, candidates, "query \(number) of \(queryCount) in \(count) rows")
      }
    }
    RowScan.awaitHelpers()
  }

  @Test func noSpansHaveNoRows() throws {
    var generator = SeededGenerator(seed: 1)
    let (file, codes) = try files(rows(10, &generator))
    let reading = CodeReading(file: codes, rowCount: try codes.cover(rowCount: 10), distrusted: [:])
    let outcomes = try BatchScan(file, queries: queries(3, reading, &generator), spans: []).run {}
    #expect(outcomes.count == 3 && outcomes.allSatisfy { $0.best.entries.isEmpty })
  }

  @Test(.timeLimit(.minutes(5))) func anErrorEndsTheScan() throws {
    struct Stopped: Error {}
    var generator = SeededGenerator(seed: 2)
    let (file, codes) = try files(rows(640, &generator))
    let reading = CodeReading(file: codes, rowCount: try codes.cover(rowCount: 640), distrusted: [:])
    let scan = BatchScan(file, queries: queries(5, reading, &generator), spans: (0..<40).map { RowSpan(firstRow: $0 * 16, live: 0xffff) })
    for (helpers, last) in [(0, 0), (2, 0), (0, 1), (0, 3)] {
      var calls = 0
      #expect(throws: Stopped.self) {
        _ = try scan.run(helpers: helpers) {
          if calls == last { throw Stopped() }
          calls += 1
        }
      }
    }
    RowScan.awaitHelpers()
  }

  /// A thread that the system does not let run has taken groups: the caller scans them, and what the thread finds later counts no second time.
  @Test(.timeLimit(.minutes(5))) func aGroupThatAnotherThreadDoesNotFinishIsScannedByTheCaller() throws {
    var generator = SeededGenerator(seed: 3)
    let rows = rows(1600, &generator)
    let (file, codes) = try files(rows)
    let reading = CodeReading(file: codes, rowCount: try codes.cover(rowCount: rows.count), distrusted: [:])
    let queries = queries(6, reading, &generator)
    let scan = BatchScan(file, queries: queries, spans: (0..<100).map { RowSpan(firstRow: $0 * 16, live: 0xffff) })
    for round in 0..<6 {
      let work = BatchWork(scan)
      var caller = BatchWorker(scan)
      var stuck = BatchWorker(scan)
      let taken = try [#require(work.groups.next()), #require(work.groups.next())]
      // The caller has scored rows of a group that the other thread adds, and may postpone.
      if round % 2 == 0 { _ = caller.scan(taken[1]) }
      while let group = work.groups.next() { work.scan(group, &caller) }
      #expect(work.groups.unfinishedGroup() == taken.min())
      // It comes back to life in the middle.
      work.scan(taken[0], &caller)
      work.scan(taken[0], &stuck)
      work.scan(taken[1], &stuck)
      work.scan(taken[1], &caller)
      #expect(work.groups.unfinishedGroup() == nil)
      let outcomes = work.finish(&caller) {}
      work.groups.end()
      for (query, outcome) in zip(queries, outcomes) {
        #expect(outcome.rowsCoded == rows.count)
        expect(outcome, query, rows, Array(rows.indices), "round \(round)")
      }
    }
  }
}
