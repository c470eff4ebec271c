import Foundation

// Memories and drafts in JSON and other formats, under the keys of an export. Dates are as the encoder writes dates. Fields that are not
// set are not written, and may be missing when a value is read.

private enum MemoryKey: String, CodingKey {
  case id, userID, text, embedding, isTextOnly, supersedesOrigins, kind, sessionID, speaker, createdAt, importance, expiresAt, dedupeKey,
    metadata, tags,
    caption
  case validFrom, validUntil, source, trust, derivedFrom, replaces, supersededBy, version, updatedAt
}

extension Memory: Codable {
  /// - Throws: `DecodingError` if id, userID, text or createdAt is missing, or a field has another type. Bounds are checked when a memory
  ///   is stored.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: MemoryKey.self)
    self.init(
      id: try container.decode(MemoryID.self, forKey: .id), userID: try container.decode(String.self, forKey: .userID),
      text: try container.decode(String.self, forKey: .text), kind: try container.decodeIfPresent(String.self, forKey: .kind),
      sessionID: try container.decodeIfPresent(String.self, forKey: .sessionID),
      speaker: try container.decodeIfPresent(String.self, forKey: .speaker), createdAt: try container.decode(Date.self, forKey: .createdAt),
      importance: try container.decodeIfPresent(Double.self, forKey: .importance) ?? 0.5,
      expiresAt: try container.decodeIfPresent(Date.self, forKey: .expiresAt),
      dedupeKey: try container.decodeIfPresent(String.self, forKey: .dedupeKey),
      metadata: try container.decodeIfPresent([String: MetadataValue].self, forKey: .metadata) ?? [:],
      details: try MemoryDetails(container),
      change: try Change(container))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: MemoryKey.self)
    try container.encode(id, forKey: .id)
    try container.encode(userID, forKey: .userID)
    try container.encode(text, forKey: .text)
    try container.encodeIfPresent(kind, forKey: .kind)
    try container.encodeIfPresent(sessionID, forKey: .sessionID)
    try container.encodeIfPresent(speaker, forKey: .speaker)
    try container.encode(createdAt, forKey: .createdAt)
    try container.encode(importance, forKey: .importance)
    try container.encodeIfPresent(expiresAt, forKey: .expiresAt)
    try container.encodeIfPresent(dedupeKey, forKey: .dedupeKey)
    if !metadata.isEmpty { try container.encode(metadata, forKey: .metadata) }
    try details.encode(into: &container)
    if change != nil {
      try container.encode(version, forKey: .version)
      try container.encode(updatedAt, forKey: .updatedAt)
    }
  }
}

extension Memory.Change {
  /// Nil for a memory that was never changed.
  fileprivate init?(_ container: KeyedDecodingContainer<MemoryKey>) throws {
    let version = try container.decodeIfPresent(Int.self, forKey: .version) ?? 1
    guard version >= 1 else {
      throw DecodingError.dataCorruptedError(forKey: .version, in: container, debugDescription: "a version is at least 1")
    }
    if version == 1 { return nil }
    self.init(version: version, time: try container.decode(Date.self, forKey: .updatedAt).milliseconds)
  }
}

extension MemoryDraft: Codable {
  /// - Throws: `DecodingError` if userID or text is missing, or a field has another type.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: MemoryKey.self)
    self.init(
      userID: try container.decode(String.self, forKey: .userID), text: try container.decode(String.self, forKey: .text),
      embedding: try container.decodeIfPresent(Embedding.self, forKey: .embedding),
      kind: try container.decodeIfPresent(String.self, forKey: .kind),
      sessionID: try container.decodeIfPresent(String.self, forKey: .sessionID),
      speaker: try container.decodeIfPresent(String.self, forKey: .speaker),
      createdAt: try container.decodeIfPresent(Date.self, forKey: .createdAt),
      importance: try container.decodeIfPresent(Double.self, forKey: .importance) ?? 0.5,
      expiresAt: try container.decodeIfPresent(Date.self, forKey: .expiresAt),
      dedupeKey: try container.decodeIfPresent(String.self, forKey: .dedupeKey),
      metadata: try container.decodeIfPresent([String: MetadataValue].self, forKey: .metadata) ?? [:],
      id: try container.decodeIfPresent(MemoryID.self, forKey: .id),
      isTextOnly: try container.decodeIfPresent(Bool.self, forKey: .isTextOnly) ?? false)
    supersedesOrigins = try container.decodeIfPresent(Bool.self, forKey: .supersedesOrigins) ?? false
    details = try MemoryDetails(container)
    details.supersededBy = nil
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: MemoryKey.self)
    try container.encodeIfPresent(id, forKey: .id)
    try container.encode(userID, forKey: .userID)
    try container.encode(text, forKey: .text)
    try container.encodeIfPresent(embedding, forKey: .embedding)
    if isTextOnly { try container.encode(true, forKey: .isTextOnly) }
    if supersedesOrigins { try container.encode(true, forKey: .supersedesOrigins) }
    try container.encodeIfPresent(kind, forKey: .kind)
    try container.encodeIfPresent(sessionID, forKey: .sessionID)
    try container.encodeIfPresent(speaker, forKey: .speaker)
    try container.encodeIfPresent(createdAt, forKey: .createdAt)
    try container.encode(importance, forKey: .importance)
    try container.encodeIfPresent(expiresAt, forKey: .expiresAt)
    try container.encodeIfPresent(dedupeKey, forKey: .dedupeKey)
    if !metadata.isEmpty { try container.encode(metadata, forKey: .metadata) }
    try details.encode(into: &container)
  }
}

extension MemoryDetails {
  fileprivate init(_ container: KeyedDecodingContainer<MemoryKey>) throws {
    setTags(try container.decodeIfPresent([String].self, forKey: .tags) ?? [])
    caption = try container.decodeIfPresent(String.self, forKey: .caption)
    validFrom = try container.decodeIfPresent(Date.self, forKey: .validFrom)
    validUntil = try container.decodeIfPresent(Date.self, forKey: .validUntil)
    source = try container.decodeIfPresent(String.self, forKey: .source)
    trust = try container.decodeIfPresent(Trust.self, forKey: .trust)
    derivedFrom = try container.decodeIfPresent([MemoryID].self, forKey: .derivedFrom) ?? []
    replaces = try container.decodeIfPresent(MemoryID.self, forKey: .replaces)
    supersededBy = try container.decodeIfPresent(MemoryID.self, forKey: .supersededBy)
  }

  fileprivate func encode(into container: inout KeyedEncodingContainer<MemoryKey>) throws {
    if !tags.isEmpty { try container.encode(tags, forKey: .tags) }
    try container.encodeIfPresent(caption, forKey: .caption)
    try container.encodeIfPresent(validFrom, forKey: .validFrom)
    try container.encodeIfPresent(validUntil, forKey: .validUntil)
    try container.encodeIfPresent(source, forKey: .source)
    try container.encodeIfPresent(trust, forKey: .trust)
    if !derivedFrom.isEmpty { try container.encode(derivedFrom, forKey: .derivedFrom) }
    try container.encodeIfPresent(replaces, forKey: .replaces)
    try container.encodeIfPresent(supersededBy, forKey: .supersededBy)
  }
}
