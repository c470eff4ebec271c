import CBLAS
import Files
import TestSupport
import Testing
import VectorSearch

/// No row that scores enough is left out by its code: the bound is never below the score of `cblas_sdot`.
@Suite struct CodeFileTests {
  let directory = TemporaryDirectory()

  private func made(
    _ rows: [[Float]], mean: [Float], dimension: Int, _ name: String, startingAt first: Int = 0
  ) throws -> CodeFile {
    let header = CodeFileHeader(rows: rowHeader(dimension: dimension))
    let path = directory.path(name)
    try CodeFile.create(path: path, header: header, mean: mean)
    let file = try CodeFile(path: path, header: header, isReadOnly: false)
    var encoded = CodeFile.Encoded()
    for row in rows { file.encode(row.span, into: &encoded) }
    try file.write(encoded, fromRow: first)
    return file
  }

  @Test(.timeLimit(.minutes(5)), arguments: [1, 2, 3, 31, 64, 65, 100, 384, 1536, 8192], CodeTier.allCases)
  func theBoundIsNeverBelowTheScore(dimension: Int, tier: CodeTier) throws {
    var generator = SeededGenerator(seed: UInt64(dimension * 8 + (tier == .fine ? 4 : 2)))
    let count = 300
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
    // So small that products with a small query are not normal numbers.
    for row in 10..<60 { rows[row] = rows[row].map { $0 * 1e-20 } }
    let file = try made(rows, mean: mean, dimension: dimension, "codes", startingAt: 77)
    #expect(try file.cover(rowCount: 77 + count) == 77 + count)
    var bounds = [Float](repeating: 0, count: 256)
    for scale: Float in [1, 1e-3, 1e5, 1e-21, 1e-24, 1e-25] {
      let vector = randomVector(dimension, &generator).map { $0 * scale }
      let query = CodeQuery(vector, mean: mean, tier)
      for first in [0, 50, 127, 172] {
        // SAFETY: both arrays hold `dimension` components.
        let scores = (first..<first + 128).map { unsafe cblas_sdot(Int32(dimension), vector, 1, rows[$0], 1) }
        for least in [scores.filter(\.isFinite).max() ?? 0, scores[20], scores[64], -.infinity] {
          let found = file.filter(tier, firstRow: 77 + first, count: 128, query, threshold: query.threshold(least), bounds: &bounds)
          for (place, score) in scores.enumerated() {
            let bound = bounds[(77 + first) % 128 + place]
            // Once for all of them: it takes long.
            if least == -.infinity, scale == 1 { #expect(file.bound(tier, row: 77 + first + place, query).bitPattern == bound.bitPattern) }
            if score < least { continue }
            #expect(found.possible & 1 << LiveMask(place) != 0, "row \(first + place) scores \(score), at least \(least)")
          }
          #expect(found.probable & ~found.possible == 0)
        }
      }
    }
  }

  /// Each product is 0.6 of the least number, and becomes one: the score is larger than any bound that is relative to the norms.
  @Test(.timeLimit(.minutes(5))) func productsBelowTheNormalNumbersAreAllowedFor() throws {
    let dimension = 384
    let row = [Float](repeating: 1e-20, count: dimension)
    let vector = [Float](repeating: 0.6 * 0x1p-75 / 1e-20 * 0x1p-74, count: dimension)
    let file = try made([row], mean: [Float](repeating: 0, count: dimension), dimension: dimension, "codes")
    // SAFETY: both arrays hold `dimension` components.
    let score = unsafe cblas_sdot(Int32(dimension), vector, 1, row, 1)
    try #require(score > 0)
    let query = CodeQuery(vector, mean: file.mean, .fine)
    var bounds = [Float](repeating: 0, count: 256)
    #expect(file.filter(.fine, firstRow: 0, count: 1, query, threshold: query.threshold(score), bounds: &bounds).possible == 1)
  }

  @Test(.timeLimit(.minutes(5))) func aSlotThatWasNeverWrittenExcludesNothing() throws {
    var generator = SeededGenerator(seed: 5)
    let rows = (0..<10).map { _ in randomVector(64, &generator) }
    let file = try made(rows, mean: [Float](repeating: 0.5, count: 64), dimension: 64, "codes", startingAt: 30)
    var bounds = [Float](repeating: 0, count: 256)
    let query = CodeQuery(randomVector(64, &generator), mean: file.mean, .fine)
    let found = file.filter(.fine, firstRow: 0, count: 128, query, threshold: .greatestFiniteMagnitude, bounds: &bounds)
    let written: LiveMask = ((1 << 10) - 1) << 30
    #expect(found.possible == ~written)
    #expect(found.probable == found.possible)
  }

  /// After a power failure a file may be shorter than it was, and a read beyond its end would be a signal.
  @Test(.timeLimit(.minutes(5))) func aShortFileCoversOnlyWholeChunks() throws {
    var generator = SeededGenerator(seed: 6)
    let rows = (0..<300).map { _ in randomVector(16, &generator) }
    let header = try made(rows, mean: [Float](repeating: 0, count: 16), dimension: 16, "codes").header
    let size = CodeFile.sizeBytes(header, rowCount: 300)
    try FileHandle(path: directory.path("codes"), access: .readWrite).truncate(to: size - 1)
    let file = try CodeFile(path: directory.path("codes"), header: header, isReadOnly: false)
    #expect(try file.cover(rowCount: 300) == 256)
    #expect(try file.read(row: 383) == nil && file.read(row: 299) != nil)
    try file.reserve(rowCount: 300)
    #expect(try file.cover(rowCount: 300) == 300)
    try file.trim(toRowCount: 200)
    #expect(try file.cover(rowCount: 300) == 256)
  }

  @Test(.timeLimit(.minutes(5))) func codesAreReadAsTheyWereWritten() throws {
    var generator = SeededGenerator(seed: 7)
    let rows = (0..<150).map { _ in randomVector(100, &generator) }
    let file = try made(rows, mean: randomVector(100, &generator), dimension: 100, "codes", startingAt: 100)
    for number in [0, 27, 28, 149] {
      let found = try #require(try file.read(row: 100 + number))
      var encoded = CodeFile.Encoded()
      let (row, next) = (rows[number], rows[(number + 1) % 150])
      file.encode(row.span, into: &encoded)
      #expect(encoded.hasSameCodes(as: found, at: 0))
      file.encode(next.span, into: &encoded)
      #expect(!encoded.hasSameCodes(as: found, at: 1))
    }
    #expect(try file.read(row: 99)?.map(\.metadata) == [0, 0])
  }

  @Test func aFileOfAnotherStoreIsRefused() throws {
    let header = CodeFileHeader(rows: rowHeader(dimension: 16))
    let mean = [Float](repeating: 0.25, count: 16)
    let path = directory.path("codes")
    try CodeFile.create(path: path, header: header, mean: mean)
    #expect(try CodeFile(path: path, header: header, isReadOnly: true).mean == mean)
    let other = CodeFileHeader(rows: rowHeader(dimension: 17))
    #expect(throws: RowFileError.self) { try CodeFile(path: path, header: other, isReadOnly: true) }
    // One bit of the mean.
    let handle = try FileHandle(path: path, access: .readWrite)
    try handle.write([1], at: RowFileHeader.byteCount + 8)
    #expect(throws: RowFileError.self) { try CodeFile(path: path, header: header, isReadOnly: true) }
    try handle.truncate(to: RowFileHeader.byteCount + 8)
    #expect(throws: RowFileError.self) { try CodeFile(path: path, header: header, isReadOnly: true) }
  }
}
