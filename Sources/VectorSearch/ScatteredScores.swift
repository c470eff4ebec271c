import Dispatch

extension RowFile {
  /// A piece of work for one thread: long against the microseconds that it takes to wake one.
  private static let pieceBytes = 1 << 20
  /// Some milliseconds of work: between them a search can be cancelled.
  private static let roundBytes = 64 << 20

  /// The scores of rows that are anywhere in the file, by `cblas_sdot`, in the order of `rows`.
  ///
  /// Many rows are shared out among the threads of the machine, few are scored by the caller alone. Any number of threads may call it at the same time.
  ///
  /// - Parameters:
  ///   - query: `dimension` components.
  ///   - rows: Below a high-water mark that is covered. Negative: there is none, and its score is not a number.
  ///   - work: Runs once, beside the scores if there are many.
  ///   - check: Called now and then; what it throws ends the work.
  /// - Complexity: O(rows × dimension).
  package func scores(query: [Float], rows: [Int], beside work: () -> Void, check: () throws -> Void) throws -> [Float] {
    precondition(query.count == header.dimension, "a query has the store's dimension")
    var scores = [Float](repeating: .nan, count: rows.count)
    let (pieceLength, roundLength) = (max(1, Self.pieceBytes / header.strideBytes), max(1, Self.roundBytes / header.strideBytes))
    guard rows.count > 2 * pieceLength else {
      work()
      for (index, row) in rows.enumerated() where row >= 0 { scores[index] = score(query: query.span, row: row) }
      return scores
    }
    for round in stride(from: 0, to: rows.count, by: roundLength) {
      let end = min(round + roundLength, rows.count)
      let pieces = (end - round + pieceLength - 1) / pieceLength
      let others = round == 0 ? 1 : 0
      unsafe scores.withUnsafeMutableBufferPointer { scores in
        withoutActuallyEscaping(work) { work in
          // SAFETY: each iteration writes to places of its own, one alone calls `work`, and all have ended when the call returns.
          nonisolated(unsafe) let (scores, work) = unsafe (scores, work)
          DispatchQueue.concurrentPerform(iterations: pieces + others) { iteration in
            guard iteration >= others else { return unsafe work() }
            let first = round + (iteration - others) * pieceLength
            for index in first..<min(first + pieceLength, end) where rows[index] >= 0 {
              unsafe scores[index] = score(query: query.span, row: rows[index])
            }
          }
        }
      }
      try check()
    }
    return scores
  }
}
