import Formats

/// The exchange format: JSON Lines, one object a line, UTF-8. <doc:Interchange> has the keys.
public enum Interchange {
  /// The format number in the store line. A file with a higher number is refused.
  public static let format: Int64 = 1

  /// The most bytes of a line, without its line feed.
  public static let lineBytes = 64 << 20

  /// How embeddings are written.
  public enum Vectors: String, Sendable, CaseIterable {
    /// A base64 string of little-endian float32 values: exact, and the fastest.
    case base64
    /// An array of the shortest decimal numbers that read back as the same float32: also exact.
    case array
    /// No embeddings. The store line says so, and a store of any dimension can import the file.
    case none
  }
}

/// The first line of a file, which describes its embeddings.
struct StoreLine: Sendable, Equatable {
  var format: Int64
  var dimension: Int64?
  var metric: String?
  var embedder: EmbedderIdentity?
  var vectors: String?

  /// - Throws: ``StoreError`` `.newerFormat`; `.storeMismatch` or `.embedderMismatch` if the file's embeddings do not fit the store.
  func check(_ store: StoreRecord) throws(StoreError) {
    guard format <= Interchange.format, format >= 1 else {
      throw StoreError(.newerFormat, "the file has format \(format), this version of Engram reads up to \(Interchange.format)")
    }
    // A file without embeddings fits any store.
    if vectors == Interchange.Vectors.none.rawValue { return }
    if let dimension, dimension != Int64(store.dimension ?? 0) {
      let has = store.dimension.map { "dimension \($0)" } ?? "no dimension"
      throw StoreError(.storeMismatch, "the file has vectors of dimension \(dimension), the store has \(has)")
    }
    if let metric, store.dimension != nil, metric != store.metric.rawValue {
      throw StoreError(
        .storeMismatch,
        "the file's vectors are for the metric \(TerminalText.excerpt(metric)), the store compares by \(store.metric.rawValue)")
    }
    if let embedder, let pinned = store.embedder, embedder != pinned {
      throw StoreError(.embedderMismatch, "the file's vectors were made by '\(embedder)', the store's by '\(pinned)'")
    }
  }
}

/// A context as it is in a line.
struct ContextLine: Sendable {
  let recordType: String
  let userID: String
  let schema: Int
  /// Deterministic CBOR.
  let record: [UInt8]
}

/// A memory as it is in a line.
struct MemoryLine: Sendable {
  var draft: MemoryDraft
  /// The line has no key `embedding`, so the store's embedder may supply one; an explicit null means none.
  var wantsEmbedding: Bool
}

/// One line of a file.
enum InterchangeLine: Sendable {
  case store(StoreLine)
  case context(ContextLine)
  case memory(MemoryLine)
}
