import CBLAS
import TestSupport
import Testing
import VectorSearch

/// Every score lies between its bounds, and is known exactly once its row was scored.
@Suite struct ScoreBoundsTests {
  let directory = TemporaryDirectory()

  @Test(.timeLimit(.minutes(5)), arguments: [1, 2, 31, 64, 65, 384, 1536, 8192])
  func scoresLieWithinTheirBounds(dimension: Int) throws {
    var generator = SeededGenerator(seed: UInt64(dimension * 8))
    let count = 400
    var rows = (0..<count).map { _ in randomVector(dimension, &generator) }
    let mean = randomVector(dimension, &generator).map { dimension % 2 == 0 ? $0 / 4 : 0 }
    // Zeros, the mean, denormals, huge and tiny ones, duplicates, one ulp apart, not finite.
    rows[0] = [Float](repeating: 0, count: dimension)
    rows[1] = mean
    rows[2] = rows[2].map { $0 * 0x1p-140 }
    rows[3] = rows[3].map { $0 * 1e18 }
    rows[4] = rows[4].map { $0 * 1e-18 }
    rows[5] = rows[6]
    rows[7] = rows[6].map(\.nextUp)
    rows[8][0] = .infinity
    rows[9][0] = .greatestFiniteMagnitude
    for row in 10..<60 { rows[row] = rows[row].map { $0 * 1e-20 } }
    let file = try RowFile.make(path: directory.path("rows"), rows: rows, header: rowHeader(dimension: dimension))
    try file.cover(rowCount: count)
    let header = CodeFileHeader(rows: rowHeader(dimension: dimension))
    try CodeFile.create(path: directory.path("codes"), header: header, mean: mean)
    let codes = try CodeFile(path: directory.path("codes"), header: header, isReadOnly: false)
    var encoded = CodeFile.Encoded()
    for row in rows[..<390] { codes.encode(row.span, into: &encoded) }
    try codes.write(encoded, fromRow: 0)
    #expect(try codes.cover(rowCount: count) == count)
    // Rows of a chunk boundary are distrusted, the last five are not covered, and those before were never written.
    let reading = CodeReading(file: codes, rowCount: 395, distrusted: [0: 1 << 127 | 1 << 40, 1: 0b11])
    // Runs, single rows, and places without a row.
    let places = Array(0..<300) + [-1, 7, -1, -1] + (0..<80).map { $0 * 5 % count } + [-2, -1] + Array(200..<count) + [0]
    for scale: Float in [1, 1e-3, 1e5, 1e-21, 1e-24] {
      let vector = randomVector(dimension, &generator).map { $0 * scale }
      // SAFETY: both arrays hold `dimension` components.
      let scores = rows.map { unsafe cblas_sdot(Int32(dimension), vector, 1, $0, 1) }
      var bounds = try ScoreBounds(file, reading, query: vector, rows: places, check: {})
      var bounded = 0
      for (place, row) in places.enumerated() {
        if row < 0 {
          #expect(bounds.lower[place].isNaN && bounds.upper[place].isNaN)
          bounds.resolve(place)
          #expect(bounds.lower[place].isNaN && bounds.isResolved(place))
          continue
        }
        if !bounds.isResolved(place) {
          bounded += 1
          #expect(bounds.lower[place] <= scores[row] && scores[row] <= bounds.upper[place], "row \(row) scores \(scores[row])")
        }
        bounds.prefetch(place)
        bounds.resolve(place)
        let (lower, upper) = (bounds.lower[place], bounds.upper[place])
        #expect(scores[row].isNaN ? lower.isNaN && upper.isNaN : lower == scores[row] && upper == scores[row], "row \(row)")
        #expect(bounds.isResolved(place))
      }
      #expect(bounded > 300 && bounded == bounds.rowsCoded)
      #expect(bounds.rowsScored == places.count { $0 >= 0 })
      #expect(bounds.areFinite == places.allSatisfy { $0 < 0 || scores[$0].isFinite })
    }
  }

  @Test(.timeLimit(.minutes(5))) func rowsWithoutATrustedCodeAreScoredAtOnce() throws {
    var generator = SeededGenerator(seed: 9)
    let rows = (0..<260).map { _ in randomVector(32, &generator) }
    let file = try RowFile.make(path: directory.path("rows"), rows: rows, header: rowHeader(dimension: 32))
    try file.cover(rowCount: rows.count)
    let header = CodeFileHeader(rows: rowHeader(dimension: 32))
    try CodeFile.create(path: directory.path("codes"), header: header, mean: [Float](repeating: 0, count: 32))
    let codes = try CodeFile(path: directory.path("codes"), header: header, isReadOnly: false)
    var encoded = CodeFile.Encoded()
    for row in rows[..<250] { codes.encode(row.span, into: &encoded) }
    try codes.write(encoded, fromRow: 0)
    try codes.reserve(rowCount: rows.count)
    let reading = CodeReading(file: codes, rowCount: 255, distrusted: [0: 1 << 127, 1: 0b10])
    let bounds = try ScoreBounds(file, reading, query: randomVector(32, &generator), rows: Array(0..<260), check: {})
    let resolved = (0..<260).filter { bounds.isResolved($0) }
    #expect(resolved == [127, 129] + Array(250..<260))
    #expect(bounds.rowsScored == 12 && bounds.rowsCoded == 248)
  }

  @Test(.timeLimit(.minutes(5))) func whatTheCheckThrowsEndsTheWork() throws {
    struct Stop: Error {}
    let file = try RowFile.make(path: directory.path("rows"), rows: [[1]], header: rowHeader(dimension: 1))
    let header = CodeFileHeader(rows: rowHeader(dimension: 1))
    try CodeFile.create(path: directory.path("codes"), header: header, mean: [0])
    let codes = try CodeFile(path: directory.path("codes"), header: header, isReadOnly: false)
    let reading = CodeReading(file: codes, rowCount: 0, distrusted: [:])
    #expect(throws: Stop.self) {
      _ = try ScoreBounds(file, reading, query: [1], rows: [Int](repeating: 0, count: 1 << 17), check: { throw Stop() })
    }
  }

  /// Rows in a few directions are told apart by their codes, those of random directions are not.
  @Test(.timeLimit(.minutes(5))) func aSampleSaysWhetherBoundsTellAnything() throws {
    var generator = SeededGenerator(seed: 31)
    let axis = randomVector(384, &generator)
    let header = CodeFileHeader(rows: rowHeader(dimension: 384))
    for (name, isSpread) in [("spread", true), ("random", false)] {
      try CodeFile.create(path: directory.path(name), header: header, mean: [Float](repeating: 0, count: 384))
      let codes = try CodeFile(path: directory.path(name), header: header, isReadOnly: false)
      var encoded = CodeFile.Encoded()
      for row in 0..<1100 {
        let noise = randomVector(384, &generator)
        let values = isSpread ? zip(axis, noise).map { $0 * Float(row % 100 - 50) / 50 + $1 * 0.05 } : noise
        codes.encode(values.span, into: &encoded)
      }
      try codes.write(encoded, fromRow: 0)
      let reading = CodeReading(file: codes, rowCount: try codes.cover(rowCount: 1100), distrusted: [:])
      let share = ScoreBounds.undecidedShare(reading, query: axis)
      #expect(isSpread ? (0.001..<0.5).contains(share) : share > 0.9, "\(name): \(share)")
      // Too few codes say nothing.
      let few = CodeReading(file: codes, rowCount: 1000, distrusted: [:])
      #expect(ScoreBounds.undecidedShare(few, query: axis) == 0)
    }
  }
}
