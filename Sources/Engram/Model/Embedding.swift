/// A vector that represents the meaning of a text.
///
/// The type only carries the components; a store checks their count, that they are finite and that their norm is usable,
/// when they are written or searched with.
public struct Embedding: Sendable, Hashable {
  /// The components, in order.
  public let values: [Float]

  /// The number of components.
  public var dimension: Int { values.count }

  public init(_ values: [Float]) {
    self.values = values
  }

  public init(_ values: some Sequence<Float>) {
    self.values = Array(values)
  }
}

extension Embedding: ExpressibleByArrayLiteral {
  public init(arrayLiteral elements: Float...) {
    values = elements
  }
}
