import Synchronization

/// A score that several threads raise: what scores less does not count any more.
struct SharedBound: ~Copyable {
  /// The bits of a float, changed so that they have its order.
  private let bits: Atomic<UInt32>

  init(_ value: Float) { bits = Atomic(Self.ordered(value)) }

  var value: Float {
    let bits = bits.load(ordering: .relaxed)
    return Float(bitPattern: bits & 0x8000_0000 != 0 ? bits & 0x7fff_ffff : ~bits)
  }

  func raise(to value: Float) {
    let ordered = Self.ordered(value)
    if ordered > bits.load(ordering: .relaxed) { bits.max(ordered, ordering: .relaxed) }
  }

  private static func ordered(_ value: Float) -> UInt32 {
    value.sign == .minus ? ~value.bitPattern : value.bitPattern | 0x8000_0000
  }
}
