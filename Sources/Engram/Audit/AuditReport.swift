public import Foundation

/// The result of ``MemoryStore/audit(_:progress:)``. Memories that have expired are counted in ``Times/expired`` and nowhere else.
///
/// A list holds the first ``AuditOptions/limit`` elements, and the count beside it counts all. Equal ranks come in ascending order of ids.
public struct AuditReport: Sendable, Hashable, Codable {
  public let options: AuditOptions
  /// The moment of the snapshot.
  public let asOf: Date
  /// The commit whose state was audited.
  public let batchSequence: UInt64
  /// Nil: a store without embeddings.
  public let dimension: Int?
  public let metric: Metric

  public let memories: Int
  public let contexts: Int
  /// Memories with an embedding.
  public let embeddings: Int
  /// UTF-8 bytes of all texts.
  public let textBytes: Int
  public let users: Users
  public let times: Times

  /// Memories of one user with the same text, byte by byte.
  public let sameText: Duplicates
  /// Memories of one user whose embeddings have the same checksum, whatever their texts.
  public let sameEmbedding: Duplicates
  /// Nil in a store without embeddings.
  public let nearDuplicates: NearDuplicates?
  public let unmatched: Unmatched

  public let kinds: Names
  public let metadataKeys: Names
  /// Different sessions; the same name under two users counts twice.
  public let sessions: Int

  /// How the memories are distributed over the users.
  public struct Users: Sendable, Hashable, Codable {
    /// Users who have a memory, expired or not, or a context.
    public let count: Int
    /// Counted over the users who have memories; nil if no user has one.
    public let memoriesPerUser: Quantiles?
    /// Users who have memories.
    public let withMemories: Int
    /// The users with the most memories first, equal counts by userID.
    public let largest: [User]
  }

  public struct User: Sendable, Hashable, Codable {
    public let userID: String
    public let memories: Int
    public let contexts: Int
    public let embeddings: Int
    public let textBytes: Int
  }

  public struct Times: Sendable, Hashable, Codable {
    /// The oldest and the newest `createdAt`; nil if there is no memory.
    public let oldest: Date?
    public let newest: Date?
    /// Memories that have expired and are not removed yet.
    public let expired: Int
    /// Memories that expire within 7 days.
    public let expiringWithin7Days: Int
    /// Memories that expire within 30 days, those within 7 included.
    public let expiringWithin30Days: Int
  }

  /// Groups of two or more memories that are the same.
  public struct Duplicates: Sendable, Hashable, Codable {
    public let groups: Int
    /// Memories beyond the first of each group.
    public let surplus: Int
    /// The groups with the most members first.
    public let largest: [Group]
  }

  public struct Group: Sendable, Hashable, Codable {
    public let userID: String
    /// Members.
    public let count: Int
    public let ids: [MemoryID]
    /// The beginning of the first member's text.
    public let excerpt: String
  }

  /// Names that memories carry. The first 10,000 different names are counted; occurrences of all others are counted together in
  /// ``uncounted``.
  public struct Names: Sendable, Hashable, Codable {
    public let distinct: Int
    /// Occurrences of all names: each memory counts once for each name that it carries.
    public let occurrences: Int
    /// Occurrences of names beyond the first 10,000. If this is not zero, ``distinct`` is a lower bound.
    public let uncounted: Int
    /// The most frequent names first, equal counts by name.
    public let commonest: [Name]
  }

  public struct Name: Sendable, Hashable, Codable {
    public let name: String
    public let count: Int
  }
}
