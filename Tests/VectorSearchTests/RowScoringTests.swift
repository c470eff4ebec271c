import CBLAS
import TestSupport
import TestTraps
import Testing
import VectorSearch

@Suite struct RowScoringTests {
  let directory = TemporaryDirectory()

  private struct Visit: Equatable {
    let slot: Int
    let score: UInt32
  }

  private struct Stop: Error, Equatable {}

  @Test(arguments: [1, 2, 3, 7, 15, 16, 17, 31, 33, 64, 100, 384, 768])
  func scoresAreTheDotProductOfTheUnpaddedRow(dimension: Int) throws {
    var generator = SeededGenerator(seed: UInt64(100 + dimension))
    let header = rowHeader(dimension: dimension)
    let rows = try (0..<64).map { _ in
      try VectorPreparation.prepare(randomVector(dimension, &generator), dimension: dimension, metric: .cosine)
    }
    let file = try RowFile.make(path: directory.path("rows"), rows: rows, header: header)
    for _ in 0..<10 {
      let query = try VectorPreparation.prepare(randomVector(dimension, &generator), dimension: dimension, metric: .cosine)
      for (index, row) in rows.enumerated() {
        let score = file.score(query: query.span, row: index)
        let naive = zip(query, row).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        #expect(abs(Double(score) - naive) <= 1e-5)
        // SAFETY: both arrays hold `dimension` components.
        let reference = unsafe cblas_sdot(Int32(dimension), query, 1, row, 1)
        #expect(score.bitPattern == reference.bitPattern)
      }
    }
  }

  @Test func aRowsPaddingAndItsNeighboursDoNotCount() throws {
    let header = rowHeader(dimension: 3)
    let file = try RowFile.make(path: directory.path("rows"), rows: [[8, 8, 8], [1, 2, 3], [8, 8, 8]], header: header)
    // Padding that is not zero, as a faulty writer would leave it.
    try file.write(strides: [1, 2, 3] + [Float](repeating: 1_000, count: 13), fromRow: 1)
    #expect(file.score(query: ([1, 10, 100] as [Float]).span, row: 1) == 321)
  }

  @Test func everyLiveRowOfABlockIsVisitedOnceInOrder() throws {
    var generator = SeededGenerator(seed: 70)
    let rows = (0..<300).map { _ in randomVector(17, &generator) }
    let file = try RowFile.make(path: directory.path("rows"), rows: rows, header: rowHeader(dimension: 17))
    let query = randomVector(17, &generator)
    var masks: [LiveMask] = [0, .max, 1, 1 << 127, (1 << 127) | 1, 1 << 63, 1 << 64, LiveMask(UInt64.max), LiveMask(UInt64.max) << 64]
    masks += (0..<100).map { _ in LiveMask.random(in: 0 ... .max, using: &generator) }
    masks += (0..<50).map { _ in
      LiveMask.random(in: 0 ... .max, using: &generator) & LiveMask.random(in: 0 ... .max, using: &generator)
        & LiveMask.random(in: 0 ... .max, using: &generator)
    }
    for mask in masks {
      let firstRow = Int.random(in: 0...(rows.count - RowFile.blockCapacity), using: &generator)
      var visits: [Visit] = []
      file.forEachScore(query: query.span, firstRow: firstRow, live: mask) { slot, score in
        visits.append(Visit(slot: slot, score: score.bitPattern))
      }
      let expected = (0..<RowFile.blockCapacity).filter { mask >> $0 & 1 == 1 }.map {
        Visit(slot: $0, score: file.score(query: query.span, row: firstRow + $0).bitPattern)
      }
      #expect(visits == expected)
    }
    #expect(RowFile.blockCapacity == LiveMask.bitWidth)
  }

  @Test func anErrorOfTheBodyEndsTheWalk() throws {
    let rows = (0..<128).map { [Float($0)] }
    let file = try RowFile.make(path: directory.path("rows"), rows: rows, header: rowHeader(dimension: 1))
    var visited: [Int] = []
    #expect(throws: Stop()) {
      try file.forEachScore(query: ([1] as [Float]).span, firstRow: 0, live: .max) { slot, score throws(Stop) in
        visited.append(slot)
        if score == 5 { throw Stop() }
      }
    }
    #expect(visited == [0, 1, 2, 3, 4, 5])
  }

  @Test func aQueryOfAnotherDimensionTraps() async {
    let path = directory.path("rows")
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [path = path as String] in
      let file = try RowFile.make(path: path, rows: [[1, 2, 3]], header: rowHeader(dimension: 3))
      _ = file.score(query: ([1, 2] as [Float]).span, row: 0)
    }
    expectTrap(result, "a query has the store's dimension")
  }
}
