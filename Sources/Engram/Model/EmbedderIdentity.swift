import Formats

/// Says which embedder made a vector.
///
/// Vectors are comparable only when their identities are equal. A store pins the identity of its embedder, so it can refuse
/// another one by name instead of returning meaningless scores. ``MemoryStore/reembed(with:progress:)`` moves a store to another one.
public struct EmbedderIdentity: Sendable, Hashable, Codable, CustomStringConvertible {
  /// The model or algorithm, such as `hashing`. It contains no path, address or key.
  public let name: String

  /// The number of components of each vector.
  public let dimension: Int

  /// A fingerprint: changes whenever the same text would give another vector. For a model it is a hash of its weights and of every setting
  /// that a vector depends on; for an algorithm, its number.
  public let version: String

  public init(name: String, dimension: Int, version: String) {
    self.name = name
    self.dimension = dimension
    self.version = version
  }

  /// Whether all parts are the same, byte for byte.
  public static func == (left: EmbedderIdentity, right: EmbedderIdentity) -> Bool {
    left.name.hasSameBytes(as: right.name) && left.dimension == right.dimension && left.version.hasSameBytes(as: right.version)
  }

  public func hash(into hasher: inout Hasher) {
    name.hash(bytesInto: &hasher)
    hasher.combine(dimension)
    version.hash(bytesInto: &hasher)
  }

  /// For example `hashing, version 1, 384 dimensions`.
  public var description: String {
    "\(name), version \(version), \(dimension) dimensions"
  }
}
