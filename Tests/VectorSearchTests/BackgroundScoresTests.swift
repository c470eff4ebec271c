import TestSupport
import Testing
import VectorSearch

/// Scores of rows anywhere in the file, computed by the caller alone and with the help of other threads.
@Suite struct BackgroundScoresTests {
  private struct Stop: Error, Equatable {}

  let directory = TemporaryDirectory()

  /// - Returns: A file of 2,500 rows of a kilobyte, and a query.
  private func file(_ name: String = "rows") throws -> (RowFile, [Float]) {
    var generator = SeededGenerator(seed: 5)
    let rows = (0..<2500).map { _ in randomVector(256, &generator) }
    return (try RowFile.make(path: directory.path(name), rows: rows, header: rowHeader(dimension: 256)), randomVector(256, &generator))
  }

  private static func scores(of rows: [Int], _ file: RowFile, _ query: [Float]) throws -> [UInt32?] {
    var scores = BackgroundScores(file, query: query)
    for row in rows { scores.add(row: row) }
    return try scores.finish(check: {}).map { $0.isNaN ? nil : $0.bitPattern }
  }

  @Test(.timeLimit(.minutes(5)), arguments: [0, 1, 1023, 1024, 1025, 2048, 6001, 40_000])
  func scoresAreInTheOrderOfTheRows(count: Int) throws {
    let (file, query) = try file()
    var generator = SeededGenerator(seed: UInt64(count))
    let rows = (0..<count).map { _ in Int.random(in: -100..<2500, using: &generator) }
    let expected = rows.map { $0 < 0 ? nil : file.score(query: query.span, row: $0).bitPattern }
    #expect(try Self.scores(of: rows, file, query) == expected)
  }

  @Test(.timeLimit(.minutes(5))) func whatTheCheckThrowsEndsTheWork() throws {
    let (file, query) = try file()
    var scores = BackgroundScores(file, query: query)
    for row in 0..<20_000 { scores.add(row: row % 2500) }
    #expect(throws: Stop()) { try scores.finish(check: { throw Stop() }) }
  }

  /// When a search fails before its end, no thread uses the rows any more and no file stays open, even if its threads have not begun.
  @Test(.timeLimit(.minutes(5))) func abandonedWorkKeepsNoFile() throws {
    for round in 0..<20 {
      weak var released: RowFile?
      do {
        let (file, query) = try file("rows-\(round)")
        released = file
        var scores = BackgroundScores(file, query: query)
        for row in 0..<10_000 { scores.add(row: row % 2500) }
      }
      #expect(released == nil)
    }
  }

  @Test(.timeLimit(.minutes(5))) func manyThreadsMayAskAtOnce() async throws {
    let (file, query) = try file()
    let rows = (0..<10_000).map { 2499 - $0 % 2500 }
    let expected = rows.map { file.score(query: query.span, row: $0).bitPattern as UInt32? }
    await withTaskGroup { group in
      for _ in 0..<8 { group.addTask { (try? Self.scores(of: rows, file, query)) == expected } }
      for await isEqual in group { #expect(isEqual) }
    }
  }
}
