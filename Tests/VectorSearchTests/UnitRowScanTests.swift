import CBLAS
import Foundation
import TestSupport
import Testing
@testable import VectorSearch

/// A scan that excludes rows by an approximate product keeps the rows that `cblas_sdot` alone would keep.
@Suite struct UnitRowScanTests {
  let directory = TemporaryDirectory()

  private static var levels: [Int32] { Array(0...CodeFile.level) }

  private func unit(_ vector: [Float]) throws -> [Float] {
    try VectorPreparation.prepare(vector, dimension: vector.count, metric: .cosine)
  }

  @Test(arguments: [1, 2, 7, 15, 16, 17, 31, 63, 64, 65, 127, 384, 1000, 8192])
  func productsLieWithinTheMarginOfBLASAtEveryLevel(dimension: Int) throws {
    var generator = SeededGenerator(seed: UInt64(dimension))
    let query = try unit(randomVector(dimension, &generator))
    // Also rows like the query, whose products are all positive, so that rounding adds up, and one of tiny components but one.
    let tiny = (0..<dimension).map { $0 == 0 ? Float(1) : Float.leastNonzeroMagnitude * Float($0 % 5) }
    let others = try (0..<40).map { _ in try unit(randomVector(dimension, &generator)) }
    let rows = try [query, query.map { -$0 }, unit(query.map { abs($0) }), tiny] + others
    let file = try RowFile.make(path: directory.path("rows"), rows: rows, header: rowHeader(dimension: dimension))
    try file.cover(rowCount: rows.count)
    for level in Self.levels {
      for row in rows.indices {
        let product = Double(file.approximateScore(query: query.span, row: row, level: level))
        let score = Double(file.score(query: query.span, row: row))
        #expect(abs(product - score) <= UnitRowScan.margin(dimension: dimension), "level \(level), row \(row)")
        let exact = zip(query, rows[row]).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        #expect(abs(product - exact) <= UnitRowScan.margin(dimension: dimension) / 2, "level \(level), row \(row)")
      }
    }
  }

  @Test(arguments: [1, 3, 64, 384])
  func theBestRowsAreThoseOfAllScores(dimension: Int) throws {
    var generator = SeededGenerator(seed: UInt64(dimension))
    let base = try unit(randomVector(dimension, &generator))
    // Duplicates, and rows that differ from others by one step of one component: their order depends on the last bits of their scores.
    let rows = try (0..<600).map { number -> [Float] in
      switch number % 4 {
      case 0: return base
      case 1:
        var near = base
        let place = Int.random(in: 0..<dimension, using: &generator)
        near[place] = Bool.random(using: &generator) ? near[place].nextUp : near[place].nextDown
        return near
      default: return try unit(zip(base, randomVector(dimension, &generator)).map { $0 + $1 * Float(number % 7) })
      }
    }
    let file = try RowFile.make(path: directory.path("rows"), rows: rows, header: rowHeader(dimension: dimension))
    try file.cover(rowCount: rows.count)
    let spans = stride(from: 0, to: rows.count, by: 60).map { first in
      RowSpan(firstRow: first, live: (0..<60).reduce(0) { generator.chance(percent: 80) ? $0 | 1 << LiveMask($1) : $0 })
    }
    let candidates = spans.flatMap { span -> [Int] in
      (0..<128).filter { span.live & 1 << LiveMask($0) != 0 }.map { span.firstRow + $0 }
    }
    for query in [base, try unit(randomVector(dimension, &generator)), try unit(base.map { -$0 })] {
      // SAFETY: both arrays hold `dimension` components.
      let scores = rows.map { unsafe cblas_sdot(Int32(dimension), query, 1, $0, 1) }
      for (limit, threshold) in [(1, -Float.infinity), (10, -.infinity), (10, scores[candidates[5]]), (500, 0.25), (10_000, -.infinity)] {
        let found = UnitRowScan.best(
          of: spans, count: candidates.count, in: file, query: query, limit: limit, threshold: threshold, check: {})
        let sorted = candidates.filter { scores[$0] >= threshold }.sorted { scores[$0] > scores[$1] }
        let least = sorted.count > limit ? scores[sorted[limit - 1]] : threshold
        #expect(Set(found.entries.map(\.row)) == Set(sorted.filter { scores[$0] >= least }), "limit \(limit)")
        #expect(found.entries.allSatisfy { $0.score == scores[$0.row] })
      }
    }
  }
}
