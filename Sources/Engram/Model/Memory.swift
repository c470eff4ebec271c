import Formats
public import Foundation

/// One thing remembered about one user. Immutable: `with(…)` makes a changed copy, and the store decides what may change.
///
/// Users, kinds, sessions, speakers, keys and texts are the same where their UTF-8 is, in every type of this library. Swift's own `==` on
/// `String` takes differently composed ones for equal.
public struct Memory: Sendable, Hashable, Identifiable {
  public let id: MemoryID
  public let userID: String
  /// At most 1 MiB of UTF-8.
  public let text: String
  /// What sort of memory it is, such as `fact` or `message`: the application's own word.
  public let kind: String?
  public let sessionID: String?
  public let speaker: String?
  /// Whole milliseconds.
  public let createdAt: Date
  /// 0…1.
  public let importance: Double
  /// From this instant on the memory counts as absent; nil: never.
  public let expiresAt: Date?
  /// No other memory of the user has the same key.
  public let dedupeKey: String?
  /// A dictionary of Swift holds one of two keys that differ only as é does from e with an accent: keep names in one form. The store tells
  /// them apart everywhere, and an import that would lose one of them is refused.
  public let metadata: [String: MetadataValue]

  init(
    id: MemoryID, userID: String, text: String, kind: String?, sessionID: String?, speaker: String?, createdAt: Date,
    importance: Double, expiresAt: Date?, dedupeKey: String?, metadata: [String: MetadataValue]
  ) {
    self.id = id
    self.userID = userID
    self.text = text
    self.kind = kind
    self.sessionID = sessionID
    self.speaker = speaker
    self.createdAt = createdAt
    self.importance = importance
    self.expiresAt = expiresAt
    self.dedupeKey = dedupeKey
    self.metadata = metadata
  }

  /// Whether all fields are the same, texts byte for byte.
  public static func == (left: Memory, right: Memory) -> Bool {
    left.id == right.id && left.userID.hasSameBytes(as: right.userID) && left.text.hasSameBytes(as: right.text)
      && left.kind.hasSameBytes(as: right.kind) && left.sessionID.hasSameBytes(as: right.sessionID)
      && left.speaker.hasSameBytes(as: right.speaker) && left.createdAt == right.createdAt && left.importance == right.importance
      && left.expiresAt == right.expiresAt && left.dedupeKey.hasSameBytes(as: right.dedupeKey)
      && left.metadata.hasSameBytes(as: right.metadata)
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(id)
    text.hash(bytesInto: &hasher)
  }

  /// A copy in which the given fields are changed; id, userID, creation time and dedupe key stay.
  public func with(
    text: String? = nil, kind: String?? = nil, sessionID: String?? = nil, speaker: String?? = nil, importance: Double? = nil,
    expiresAt: Date?? = nil, metadata: [String: MetadataValue]? = nil
  ) -> Memory {
    Memory(
      id: id, userID: userID,
      text: text ?? self.text,
      kind: kind ?? self.kind,
      sessionID: sessionID ?? self.sessionID,
      speaker: speaker ?? self.speaker,
      createdAt: createdAt,
      importance: importance ?? self.importance,
      expiresAt: (expiresAt ?? self.expiresAt)?.roundedToMilliseconds,
      dedupeKey: dedupeKey,
      metadata: metadata ?? self.metadata)
  }
}

/// What became of a draft.
public struct Added: Sendable, Hashable {
  public enum Outcome: String, Sendable, Hashable {
    case added
    /// The user has a memory with the same dedupe key: nothing was added, and the id is that one's.
    case existing
    /// It was past its time already: no read shows it.
    case expired
  }

  public let id: MemoryID
  public let outcome: Outcome
}

/// A memory that is not stored yet. The store gives it an id, unless it brings one.
public struct MemoryDraft: Sendable, Hashable {
  /// Nil: the store makes one.
  public var id: MemoryID?
  /// 1 to 1024 UTF-8 bytes, any characters.
  public var userID: String
  /// At most 1 MiB of UTF-8.
  public var text: String
  /// Nil: the store's embedder supplies one if there is one, else the memory is not found by vector. Inside a write no embedder is asked: see
  /// ``WriteTransaction/add(_:)-(MemoryDraft)``.
  public var embedding: Embedding?
  /// Stored without an embedding on purpose, also in a store with an embedder: no search by vector finds it.
  public var isTextOnly: Bool
  public var kind: String?
  public var sessionID: String?
  public var speaker: String?
  /// Rounded to milliseconds; nil: the moment of the commit.
  public var createdAt: Date?
  /// 0…1.
  public var importance: Double
  public var expiresAt: Date?
  /// Adding a second memory of the same user and key adds nothing and returns the first one's id.
  public var dedupeKey: String?
  public var metadata: [String: MetadataValue]

  public init(
    userID: String, text: String, embedding: Embedding? = nil, kind: String? = nil, sessionID: String? = nil,
    speaker: String? = nil, createdAt: Date? = nil, importance: Double = 0.5, expiresAt: Date? = nil, dedupeKey: String? = nil,
    metadata: [String: MetadataValue] = [:], id: MemoryID? = nil, isTextOnly: Bool = false
  ) {
    self.id = id
    self.userID = userID
    self.text = text
    self.embedding = embedding
    self.isTextOnly = isTextOnly
    self.kind = kind
    self.sessionID = sessionID
    self.speaker = speaker
    self.createdAt = createdAt
    self.importance = importance
    self.expiresAt = expiresAt
    self.dedupeKey = dedupeKey
    self.metadata = metadata
  }

  /// Whether all fields are the same, texts byte for byte.
  public static func == (left: MemoryDraft, right: MemoryDraft) -> Bool {
    left.id == right.id && left.userID.hasSameBytes(as: right.userID) && left.text.hasSameBytes(as: right.text)
      && left.embedding == right.embedding && left.kind.hasSameBytes(as: right.kind)
      && left.sessionID.hasSameBytes(as: right.sessionID) && left.speaker.hasSameBytes(as: right.speaker)
      && left.createdAt == right.createdAt && left.importance == right.importance && left.expiresAt == right.expiresAt
      && left.dedupeKey.hasSameBytes(as: right.dedupeKey) && left.metadata.hasSameBytes(as: right.metadata)
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(id)
    userID.hash(bytesInto: &hasher)
    text.hash(bytesInto: &hasher)
  }
}
