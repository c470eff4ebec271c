import Checksums
public import Engram
public import Foundation

/// An embedder that asks a server: OpenAI, Ollama, llama.cpp, text-embeddings-inference, vLLM, or any other that has OpenAI's endpoint
/// `/v1/embeddings`.
///
/// The *endpoint* follows from the base URL. A path that ends in `/embeddings` is used as it is. `/embeddings` is appended to a path that
/// names a version, such as `/v1` or `/v1beta/openai`, and `/v1/embeddings` to any other: `http://localhost:11434` and
/// `http://localhost:11434/v1` are the same.
///
/// Texts are sent in batches, several at once, and vectors are put in the order of the texts by their `index`. A failure that may be
/// temporary (a connection that breaks, a timeout, the statuses 408, 429, 500 and above) is tried again after a pause. Redirects are
/// followed within the same scheme, host and port; any other is an error that names the address, and nothing is sent there. Each vector is
/// checked: its dimension, and that it is finite and not zero.
///
/// The *identity* is `http:` and the name of the model, the dimension, and a version that follows from the prefixes and from
/// ``HTTPEmbedderOptions/revision``. The address is not part of it: two servers that have a model under the same name are taken to make the
/// same vectors, up to rounding, so a store may move between them. A server cannot prove that. If a server gets other weights under the
/// same name, change the revision. The same model under another name, or in this process, is another embedder: it may truncate, pool or
/// round differently.
///
/// Connections stay open for the next request, and are closed with the last reference. The environment variables `http_proxy`,
/// `https_proxy` and `no_proxy` are respected.
public final class HTTPEmbedder: Embedder {
  public let identity: EmbedderIdentity
  private let client: EmbeddingsClient

  /// Makes an embedder without asking the server anything.
  ///
  /// - Parameters:
  ///   - baseURL: `http` or `https`, without user, password and fragment. A query is sent with each request, and is not shown in errors.
  ///   - model: The name of the model on the server.
  ///   - dimension: The number of components of each vector; a vector with another number is an error. It is first checked when a text is
  ///     embedded.
  /// - Throws: ``StoreError`` `.invalidArgument`, also for a key whose variable is not set.
  public convenience init(
    baseURL: URL, model: String, dimension: Int, options: HTTPEmbedderOptions = HTTPEmbedderOptions()
  ) throws {
    let environment = ProcessInfo.processInfo.environment
    try self.init(EmbeddingsClient(baseURL, model: model, options, pauses: Pauses(), environment: environment), dimension: dimension)
  }

  init(_ client: EmbeddingsClient, dimension: Int) throws(StoreError) {
    guard (1...65_536).contains(dimension) else {
      throw StoreError(.invalidArgument, "the dimension of the embedder at \(client.endpoint) is \(dimension), it must lie in 1…65536")
    }
    if let shortened = client.options.shortenedDimension, shortened != dimension {
      throw StoreError(
        .invalidArgument, "the embedder at \(client.endpoint) is to shorten vectors to \(shortened) components, and to have \(dimension)")
    }
    self.client = client
    identity = EmbedderIdentity(name: "http:\(client.model)", dimension: dimension, version: Self.version(client.options))
  }

  /// Makes an embedder after asking the server for one vector, whose dimension it takes.
  ///
  /// - Throws: ``StoreError`` `.invalidArgument`; what ``embed(_:)`` throws.
  public static func connect(
    to baseURL: URL, model: String, options: HTTPEmbedderOptions = HTTPEmbedderOptions()
  ) async throws -> HTTPEmbedder {
    let environment = ProcessInfo.processInfo.environment
    return try await connect(EmbeddingsClient(baseURL, model: model, options, pauses: Pauses(), environment: environment))
  }

  static func connect(_ client: EmbeddingsClient) async throws -> HTTPEmbedder {
    let vectors = try await client.vectors(of: ["dimension"], dimension: client.options.shortenedDimension)
    return try HTTPEmbedder(client, dimension: vectors[0].count)
  }

  /// Returns one vector per text, in the order of `texts`. An empty text is sent as a space, because servers refuse it.
  ///
  /// - Throws: `CancellationError` at once, whatever the server does; ``StoreError`` `.embedderFailed` with the endpoint, the status and
  ///   the beginning of the server's message, without keys; `.dimensionMismatch`, `.notFinite` or `.zeroNorm` for an invalid vector.
  public func embed(_ texts: [String]) async throws -> [Embedding] { try await embed(texts, prefix: client.options.passagePrefix) }

  /// As ``embed(_:)``, with the prefix of texts that are searched for.
  public func embed(queries: [String]) async throws -> [Embedding] { try await embed(queries, prefix: client.options.queryPrefix) }

  private func embed(_ texts: [String], prefix: String) async throws -> [Embedding] {
    let prefixed = prefix.isEmpty ? texts : texts.map { prefix + $0 }
    return try await client.vectors(of: prefixed, dimension: identity.dimension).map { Embedding($0) }
  }

  /// The revision itself if there are no prefixes, which is easier to read.
  private static func version(_ options: HTTPEmbedderOptions) -> String {
    if options.queryPrefix.isEmpty, options.passagePrefix.isEmpty { return options.revision }
    var bytes: [UInt8] = []
    // Each part with its length, so that no two lists of parts give the same bytes.
    for part in [options.revision, options.queryPrefix, options.passagePrefix] { bytes += Array("\(part.utf8.count):\(part)".utf8) }
    // SAFETY: the array is alive for the call.
    let fingerprint = unsafe bytes.withUnsafeBytes { unsafe XXH3.hexadecimal128($0) }
    return "\(options.revision)-\(fingerprint)"
  }
}
