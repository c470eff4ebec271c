/// Collects the `limit` best of any number of candidates: higher score first, equal scores in ascending order of id.
///
/// A binary heap with the worst kept candidate on top.
/// - Complexity: O(log limit) for a candidate that enters, O(1) for one that does not.
@usableFromInline package struct TopK<ID: Comparable, Payload> {
  @usableFromInline package struct Candidate {
    @usableFromInline package let score: Float
    @usableFromInline package let id: ID
    @usableFromInline package let payload: Payload

    @inlinable
    init(score: Float, id: ID, payload: Payload) {
      self.score = score
      self.id = id
      self.payload = payload
    }

    /// Whether this candidate comes after `other` in the result.
    @inlinable
    func isWorse(than other: Candidate) -> Bool {
      score != other.score ? score < other.score : id > other.id
    }
  }

  @usableFromInline package let limit: Int
  /// Candidates below it never enter.
  @usableFromInline package let threshold: Float
  @usableFromInline var heap: [Candidate] = []

  @inlinable
  package init(limit: Int, threshold: Float = -.infinity) {
    precondition(limit > 0, "a search wants at least one result")
    self.limit = limit
    self.threshold = threshold
  }

  /// The least score that could still enter.
  @inlinable package var bound: Float { heap.count < limit ? threshold : max(threshold, heap[0].score) }

  /// Whether a candidate of this score could still enter, whatever its id. False for NaN.
  @inlinable
  package func admits(_ score: Float) -> Bool {
    guard score >= threshold else { return false }
    return heap.count < limit || score >= heap[0].score
  }

  /// - Returns: Whether the candidate has entered.
  @inlinable @discardableResult
  package mutating func insert(score: Float, id: ID, payload: Payload) -> Bool {
    guard admits(score) else { return false }
    let candidate = Candidate(score: score, id: id, payload: payload)
    if heap.count < limit {
      heap.append(candidate)
      siftUp(heap.count - 1)
      return true
    }
    guard heap[0].isWorse(than: candidate) else { return false }
    heap[0] = candidate
    siftDown(0)
    return true
  }

  /// The kept candidates, best first.
  @inlinable
  package consuming func sorted() -> [Candidate] {
    heap.sorted { $1.isWorse(than: $0) }
  }

  // Both move one candidate along its path, and the others by one step: half as many writes as with exchanges.

  @inlinable
  mutating func siftUp(_ start: Int) {
    var heap = heap.mutableSpan
    let moved = heap[start]
    var child = start
    while child > 0 {
      let parent = (child - 1) / 2
      guard moved.isWorse(than: heap[parent]) else { break }
      heap[child] = heap[parent]
      child = parent
    }
    heap[child] = moved
  }

  @inlinable
  mutating func siftDown(_ start: Int) {
    var heap = heap.mutableSpan
    let moved = heap[start]
    var parent = start
    while true {
      var child = 2 * parent + 1
      if child >= heap.count { break }
      if child + 1 < heap.count, heap[child + 1].isWorse(than: heap[child]) { child += 1 }
      guard heap[child].isWorse(than: moved) else { break }
      heap[parent] = heap[child]
      parent = child
    }
    heap[parent] = moved
  }
}
