/// Collects the rows with the highest scores of any number of rows, and all rows that tie with the last of them: which of these are results
/// is decided by their ids, which a scan does not read.
///
/// - Complexity: O(log limit) for a row that enters, O(1) for one that does not. Memory: O(limit + ties).
package struct BestRows: Sendable {
  package struct Entry: Sendable, Equatable {
    package let score: Float
    package let row: Int
  }

  let limit: Int
  private let threshold: Float
  /// A binary heap with the lowest score on top.
  private var heap: [Entry] = []
  /// Rows beyond the limit that have the lowest score of a full heap.
  private var ties: [Entry] = []

  /// Whether rows are kept that tie with the last one; ``bound`` is the same without them.
  private let keepsTies: Bool

  /// - Parameter threshold: Rows that score less never enter.
  package init(limit: Int, threshold: Float) { self.init(limit: limit, threshold: threshold, keepsTies: true) }

  /// Empty, of the same limit and threshold, for a thread that needs ``bound`` alone: it keeps no ties.
  var emptyWithoutTies: BestRows { BestRows(limit: limit, threshold: threshold, keepsTies: false) }

  private init(limit: Int, threshold: Float, keepsTies: Bool) {
    precondition(limit > 0, "a search wants at least one result")
    self.keepsTies = keepsTies
    self.limit = limit
    self.threshold = threshold
  }

  /// The least score that could still be among the results.
  package var bound: Float { heap.count < limit ? threshold : max(threshold, heap[0].score) }

  /// The kept rows, in no order.
  package var entries: [Entry] { heap + ties }

  /// Adds a row, unless its score cannot be among the results or is not a number.
  ///
  /// - Returns: Whether it was added.
  @discardableResult package mutating func insert(score: Float, row: Int) -> Bool {
    // Also leaves out a score that is not a number.
    guard score >= bound else { return false }
    let entry = Entry(score: score, row: row)
    if heap.count < limit {
      heap.append(entry)
      siftUp(heap.count - 1)
    } else if score == heap[0].score {
      if keepsTies { ties.append(entry) }
    } else {
      let last = heap[0]
      heap[0] = entry
      siftDown(0)
      if heap[0].score != last.score {
        ties.removeAll(keepingCapacity: true)
      } else if keepsTies {
        ties.append(last)
      }
    }
    return true
  }

  private mutating func siftUp(_ start: Int) {
    var child = start
    while child > 0 {
      let parent = (child - 1) / 2
      if heap[parent].score <= heap[child].score { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  private mutating func siftDown(_ start: Int) {
    var (parent, child) = (start, 2 * start + 1)
    while child < heap.count {
      if child + 1 < heap.count, heap[child + 1].score < heap[child].score { child += 1 }
      guard heap[child].score < heap[parent].score else { return }
      heap.swapAt(parent, child)
      (parent, child) = (child, 2 * child + 1)
    }
  }
}
