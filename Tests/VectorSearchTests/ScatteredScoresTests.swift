import TestSupport
import Testing
import VectorSearch

/// Scores of rows anywhere in the file, by one thread and by several.
@Suite struct ScatteredScoresTests {
  private struct Stop: Error, Equatable {}

  let directory = TemporaryDirectory()

  /// - Returns: A file of 2,500 rows of a kilobyte, and a query.
  private func file() throws -> (RowFile, [Float]) {
    var generator = SeededGenerator(seed: 5)
    let rows = (0..<2500).map { _ in randomVector(256, &generator) }
    return (try RowFile.make(path: directory.path("rows"), rows: rows, header: rowHeader(dimension: 256)), randomVector(256, &generator))
  }

  @Test(.timeLimit(.minutes(1)), arguments: [0, 1, 700, 2500, 6001]) func scoresAreInTheOrderOfTheRowsAndTheWorkRunsOnce(count: Int) throws
  {
    let (file, query) = try file()
    var generator = SeededGenerator(seed: UInt64(count))
    let rows = (0..<count).map { _ in Int.random(in: -100..<2500, using: &generator) }
    var runs = 0
    let scores = try file.scores(query: query, rows: rows, beside: { runs += 1 }, check: {})
    #expect(runs == 1)
    let expected = rows.map { $0 < 0 ? nil : file.score(query: query.span, row: $0).bitPattern }
    #expect(scores.map { $0.isNaN ? nil : $0.bitPattern } == expected)
  }

  @Test(.timeLimit(.minutes(1))) func whatTheCheckThrowsEndsTheWork() throws {
    let (file, query) = try file()
    #expect(throws: Stop()) {
      try file.scores(query: query, rows: Array(0..<2500), beside: {}, check: { throw Stop() })
    }
  }

  @Test(.timeLimit(.minutes(1))) func manyThreadsMayAskAtOnce() async throws {
    let (file, query) = try file()
    let rows = Array((0..<2500).reversed())
    let expected = rows.map { file.score(query: query.span, row: $0) }
    await withTaskGroup { group in
      for _ in 0..<8 {
        group.addTask { (try? file.scores(query: query, rows: rows, beside: {}, check: {})) == expected }
      }
      for await isEqual in group { #expect(isEqual) }
    }
  }
}
