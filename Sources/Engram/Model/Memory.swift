import Formats
public import Foundation

/// One thing remembered about one user. Immutable: `with(…)` makes a changed copy, and the store decides what may change.
///
/// Users, kinds, sessions, speakers, keys and texts are equal only if their UTF-8 bytes are, in every type of this library. Swift's own
/// `==` on `String` also treats differently composed strings as equal.
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
  /// Swift's `Dictionary` treats two keys that differ only in composition (é, and e with a combining accent) as one: keep names in one
  /// form. The store distinguishes them everywhere, and an import that would lose one of them is refused.
  public let metadata: [String: MetadataValue]
  /// The fields that few memories have. In all others they take one machine word.
  private let box: Box?

  private final class Box: Sendable {
    let details: MemoryDetails
    let change: Change?

    init(_ details: MemoryDetails, _ change: Change?) {
      self.details = details
      self.change = change
    }
  }

  /// The number and the time of the last change.
  struct Change: Sendable, Equatable {
    /// At least 2.
    let version: Int
    /// Milliseconds since 1970.
    let time: Int64
  }

  var details: MemoryDetails { box?.details ?? MemoryDetails() }
  var hasDetails: Bool { box.map { !$0.details.isEmpty } ?? false }
  /// Nil if the memory was never changed.
  var change: Change? { box?.change }

  /// 1 for a new memory. Each change that is stored adds one, also a change of ``supersededBy``.
  ///
  /// For ``MemoryStore/update(_:for:ifVersion:embedding:_:)`` and ``MemoryStore/history(of:for:limit:)``. It is not part of the content:
  /// `==` does not compare it, and an export leaves it out.
  public var version: Int { box?.change?.version ?? 1 }
  /// When this version was stored, by the clock of the store's writer, in whole milliseconds; ``createdAt`` for version 1. `==` does not
  /// compare it.
  public var updatedAt: Date { change.map { Date(milliseconds: $0.time) } ?? createdAt }

  /// Words to filter by, such as `travel`: at most 32 of 1 to 128 bytes, each once, sorted by their bytes.
  public var tags: [String] { box?.details.tags ?? [] }
  /// What an attachment shows, such as the description of a picture that was sent with the text; at most 64 KiB of UTF-8.
  public var caption: String? { box?.details.caption }
  /// When the memory's statement begins to hold; nil: it always did. This is independent of ``createdAt``.
  public var validFrom: Date? { box?.details.validFrom }
  /// From this instant on, the memory's statement no longer holds; nil: no end is known. The memory stays, unlike one past ``expiresAt``.
  public var validUntil: Date? { box?.details.validUntil }
  /// Where the memory comes from, such as an address, a file or a tool: the application's own words.
  public var source: String? { box?.details.source }
  /// How reliable the text is; nil: unknown.
  public var trust: Trust? { box?.details.trust }
  /// The memories of the same user that this one was made of, in the order given; at most 64. They may be gone by now.
  public var derivedFrom: [MemoryID] { box?.details.derivedFrom ?? [] }
  /// The memory of the same user that this one was added to replace. It may be gone by now.
  public var replaces: MemoryID? { box?.details.replaces }
  /// The memory that was added to replace this one. It may be gone by now. Nil: this one is current.
  public var supersededBy: MemoryID? { box?.details.supersededBy }

  init(
    id: MemoryID, userID: String, text: String, kind: String?, sessionID: String?, speaker: String?, createdAt: Date,
    importance: Double, expiresAt: Date?, dedupeKey: String?, metadata: [String: MetadataValue], details: MemoryDetails = MemoryDetails(),
    change: Change? = nil
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
    box = details.isEmpty && change == nil ? nil : Box(details, change)
  }

  /// Whether all fields but ``version`` and ``updatedAt`` are the same, texts byte for byte.
  public static func == (left: Memory, right: Memory) -> Bool {
    left.id == right.id && left.userID.hasSameBytes(as: right.userID) && left.text.hasSameBytes(as: right.text)
      && left.kind.hasSameBytes(as: right.kind) && left.sessionID.hasSameBytes(as: right.sessionID)
      && left.speaker.hasSameBytes(as: right.speaker) && left.createdAt == right.createdAt && left.importance == right.importance
      && left.expiresAt == right.expiresAt && left.dedupeKey.hasSameBytes(as: right.dedupeKey)
      && left.metadata.hasSameBytes(as: right.metadata) && (left.box === right.box || left.details == right.details)
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(id)
    text.hash(bytesInto: &hasher)
  }

  /// A copy in which the given fields are changed; id, userID, creation time, dedupe key and ``replaces`` stay.
  ///
  /// - Parameter supersededBy: `.some(nil)` makes a superseded memory current again.
  public func with(
    text: String? = nil, kind: String?? = nil, sessionID: String?? = nil, speaker: String?? = nil, importance: Double? = nil,
    expiresAt: Date?? = nil, metadata: [String: MetadataValue]? = nil, tags: [String]? = nil, caption: String?? = nil,
    validFrom: Date?? = nil, validUntil: Date?? = nil, source: String?? = nil, trust: Trust?? = nil, derivedFrom: [MemoryID]? = nil,
    supersededBy: MemoryID?? = nil
  ) -> Memory {
    var details = details
    if let tags { details.setTags(tags) }
    if let caption { details.caption = caption }
    if let validFrom { details.validFrom = validFrom?.roundedToMilliseconds }
    if let validUntil { details.validUntil = validUntil?.roundedToMilliseconds }
    if let source { details.source = source }
    if let trust { details.trust = trust }
    if let derivedFrom { details.derivedFrom = derivedFrom }
    if let supersededBy { details.supersededBy = supersededBy }
    return Memory(
      id: id, userID: userID,
      text: text ?? self.text,
      kind: kind ?? self.kind,
      sessionID: sessionID ?? self.sessionID,
      speaker: speaker ?? self.speaker,
      createdAt: createdAt,
      importance: importance ?? self.importance,
      expiresAt: (expiresAt ?? self.expiresAt)?.roundedToMilliseconds,
      dedupeKey: dedupeKey,
      metadata: metadata ?? self.metadata,
      details: details, change: change)
  }

  /// This memory as the version that follows `old`, changed at `time` (milliseconds since 1970).
  func following(_ old: Memory, at time: Int64) -> Memory {
    Memory(
      id: id, userID: userID, text: text, kind: kind, sessionID: sessionID, speaker: speaker, createdAt: createdAt,
      importance: importance, expiresAt: expiresAt, dedupeKey: dedupeKey, metadata: metadata, details: details,
      change: Change(version: old.version + 1, time: time))
  }
}
