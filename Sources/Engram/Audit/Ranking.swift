/// Counts any number of elements and keeps the first `limit` of them in an order.
///
/// - Complexity: O(log limit) for an element that enters, on average; O(1) for one that does not.
struct Ranking<Element> {
  private let limit: Int
  private let precedes: (Element, Element) -> Bool
  private var kept: [Element] = []
  /// The last of the first `limit` elements at the latest sorting; nil before that. Only elements that precede it can still enter.
  private var last: Element?
  /// Elements seen.
  private(set) var count = 0

  init(limit: Int, by precedes: @escaping (Element, Element) -> Bool) {
    precondition(limit > 0, "a list wants at least one entry")
    self.limit = limit
    self.precedes = precedes
  }

  mutating func insert(_ element: Element) {
    count += 1
    if let last, !precedes(element, last) { return }
    kept.append(element)
    // Sorts only at twice the limit, so that each sorting drops at least as many elements as it keeps.
    if kept.count / 2 >= limit {
      cut()
      last = kept.last
    }
  }

  private mutating func cut() {
    kept.sort(by: precedes)
    if kept.count > limit { kept.removeLast(kept.count - limit) }
  }

  /// The kept elements in order.
  consuming func sorted() -> [Element] {
    cut()
    return kept
  }
}

extension Ranking where Element: Comparable & Sendable & Hashable {
  /// Ascending.
  init(limit: Int) { self.init(limit: limit, by: <) }

  consuming func listing() -> AuditReport.Listing<Element> {
    let count = count
    return .init(count: count, first: sorted())
  }
}
