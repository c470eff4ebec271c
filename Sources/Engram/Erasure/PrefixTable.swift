/// Which patterns of a sorted set begin with an eight-byte prefix. Open addressing with linear probing, at most half full.
struct PrefixTable: Sendable {
  private struct Slot {
    var prefix: UInt64 = 0
    var first: Int32 = 0
    /// Zero: the slot is empty.
    var end: Int32 = 0
  }

  private var slots: [Slot]
  private let shift: UInt64

  init(minimumCapacity: Int) {
    let logarithm = max(Int.bitWidth - (minimumCapacity * 2).leadingZeroBitCount, 4)
    slots = [Slot](repeating: Slot(), count: 1 << logarithm)
    shift = UInt64(64 - logarithm)
  }

  /// Patterns must be appended in ascending order, so that the patterns of one prefix are consecutive.
  mutating func append(prefix: UInt64, pattern: Int) {
    let index = index(of: prefix)
    if slots[index].end == 0 { slots[index] = Slot(prefix: prefix, first: Int32(pattern), end: 0) }
    slots[index].end = Int32(pattern + 1)
  }

  func patterns(with prefix: UInt64) -> Range<Int>? {
    let slot = slots[index(of: prefix)]
    return slot.end == 0 ? nil : Int(slot.first)..<Int(slot.end)
  }

  /// The slot of the prefix, or the empty one that it would take.
  private func index(of prefix: UInt64) -> Int {
    var index = Int(PrefixHash.beginning(prefix, 0) >> shift)
    while slots[index].end != 0, slots[index].prefix != prefix { index = (index + 1) & (slots.count - 1) }
    return index
  }
}
