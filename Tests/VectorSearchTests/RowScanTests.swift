import CBLAS
import Dispatch
import Foundation
import TestSupport
import Testing
@testable import VectorSearch

/// A scan by codes on any number of threads keeps the rows that a sort of all scores would keep.
@Suite struct RowScanTests {
  let directory = TemporaryDirectory()

  /// The best rows and those that tie with the last of them, best first.
  private func expected(_ scores: [Float], _ candidates: [Int], limit: Int, threshold: Float) -> Set<Int> {
    let rows = candidates.filter { scores[$0] >= threshold }.sorted { scores[$0] > scores[$1] }
    guard rows.count > limit else { return Set(rows) }
    let last = scores[rows[limit - 1]]
    return Set(rows.filter { scores[$0] >= last })
  }

  private func spans(_ chunks: [LiveMask]) -> [RowSpan] {
    chunks.enumerated().map { RowSpan(firstRow: $0 * CodeFile.chunkRows, live: $1) }
  }

  private func files(_ rows: [[Float]], dimension: Int, codedFrom first: Int = 0) throws -> (RowFile, CodeFile) {
    let header = rowHeader(dimension: dimension)
    let file = try RowFile.make(path: directory.path("rows"), rows: rows, header: header)
    let codeHeader = CodeFileHeader(rows: header)
    try CodeFile.create(path: directory.path("codes"), header: codeHeader, mean: [Float](repeating: 0.1, count: dimension))
    let codes = try CodeFile(path: directory.path("codes"), header: codeHeader, isReadOnly: false)
    var encoded = CodeFile.Encoded()
    for row in rows.dropFirst(first) { codes.encode(row.span, into: &encoded) }
    try codes.write(encoded, fromRow: first)
    return (file, codes)
  }

  @Test(.timeLimit(.minutes(5)), arguments: [1, 100, 128, 129, 2048, 2500, 11_000])
  func theBestRowsAreFound(count: Int) throws {
    var generator = SeededGenerator(seed: UInt64(count))
    let dimension = 24
    // Few different rows, so that there are many ties, in clusters that follow each other.
    let rows = (0..<count).map { row in
      var cluster = SeededGenerator(seed: UInt64(row * 40 / count))
      return randomVector(dimension, &cluster).map { $0 + (row % 3 == 0 ? 0 : Float(Int.random(in: 0...2, using: &generator)) / 50) }
    }
    let (file, codes) = try files(rows, dimension: dimension)
    let chunks = (0..<(count + 127) / 128).map { chunk in
      (0..<128).reduce(LiveMask(0)) { mask, place in
        chunk * 128 + place < count && !generator.chance(percent: 10) ? mask | 1 << LiveMask(place) : mask
      }
    }
    let candidates = (0..<count).filter { chunks[$0 / 128] & 1 << LiveMask($0 % 128) != 0 }
    for distrusted in [[:], [0: LiveMask.max, 3: 0xff]] {
      let reading = CodeReading(file: codes, rowCount: try codes.cover(rowCount: count), distrusted: distrusted)
      for (limit, helpers) in [(1, 0), (10, 1), (10, 3), (700, 2), (50_000, 1)] {
        let query = randomVector(dimension, &generator)
        // SAFETY: both arrays hold `dimension` components.
        let scores = rows.map { unsafe cblas_sdot(Int32(dimension), query, 1, $0, 1) }
        let threshold: Float = limit == 700 ? 0.5 : -.infinity
        let outcome = try RowScan(
          file, CodeFilter(reading, embedding: query), query: query, spans: spans(chunks), coarse: limit != 10 ? nil : helpers == 1
        )
        .run(limit: limit, threshold: threshold, helpers: helpers) {}
        let found = outcome.best.entries
        #expect(Set(found.map(\.row)) == expected(scores, candidates, limit: limit, threshold: threshold), "the best \(limit) of \(count)")
        #expect(Set(found.map(\.row)).count == found.count)
        #expect(found.allSatisfy { $0.score == scores[$0.row] })
        #expect(outcome.rowsScored <= candidates.count && outcome.rowsCoded <= candidates.count)
      }
    }
  }

  @Test(.timeLimit(.minutes(5))) func anErrorEndsTheScan() throws {
    struct Stopped: Error {}
    var generator = SeededGenerator(seed: 9)
    let rows = (0..<10_000).map { _ in randomVector(16, &generator) }
    let (file, codes) = try files(rows, dimension: 16)
    let reading = CodeReading(file: codes, rowCount: try codes.cover(rowCount: rows.count), distrusted: [:])
    let scan = RowScan(
      file, CodeFilter(reading, embedding: rows[0]), query: rows[0], spans: spans([LiveMask](repeating: 1, count: 79)))
    for helpers in [0, 2] {
      #expect(throws: Stopped.self) { try scan.run(limit: 3, threshold: 0, helpers: helpers) { throw Stopped() } }
    }
  }

