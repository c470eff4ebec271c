import Formats
public import Foundation

/// A memory that is not stored yet. The store gives it an id, unless it has one.
public struct MemoryDraft: Sendable, Hashable {
  /// Nil: the store makes one.
  public var id: MemoryID?
  /// 1 to 1024 UTF-8 bytes, any characters.
  public var userID: String
  /// At most 1 MiB of UTF-8.
  public var text: String
  /// Nil: the store's embedder makes one; without an embedder, no search by vector finds the memory. Inside a write no embedder is called:
  /// see ``WriteTransaction/add(_:)-(MemoryDraft)``.
  public var embedding: Embedding?
  /// Stored without an embedding on purpose, also in a store with an embedder: no search by vector finds it.
  public var isTextOnly: Bool
  /// Whether the memories in ``derivedFrom`` are superseded by this one, in the same commit: a summary takes the place of its origins.
  ///
  /// Each of them must exist, and be superseded by no other memory. They stay stored, and ``MemoryStore/retract(_:for:ifVersion:)`` makes
  /// them current again. If the draft has no ``trust``, the memory gets the lowest trust of its origins, and none if one of them has none.
  public var supersedesOrigins: Bool
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
  var details = MemoryDetails()

  /// At most 32 of 1 to 128 UTF-8 bytes; kept sorted by their bytes, each once.
  public var tags: [String] {
    get { details.tags }
    set { details.setTags(newValue) }
  }
  /// What an attachment shows; at most 64 KiB of UTF-8.
  public var caption: String? {
    get { details.caption }
    set { details.caption = newValue }
  }
  /// When the memory's statement begins to hold; rounded to milliseconds.
  public var validFrom: Date? {
    get { details.validFrom }
    set { details.validFrom = newValue }
  }
  /// From this instant on, it no longer holds; rounded to milliseconds, not before ``validFrom``.
  public var validUntil: Date? {
    get { details.validUntil }
    set { details.validUntil = newValue }
  }
  /// Where the memory comes from.
  public var source: String? {
    get { details.source }
    set { details.source = newValue }
  }
  public var trust: Trust? {
    get { details.trust }
    set { details.trust = newValue }
  }
  /// Memories of the same user that this one is made of; at most 64. They need not exist, unless ``supersedesOrigins`` is set.
  public var derivedFrom: [MemoryID] {
    get { details.derivedFrom }
    set { details.derivedFrom = newValue }
  }
  /// A memory of the same user that this one replaces. It must exist, and its ``Memory/supersededBy`` is set in the same commit.
  public var replaces: MemoryID? {
    get { details.replaces }
    set { details.replaces = newValue }
  }

  public init(
    userID: String, text: String, embedding: Embedding? = nil, kind: String? = nil, sessionID: String? = nil,
    speaker: String? = nil, createdAt: Date? = nil, importance: Double = 0.5, expiresAt: Date? = nil, dedupeKey: String? = nil,
    metadata: [String: MetadataValue] = [:], tags: [String] = [], caption: String? = nil, validFrom: Date? = nil, validUntil: Date? = nil,
    source: String? = nil, trust: Trust? = nil, derivedFrom: [MemoryID] = [], supersedesOrigins: Bool = false,
    replaces: MemoryID? = nil, id: MemoryID? = nil, isTextOnly: Bool = false
  ) {
    self.id = id
    self.userID = userID
    self.text = text
    self.embedding = embedding
    self.isTextOnly = isTextOnly
    self.supersedesOrigins = supersedesOrigins
    self.kind = kind
    self.sessionID = sessionID
    self.speaker = speaker
    self.createdAt = createdAt
    self.importance = importance
    self.expiresAt = expiresAt
    self.dedupeKey = dedupeKey
    self.metadata = metadata
    details = MemoryDetails(
      caption: caption, validFrom: validFrom, validUntil: validUntil, source: source, trust: trust, derivedFrom: derivedFrom,
      replaces: replaces)
    details.setTags(tags)
  }

  /// Whether all fields are the same, texts byte for byte.
  public static func == (left: MemoryDraft, right: MemoryDraft) -> Bool {
    left.id == right.id && left.userID.hasSameBytes(as: right.userID) && left.text.hasSameBytes(as: right.text)
      && left.embedding == right.embedding && left.kind.hasSameBytes(as: right.kind)
      && left.sessionID.hasSameBytes(as: right.sessionID) && left.speaker.hasSameBytes(as: right.speaker)
      && left.createdAt == right.createdAt && left.importance == right.importance && left.expiresAt == right.expiresAt
      && left.dedupeKey.hasSameBytes(as: right.dedupeKey) && left.metadata.hasSameBytes(as: right.metadata)
      && left.details == right.details && left.isTextOnly == right.isTextOnly
      && left.supersedesOrigins == right.supersedesOrigins
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(id)
    userID.hash(bytesInto: &hasher)
    text.hash(bytesInto: &hasher)
  }
}
