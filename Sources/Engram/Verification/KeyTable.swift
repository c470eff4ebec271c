/// A key of two words: ids of memories and keys of users.
protocol TwoWordKey: Sendable {
  var high: UInt64 { get }
  var low: UInt64 { get }
}

extension MemoryID: TwoWordKey {}
extension UserKey: TwoWordKey {}

/// An element of a ``KeyTable``.
protocol KeyedElement {
  associatedtype Key: TwoWordKey
  var key: Key { get }
}

/// Elements in the order in which they were added, which are found by key.
///
/// A `Dictionary` would hash each key by SipHash, which takes longer than to read a record. The hash here is one multiplication with random
/// secrets of each table, so that ids that collide cannot be chosen.
/// - Complexity: Expected O(1) for each element, with two accesses to memory; 16 to 32 bytes for each beside the element itself.
struct KeyTable<Element: KeyedElement> {
  /// An element's place is its number. Keys never change.
  var elements: [Element] = []
  /// A slot has the number of an element plus one in its low half, or 0, and half of the key's hash in its high half. The number of slots
  /// is a power of two, and at most half of them are in use.
  private var slots = [UInt64](repeating: 0, count: 64)
  private let secrets = (UInt64.random(in: 1 ... .max), UInt64.random(in: 1 ... .max))

  /// Makes room ahead, before the first element: growing costs as much as filling.
  ///
  /// - Parameter count: The count that a database states. It may be damaged, so room is made for at most a quarter of a million elements.
  mutating func reserve(_ count: Int) {
    let count = min(max(count, 32), 1 << 18)
    elements.reserveCapacity(count)
    var size = slots.count
    while size < count * 2 { size *= 2 }
    slots = [UInt64](repeating: 0, count: size)
  }

  /// The number of the element with `key`; nil if there is none.
  func number(of key: Element.Key) -> Int? {
    let slot = slots[slot(of: key, hash(key))]
    return slot == 0 ? nil : Int(UInt32(truncatingIfNeeded: slot)) - 1
  }

  /// The number of the element with `key`, which is added if there is none.
  mutating func number(of key: Element.Key, else make: @autoclosure () -> Element) -> Int {
    let hash = hash(key)
    let slot = slot(of: key, hash)
    if slots[slot] != 0 { return Int(UInt32(truncatingIfNeeded: slots[slot])) - 1 }
    elements.append(make())
    slots[slot] = Self.slot(hash, elements.count)
    if elements.count * 2 > slots.count { grow() }
    return elements.count - 1
  }

  private func hash(_ key: Element.Key) -> UInt64 {
    let product = (key.high ^ secrets.0).multipliedFullWidth(by: key.low ^ secrets.1)
    return product.high ^ product.low
  }

  /// The count fits: 2³² elements would take more than a hundred gigabytes of memory.
  private static func slot(_ hash: UInt64, _ count: Int) -> UInt64 { (hash >> 32) << 32 | UInt64(UInt32(count)) }

  /// The slot of `key`, or the free slot that it would take.
  private func slot(of key: Element.Key, _ hash: UInt64) -> Int {
    var index = Int(truncatingIfNeeded: hash) & (slots.count - 1)
    while slots[index] != 0 {
      if slots[index] >> 32 == hash >> 32 {
        let other = elements[Int(UInt32(truncatingIfNeeded: slots[index])) - 1].key
        if other.low == key.low, other.high == key.high { break }
      }
      index = (index + 1) & (slots.count - 1)
    }
    return index
  }

  private mutating func grow() {
    slots = [UInt64](repeating: 0, count: slots.count * 2)
    for (number, element) in elements.enumerated() {
      let hash = hash(element.key)
      slots[slot(of: element.key, hash)] = Self.slot(hash, number + 1)
    }
  }
}