  /// Rows in the order of their scores: each is better than all before it.
  @Test(.timeLimit(.minutes(5))) func rowsInAscendingOrderAreNotAllScored() throws {
    let dimension = 64
    var generator = SeededGenerator(seed: 10)
    let query = randomVector(dimension, &generator)
    let rows = (0..<16_000).map { row in query.map { $0 * Float(row) / 16_000 + Float.random(in: -0.01...0.01, using: &generator) } }
    let (file, codes) = try files(rows, dimension: dimension)
    let reading = CodeReading(file: codes, rowCount: try codes.cover(rowCount: rows.count), distrusted: [:])
    let outcome = try RowScan(
      file, CodeFilter(reading, embedding: query), query: query, spans: spans([LiveMask](repeating: .max, count: 125))
    ).run(limit: 10, threshold: -.infinity, helpers: 0) {}
    #expect(outcome.rowsScored < 10_000, "\(outcome.rowsScored)")
  }

  /// A thread that the system does not let run has taken a group: the caller scans it, and what the thread finds later counts no second time.
  @Test(.timeLimit(.minutes(5)), arguments: [false, true]) func aGroupThatAnotherThreadDoesNotFinishIsScannedByTheCaller(
    coarse: Bool
  ) throws {
    var generator = SeededGenerator(seed: 11)
    // Each row four times, so that the last of the best has ties in all groups.
    let some = (0..<2500).map { _ in randomVector(24, &generator) }
    let rows = some + some + some + some
    let (file, codes) = try files(rows, dimension: 24)
    let reading = CodeReading(file: codes, rowCount: try codes.cover(rowCount: rows.count), distrusted: [:])
    let chunks = [LiveMask](repeating: .max, count: 78) + [(1 << 16) - 1]
    let scan = RowScan(file, CodeFilter(reading, embedding: some[7]), query: some[7], spans: spans(chunks), coarse: coarse)
    let expected = try scan.run(limit: 10, threshold: -.infinity, helpers: 0) {}

    let work = ScanWork(scan, RowScan.Outcome(best: BestRows(limit: 10, threshold: -.infinity)))
    var caller = ScanWorker(scan, work.empty)
    var stuck = ScanWorker(scan, work.empty)
    let taken = try [#require(work.groups.next()), #require(work.groups.next())]
    while let group = work.groups.next() { work.scan(group, &caller) }
    #expect(work.groups.unfinishedGroup() == taken.min())
    // It comes back to life in the middle.
    work.scan(taken[0], &caller)
    work.scan(taken[0], &stuck)
    work.scan(taken[1], &stuck)
    work.scan(taken[1], &caller)
    #expect(work.groups.unfinishedGroup() == nil)
    let outcome = work.finish(scan)
    work.groups.end()
    #expect(Set(outcome.best.entries.map(\.row)) == Set(expected.best.entries.map(\.row)) && outcome.best.entries.count >= 10)
    #expect(outcome.best.entries.count == expected.best.entries.count)
    #expect(outcome.rowsCoded == expected.rowsCoded)
  }

  /// The caller has scored a row of a group that it took over, and the other thread, which is faster after all, has postponed the row: if it counted
  /// twice, another one would be missing.
  @Test(.timeLimit(.minutes(5))) func aPostponedRowThatTheCallerHasScoredCountsOnce() throws {
    var generator = SeededGenerator(seed: 13)
    let (count, dimension) = (1500, 5)
    let rows = (0..<count).map { _ in randomVector(dimension, &generator) }
    let (file, codes) = try files(rows, dimension: dimension)
    let reading = CodeReading(file: codes, rowCount: try codes.cover(rowCount: count), distrusted: [:])
    let all = spans([LiveMask](repeating: .max, count: 11) + [(1 << 92) - 1])
    for round in 0..<300 {
      let query = randomVector(dimension, &generator)
      let limit = round % 4 + 2
      let scan = RowScan(file, CodeFilter(reading, embedding: query), query: query, spans: all, coarse: round % 2 == 0)
      let work = ScanWork(scan, RowScan.Outcome(best: BestRows(limit: limit, threshold: -.infinity)))
      var caller = ScanWorker(scan, work.empty)
      var other = ScanWorker(scan, work.empty)
      let group = try #require(work.groups.next())
      _ = caller.scan(group, work.least, postpones: false, postponesCodes: false)
      work.scan(group, &other)
      let outcome = work.finish(scan)
      work.groups.end()
      // SAFETY: both arrays hold `dimension` components.
      let scores = rows.map { unsafe cblas_sdot(Int32(dimension), query, 1, $0, 1) }
      #expect(
        Set(outcome.best.entries.map(\.row)) == expected(scores, Array(0..<count), limit: limit, threshold: -.infinity), "round \(round)")
    }
  }

