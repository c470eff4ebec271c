/// An element of ``SortedPieces``.
protocol Ordered: Sendable {
  associatedtype Order: Comparable
  /// No two elements of a collection have the same.
  var order: Order { get }
}

/// Elements in ascending order, in arrays of some hundred: a changed copy shares the arrays in which nothing has changed.
///
/// - Complexity: A change of a copy copies one array and the list of arrays.
struct SortedPieces<Element: Ordered>: Sendable {
  /// Each has an element.
  private var pieces: [[Element]] = []
  private(set) var count = 0

  /// An array with more elements is divided.
  static var largestPiece: Int { 512 }

  /// - Parameter elements: In ascending order.
  init(_ elements: [Element] = []) {
    count = elements.count
    // Half full, so that the next elements do not divide each array.
    let size = Self.largestPiece / 2
    pieces = stride(from: 0, to: elements.count, by: size).map { Array(elements[$0..<min($0 + size, elements.count)]) }
  }

  /// The element of this order, or else the last one before it; nil if there is none.
  func last(upTo order: Element.Order) -> Element? {
    guard let (piece, index) = place(of: order) else { return nil }
    return pieces[piece][index]
  }

  subscript(order: Element.Order) -> Element? { last(upTo: order).flatMap { $0.order == order ? $0 : nil } }

  /// Calls `body` with the elements from this order on, in ascending order, until it returns false.
  func forEach(from order: Element.Order, _ body: (Element) -> Bool) {
    var (piece, index) = place(of: order) ?? (0, 0)
    while piece < pieces.count {
      while index < pieces[piece].count {
        let element = pieces[piece][index]
        if element.order >= order, !body(element) { return }
        index += 1
      }
      (piece, index) = (piece + 1, 0)
    }
  }

  /// All elements, in ascending order.
  var elements: [Element] {
    var elements: [Element] = []
    elements.reserveCapacity(count)
    for piece in pieces { elements += piece }
    return elements
  }

  /// Adds an element, or replaces the one of the same order.
  mutating func put(_ element: Element) {
    guard let (piece, index) = place(of: element.order) else {
      count += 1
      if pieces.isEmpty { pieces.append([element]) } else { pieces[0].insert(element, at: 0) }
      return divide(0)
    }
    if pieces[piece][index].order == element.order {
      pieces[piece][index] = element
    } else {
      count += 1
      pieces[piece].insert(element, at: index + 1)
      divide(piece)
    }
  }

  /// Removes the element of this order, if there is one.
  mutating func remove(_ order: Element.Order) {
    guard let (piece, index) = place(of: order), pieces[piece][index].order == order else { return }
    count -= 1
    pieces[piece].remove(at: index)
    if pieces[piece].isEmpty { pieces.remove(at: piece) }
  }

  private mutating func divide(_ piece: Int) {
    guard pieces[piece].count > Self.largestPiece else { return }
    let half = pieces[piece].count / 2
    pieces.insert(Array(pieces[piece][half...]), at: piece + 1)
    pieces[piece].removeSubrange(half...)
  }

  /// The place of the last element that is not after this order.
  private func place(of order: Element.Order) -> (piece: Int, index: Int)? {
    let piece = Self.countUpTo(order, pieces.count) { pieces[$0][0].order } - 1
    guard piece >= 0 else { return nil }
    return (piece, Self.countUpTo(order, pieces[piece].count) { pieces[piece][$0].order } - 1)
  }

  /// How many of `count` ascending orders are not after this one.
  private static func countUpTo(_ order: Element.Order, _ count: Int, _ orderAt: (Int) -> Element.Order) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if orderAt(middle) <= order { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
