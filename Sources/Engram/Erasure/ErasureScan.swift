/// What a search of a store's files for traces of erased data found.
///
/// Before the erasure, byte patterns are taken from all data that is to be erased; after it, every file of the store is searched for them.
/// Patterns that the data of others contains as well, such as a sentence that two users said, are only counted, not searched for.
public struct ErasureScan: Sendable, Hashable, Codable {
  /// The kind of data that a pattern was taken from.
  public enum Kind: String, Sendable, Hashable, CaseIterable, Codable, CodingKeyRepresentable {
    /// The hash of the userID, with which the keys of the user's entries begin.
    case userKey
    /// The userID, as every record holds it.
    case userID
    case memoryID
    /// 24 bytes of a text of a memory or a context.
    case text
    /// A few neighboring terms of a text, as hashed for searches by words.
    case words
    /// A few components of an embedding.
    case embedding
    /// The code of an embedding: its first bytes, at most 192.
    case code
  }

  /// An occurrence of a pattern.
  public struct Hit: Sendable, Hashable, Codable {
    public let kind: Kind
    /// Bytes from the beginning of the file.
    public let offset: Int
  }

  /// A file that was searched.
  public struct File: Sendable, Hashable, Codable {
    /// Relative to the store's directory.
    public let name: String
    /// The size of the file when it was opened.
    public let sizeBytes: Int
    /// Bytes read, from the beginning to the end.
    public let scannedBytes: Int
    /// Occurrences by kind; a kind without any is missing.
    public let hits: [Kind: Int]
    /// The first few occurrences, by ascending offset.
    public let firstHits: [Hit]
  }

  /// An entry of the directory that was not searched.
  public struct Unscanned: Sendable, Hashable, Codable {
    public let name: String
    public let sizeBytes: Int
    /// Why it was not searched, as a sentence.
    public let reason: String
  }

  /// In the order of their names.
  public let files: [File]
  /// The entries of the directory that were not searched, with the reasons.
  public let notScanned: [Unscanned]
  /// The number of patterns searched for, by kind; equal patterns count once.
  public let searched: [Kind: Int]
  /// The number of patterns not searched for, because the data of others contains them.
  public let sharedWithSurvivors: [Kind: Int]
  /// How often no pattern could be taken, by kind: of texts of memories shorter than 24 bytes, or with fewer than three words; of ids,
  /// embeddings and pieces of texts with so few bytes other than zero that finding them would prove nothing.
  public let unsearchable: [Kind: Int]
  /// The time that the search in the files took.
  public let duration: Duration

  /// Occurrences in all files, by kind.
  public var hits: [Kind: Int] { files.reduce(into: [:]) { $0.merge($1.hits, uniquingKeysWith: +) } }

  /// Bytes read from all files.
  public var bytes: Int { files.reduce(0) { $0 + $1.scannedBytes } }

  /// Whether no pattern occurs anywhere.
  public var isClean: Bool { files.allSatisfy(\.hits.isEmpty) }
}

extension ErasureScan: CustomStringConvertible {
  /// One line.
  public var description: String {
    let found = Kind.allCases.compactMap { kind in hits[kind].map { "\($0) × \(kind.rawValue)" } }
    return "\(found.isEmpty ? "nothing" : found.joined(separator: ", ")) in \(files.count) files"
  }
}