  /// The bug: no thread knew the scores that another had found.
  @Test(.timeLimit(.minutes(5)), arguments: [false, true]) func whatOneThreadFindsExcludesRowsOfAnother(coarse: Bool) throws {
    var generator = SeededGenerator(seed: 17)
    let query = randomVector(24, &generator)
    let near = (0..<2048).map { _ in zip(query, randomVector(24, &generator)).map { $0 + $1 / 8 } }
    let rows = near + (0..<2048).map { _ in randomVector(24, &generator) }
    let (file, codes) = try files(rows, dimension: 24)
    let reading = CodeReading(file: codes, rowCount: try codes.cover(rowCount: rows.count), distrusted: [:])
    let scan = RowScan(
      file, CodeFilter(reading, embedding: query), query: query, spans: spans([LiveMask](repeating: .max, count: 32)), coarse: coarse)
    let work = ScanWork(scan, RowScan.Outcome(best: BestRows(limit: 10, threshold: -.infinity)))
    var one = ScanWorker(scan, work.empty)
    var other = ScanWorker(scan, work.empty)
    var alone = ScanWorker(scan, work.empty)
    let unshared = SharedBound(-.infinity)
    #expect(alone.scan(1, unshared, postpones: false, postponesCodes: false).rowsScored >= 10)
    work.scan(0, &one)
    #expect(other.scan(1, work.least, postpones: false, postponesCodes: false).rowsScored == 0)
  }

  /// A thread that was woken, sleeps again or is about to sleep takes what it is offered.
  @Test(.timeLimit(.minutes(5))) func aThreadThatWasRousedTakesWork() throws {
    final class Counted: SharedWork {
      let done = DispatchSemaphore(value: 0)
      func help() { done.signal() }
    }
    let threads = HelperThreads(count: 1)
    threads.rouse(limit: 1)
    for round in 0..<300 {
      // It looks out for work for 50 microseconds.
      usleep(UInt32(round % 6) * 20)
      for _ in 0..<round % 3 { threads.rouse(limit: 1) }
      let work = Counted()
      var offer = threads.offer(work, limit: 1)
      while offer.count == 0 {
        sched_yield()
        offer = threads.offer(work, limit: 1)
      }
      guard work.done.wait(timeout: .now() + 60) == .success else {
        Issue.record("the thread sleeps on in round \(round)")
        return
      }
    }
  }

  @Test(.timeLimit(.minutes(5))) func aThreadThatHasWorkIsNotOfferedMore() throws {
    final class Held: SharedWork {
      let (begun, go) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
      func help() {
        begun.signal()
        go.wait()
      }
    }
    let threads = HelperThreads(count: 1)
    for _ in 0..<3 {
      let (first, second) = (Held(), Held())
      // The thread may still be on its way back from the round before.
      var offer = threads.offer(first, limit: 1)
      while offer.count == 0 {
        sched_yield()
        offer = threads.offer(first, limit: 1)
      }
      first.begun.wait()
      #expect(threads.offer(second, limit: 1).count == 0)
      offer.withdraw()
      first.go.signal()
    }
    // What nobody has begun is withdrawn, and keeps no reference.
    weak var released: Held?
    do {
      let work = Held()
      released = work
      let busy = HelperThreads(count: 0).offer(work, limit: 5)
      #expect(busy.count == 0)
      busy.withdraw()
    }
    #expect(released == nil)
  }

  /// Many scans at once share one helping thread, and each finds its own rows.
  @Test(.timeLimit(.minutes(5))) func concurrentScansShareTheThreads() async throws {
    var generator = SeededGenerator(seed: 12)
    let rows = (0..<20_000).map { _ in randomVector(16, &generator) }
    let (file, codes) = try files(rows, dimension: 16)
    let reading = CodeReading(file: codes, rowCount: try codes.cover(rowCount: rows.count), distrusted: [:])
    let chunks = [LiveMask](repeating: .max, count: 156) + [(1 << 32) - 1]
    let (threads, all) = (HelperThreads(count: 2), spans(chunks))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<6 {
        let queries = (0..<20).map { _ in randomVector(16, &generator) }
        group.addTask {
          for query in queries {
            let scan = RowScan(file, CodeFilter(reading, embedding: query), query: query, spans: all, coarse: task % 2 == 0)
            let alone = try scan.run(limit: 5, threshold: -.infinity, helpers: 0) {}
            let outcome = try scan.run(limit: 5, threshold: -.infinity, helpers: 2, threads: threads) {}
            #expect(Set(outcome.best.entries.map(\.row)) == Set(alone.best.entries.map(\.row)))
          }
        }
      }
      try await group.waitForAll()
    }
    RowScan.awaitHelpers()
  }

  @Test func bestRowsKeepTies() {
    var best = BestRows(limit: 2, threshold: 0)
    for (row, score) in [Float.nan, -1, 1, 1, 1, 2, 1, 3, 2, 2, 3].enumerated() { best.insert(score: score, row: row) }
    #expect(Set(best.entries.map(\.row)) == [7, 10] && best.bound == 3)
    best.insert(score: 3, row: 11)
    #expect(Set(best.entries.map(\.row)) == [7, 10, 11])
    best.insert(score: 4, row: 12)
    #expect(Set(best.entries.map(\.row)) == [7, 10, 11, 12])
    best.insert(score: 5, row: 13)
    #expect(Set(best.entries.map(\.row)) == [12, 13])
  }
}
