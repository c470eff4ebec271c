/// Turns texts into vectors whose similarity follows the similarity of the texts.
///
/// An embedder is used from many tasks at once, and the same text must always give the same vector: a store compares vectors
/// that were made years apart.
public protocol Embedder: Sendable {
  /// Names the vectors that this embedder makes; the same for its whole life.
  var identity: EmbedderIdentity { get }

  /// Returns one vector per text, in the order of `texts`.
  ///
  /// May be called from many tasks at once. An empty array gives an empty array, and an empty text gives a vector too.
  ///
  /// - Returns: As many embeddings as texts, each of `identity.dimension` finite components that are not all zero.
  /// - Throws: Any error of the embedder, or `CancellationError`; then no vector of the call is returned.
  func embed(_ texts: [String]) async throws -> [Embedding]

  /// Returns one vector per text that is searched for, in the order of `queries`.
  ///
  /// Some models expect another prefix before a question than before the texts that may answer it. The default calls ``embed(_:)``, whose
  /// rules hold here too.
  func embed(queries: [String]) async throws -> [Embedding]
}

extension Embedder {
  public func embed(queries: [String]) async throws -> [Embedding] { try await embed(queries) }

  /// Returns the vector of one text.
  ///
  /// - Throws: What `embed(_:)` of an array throws.
  public func embed(_ text: String) async throws -> Embedding {
    let embeddings = try await embed([text])
    precondition(embeddings.count == 1, "\(identity) returned \(embeddings.count) embeddings for one text.")
    return embeddings[0]
  }
}
