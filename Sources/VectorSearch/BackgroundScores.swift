import Dispatch
import Foundation
import Synchronization

/// Scores rows from any place in the file by `cblas_sdot`, on other threads, while the caller still finds out which rows it needs.
///
/// Rows are collected to pieces of a megabyte. From the second piece on, other threads, at most one per other processor, score pieces.
/// ``finish(check:)`` scores the pieces that are left, so it only waits for those that a thread has begun. Used by one thread at a time.
package struct BackgroundScores {
  /// Scoring one piece takes long compared with the microseconds that it takes to wake a thread.
  private static let pieceBytes = 1 << 20
  private static let helperLimit = ProcessInfo.processInfo.activeProcessorCount - 1

  private let pieceLength: Int
  private let work: Work
  private var rows: [Int] = []

  /// - Parameters:
  ///   - file: Covers all rows that will be added.
  ///   - query: `dimension` components.
  package init(_ file: RowFile, query: [Float]) {
    precondition(query.count == file.header.dimension, "a query has the store's dimension")
    pieceLength = max(1, Self.pieceBytes / file.header.strideBytes)
    work = Work(ScorePieces(file, query))
    rows.reserveCapacity(pieceLength)
  }

  /// - Parameter row: Below a mark that ``RowFile/cover(rowCount:)`` has covered. If negative, there is no row, and its score is NaN.
  package mutating func add(row: Int) {
    rows.append(row)
    guard rows.count == pieceLength else { return }
    work.pieces.add(rows, helperLimit: Self.helperLimit)
    rows.removeAll(keepingCapacity: true)
  }

  /// The scores of all rows, in the order in which they were added. To be called once.
  ///
  /// - Parameter check: Called between pieces; an error that it throws ends the work.
  /// - Complexity: O(rows × dimension).
  package func finish(check: () throws -> Void) throws -> [Float] {
    work.pieces.add(rows, helperLimit: 0)
    while work.pieces.runNext() { try check() }
    return work.pieces.finish()
  }

  private final class Work {
    let pieces: ScorePieces

    init(_ pieces: ScorePieces) { self.pieces = pieces }

    /// No thread reads the rows any more afterwards.
    deinit { pieces.abandon() }
  }
}

/// Pieces of rows and their scores, shared by the caller and the helping threads.
private final class ScorePieces: Sendable {
  private struct State {
    /// Nil at the end, so that a thread that starts late does not keep the file open.
    var source: (file: RowFile, query: [Float])?
    var rows: [[Int]] = []
    /// By the number of the piece; empty until the piece is scored.
    var scores: [[Float]] = []
    /// The first piece that no thread has taken.
    var next = 0
    /// Threads that were started and have not ended.
    var helpers = 0
    /// How many pieces are being scored, and whether the caller waits for them.
    var running = 0
    var isAwaited = false
  }

  private let state: Mutex<State>
  private let isIdle = DispatchSemaphore(value: 0)

  init(_ file: RowFile, _ query: [Float]) { state = Mutex(State(source: (file, query))) }

  func add(_ rows: [Int], helperLimit: Int) {
    let startsHelper = state.withLock { state in
      state.rows.append(rows)
      state.scores.append([])
      guard state.rows.count > 1, state.helpers < helperLimit else { return false }
      state.helpers += 1
      return true
    }
    if startsHelper { DispatchQueue.global(qos: .userInitiated).async { [self] in help() } }
  }

  private func help() {
    while run(asHelper: true) {}
  }

  /// Scores the next piece on the caller's thread, if one is left.
  ///
  /// - Returns: Whether there was one.
  func runNext() -> Bool { run(asHelper: false) }

  private func run(asHelper: Bool) -> Bool {
    let taken = state.withLock { state -> Piece? in
      guard let source = state.source, state.next < state.rows.count else {
        if asHelper { state.helpers -= 1 }
        return nil
      }
      state.next += 1
      state.running += 1
      return Piece(number: state.next - 1, rows: state.rows[state.next - 1], file: source.file, query: source.query)
    }
    guard let taken else { return false }
    let number = taken.number
    // Consumes the piece: when the thread reports it as done, it has no reference to the file.
    let scores = Self.scores(of: consume taken)
    state.withLock { state in
      state.scores[number] = scores
      state.running -= 1
      if state.running == 0, state.isAwaited {
        state.isAwaited = false
        isIdle.signal()
      }
    }
    return true
  }

  private struct Piece: ~Copyable {
    let number: Int
    let rows: [Int]
    let file: RowFile
    let query: [Float]
  }

  @inline(never)
  private static func scores(of piece: consuming Piece) -> [Float] {
    piece.rows.map { $0 < 0 ? .nan : piece.file.score(query: piece.query.span, row: $0) }
  }

  /// Waits for the pieces that are being scored and returns all scores. To be called once every piece was taken.
  func finish() -> [Float] {
    awaitHelpers()
    return state.withLock { state in
      state.source = nil
      return Array(state.scores.joined())
    }
  }

  func abandon() {
    state.withLock { $0.source = nil }
    awaitHelpers()
  }

  private func awaitHelpers() {
    let waits = state.withLock { state in
      state.isAwaited = state.running > 0
      return state.isAwaited
    }
    if waits { isIdle.wait() }
  }
}
