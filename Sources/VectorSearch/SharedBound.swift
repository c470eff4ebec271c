import Synchronization

/// A score that several threads raise: what scores less does not count any more.
struct SharedBound: ~Copyable {
  /// The bits of a float, changed so that they have its order. Signed: in Swift 6.3 `Atomic.max` compares unsigned numbers as if they were signed.
  private let bits: Atomic<Int32>

  init(_ value: Float) { bits = Atomic(Self.ordered(value)) }

  var value: Float { Float(bitPattern: UInt32(bitPattern: Self.ordered(bits.load(ordering: .relaxed)))) }

  func raise(to value: Float) {
    let ordered = Self.ordered(value)
    if ordered > bits.load(ordering: .relaxed) { bits.max(ordered, ordering: .relaxed) }
  }

  private static func ordered(_ value: Float) -> Int32 { ordered(Int32(bitPattern: value.bitPattern)) }

  /// Its own inverse.
  private static func ordered(_ bits: Int32) -> Int32 { bits < 0 ? bits ^ .max : bits }
}
