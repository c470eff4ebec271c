import Synchronization

@testable import Engram

/// An embedder whose vectors depend on its identity and the text only, and that records the texts of each call.
final class MadeEmbedder: Embedder {
  let identity: EmbedderIdentity
  private let calls = Mutex<[[String]]>([])
  /// Called before each call's texts are embedded, with the number of earlier calls and the texts; an error that it throws is thrown by the
  /// call.
  private let before: @Sendable (Int, [String]) async throws -> Void
  /// These texts get a vector that no cosine store can hold.
  private let zeros: Set<String>

  init(
    name: String = "made", dimension: Int = 8, version: String = "1", zeros: Set<String> = [],
    before: @escaping @Sendable (Int, [String]) async throws -> Void = { _, _ in }
  ) {
    identity = EmbedderIdentity(name: name, dimension: dimension, version: version)
    self.zeros = zeros
    self.before = before
  }

  /// The texts of each call, in order.
  var texts: [[String]] { calls.withLock { $0 } }

  func embed(_ texts: [String]) async throws -> [Embedding] {
    let number = calls.withLock { calls in
      calls.append(texts)
      return calls.count - 1
    }
    try await before(number, texts)
    return texts.map { vector(of: $0) }
  }

  func vector(of text: String) -> Embedding {
    if zeros.contains(text) { return Embedding([Float](repeating: 0, count: identity.dimension)) }
    var state: UInt64 = 14_695_981_039_346_656_037
    for byte in "\(identity.version) \(identity.name) \(text)".utf8 { state = (state ^ UInt64(byte)) &* 1_099_511_628_211 }
    return Embedding(
      (0..<identity.dimension).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(state >> 40) / Float(1 << 24) - 0.5
      })
  }

  /// The vector of a text as a cosine store holds it: with norm 1.
  func row(of text: String) -> [Float] {
    let values = vector(of: text).values
    let norm = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    return values.map { Float(Double($0) / norm) }
  }
}

/// Whether two rows are equal except for rounding.
func isNear(_ left: [Float]?, _ right: [Float]) -> Bool {
  guard let left, left.count == right.count else { return false }
  return zip(left, right).allSatisfy { abs($0 - $1) < 1e-5 }
}
