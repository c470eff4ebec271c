public import Engram
public import Foundation

/// An embedder that runs a BERT encoder in this process, such as all-MiniLM-L6-v2.
///
/// It reads a folder as published for sentence-transformers: `config.json`, `model.safetensors`, `tokenizer.json` or `vocab.txt`, and, if
/// they exist, `modules.json` with the pooling, `sentence_bert_config.json`, `tokenizer_config.json` and
/// `config_sentence_transformers.json`. The embeddings are those of the Python library: cosines above 0.9999. The weights are mapped, so
/// that processes share them; the folder must not be changed while an embedder uses it.
public final class BertEmbedder: Embedder {
  public let identity: EmbedderIdentity

  private let encoder: Encoder
  private let tokenizer: WordPiece
  private let lowercasesTexts: Bool
  private let queryPrefix: String
  private let passagePrefix: String
  private let threads: Int

  /// The rows of one matrix, in which short texts are computed together.
  private static let rowsOfChunk = Encoder.rowsOfBlock

  /// Reads a model.
  ///
  /// - Parameters:
  ///   - directory: The folder. Links in it are followed.
  ///   - queryPrefix: Put before each text that is searched for, such as `query: ` for E5. Nil: as the folder says, or nothing.
  ///   - passagePrefix: Put before each text that is stored, such as `passage: ` for E5. Nil: as the folder says, or nothing. Both prefixes
  ///     are part of the identity.
  ///   - threads: The most threads that one call computes on, 1…64.
  /// - Throws: ``StoreError`` `.invalidModel`, which names the file and what is wrong with it; `.permissionDenied`, `.inputOutput`, and
  ///   `.invalidArgument` for a URL that is no file URL or a number of threads outside the range.
  public convenience init(directory: URL, queryPrefix: String? = nil, passagePrefix: String? = nil, threads: Int = 2) throws {
    try self.init(directory: directory, queryPrefix: queryPrefix, passagePrefix: passagePrefix, threads: threads, level: nil)
  }

  init(directory: URL, queryPrefix: String?, passagePrefix: String?, threads: Int, level: Int32?) throws(StoreError) {
    guard (1...64).contains(threads) else { throw StoreError(.invalidArgument, "an embedder has 1 to 64 threads, not \(threads)") }
    let folder = try ModelFolder(directory)
    let weights = try StoreError.ofModel(file: folder.weightsPath) { try SafeTensors(path: folder.weightsPath) }
    encoder = try StoreError.ofModel(file: folder.weightsPath) { try Encoder(weights, folder, level: level) }
    tokenizer = try StoreError.ofModel(file: folder.tokenizerPath) { try WordPiece(folder.tokenizer) }
    lowercasesTexts = folder.lowercasesTexts
    self.queryPrefix = queryPrefix ?? folder.queryPrefix
    self.passagePrefix = passagePrefix ?? folder.passagePrefix
    self.threads = threads
    let version = Fingerprint.of(folder, weights: weights.fingerprint, queryPrefix: self.queryPrefix, passagePrefix: self.passagePrefix)
    identity = EmbedderIdentity(name: folder.name, dimension: folder.shape.hidden, version: version)
  }

  /// Returns one vector per text, in the order of `texts`; a text that is longer than the model reads is cut.
  ///
  /// - Throws: `CancellationError`; ``StoreError`` `.invalidModel` if a weight is so large that a vector is not finite.
  @concurrent
  public func embed(_ texts: [String]) async throws -> [Embedding] { try embed(texts, prefix: passagePrefix) }

  /// As ``embed(_:)``, with the prefix of texts that are searched for.
  @concurrent
  public func embed(queries: [String]) async throws -> [Embedding] { try embed(queries, prefix: queryPrefix) }

  private func embed(_ texts: [String], prefix: String) throws -> [Embedding] {
    let ids = texts.map { tokenizer.ids(of: prepared(prefix + $0)) }
    let chunks = Self.chunks(ids.map(\.count), for: threads)
    let results = ChunkResults(count: chunks.count)
    let isCancelled = Cancellation()
    if chunks.count == 1 {
      results.set(0, encoder.vectors(of: ids, threads: threads))
    } else {
      // Only the caller's thread runs in the task: it looks for cancellation between two chunks of its own, and sets a flag for the others.
      Encoder.inParallel(chunks.count, min(threads, chunks.count)) { index in
        if Task.isCancelled { isCancelled.set() }
        if isCancelled.isSet { return }
        results.set(index, self.encoder.vectors(of: Array(ids[chunks[index]]), threads: 1))
      }
    }
    if isCancelled.isSet { throw CancellationError() }
    try Task.checkCancellation()
    let dimension = identity.dimension
    var embeddings: [Embedding] = []
    embeddings.reserveCapacity(texts.count)
    for vectors in results.all {
      for start in stride(from: 0, to: vectors.count, by: dimension) {
        let vector = vectors[start..<start + dimension]
        guard vector.allSatisfy(\.isFinite) else {
          throw StoreError(.invalidModel, "the model '\(identity)' gives vectors that are not finite: its weights are damaged")
        }
        embeddings.append(Embedding(Array(vector)))
      }
    }
    return embeddings
  }

  /// The token ids of a text that is stored, for tests against the reference.
  package func tokenIDs(of text: String) -> [Int32] { tokenizer.ids(of: prepared(passagePrefix + text)) }

  private func prepared(_ text: String) -> String { lowercasesTexts ? text.lowercased() : text }

  /// Splits texts of these lengths, in their order, into ranges that are computed together: about equal numbers of tokens, at most
  /// ``rowsOfChunk`` unless one text has more, and one range per thread if there are enough tokens.
  static func chunks(_ lengths: [Int], for threads: Int) -> [Range<Int>] {
    let total = lengths.reduce(0, +)
    // With fewer than 24 rows, a thread would have too little to do.
    let parts = max((total + rowsOfChunk - 1) / rowsOfChunk, min(threads, total / 24))
    let target = max(1, (total + max(parts, 1) - 1) / max(parts, 1))
    var chunks: [Range<Int>] = []
    var start = 0
    var rows = 0
    for (index, length) in lengths.enumerated() {
      if rows > 0, rows + length > target + target / 8 {
        chunks.append(start..<index)
        (start, rows) = (index, 0)
      }
      rows += length
    }
    if start < lengths.count { chunks.append(start..<lengths.count) }
    return chunks
  }
}
