/// Common keys of other formats, and the keys of this format that they correspond to.
enum KeyHints {
  private static let keys = [
    "type", "id", "userID", "text", "kind", "sessionID", "speaker", "createdAt", "importance", "expiresAt", "dedupeKey", "metadata",
    "embedding", "recordType", "schema", "value", "tags", "caption", "validFrom", "validUntil", "source", "trust", "derivedFrom",
    "replaces",
    "supersededBy",
  ]

  private static let others = [
    "user": "userID", "uid": "userID", "content": "text", "message": "text", "memory": "text", "body": "text", "data": "text",
    "role": "speaker", "author": "speaker", "name": "speaker", "created": "createdAt", "timestamp": "createdAt", "time": "createdAt",
    "date": "createdAt", "session": "sessionID", "conversationid": "sessionID", "threadid": "sessionID", "category": "kind",
    "vector": "embedding", "expires": "expiresAt", "expiry": "expiresAt", "uuid": "id", "score": "importance", "meta": "metadata",
    "labels": "tags",
    "keywords": "tags", "origin": "source", "provenance": "source", "supersedes": "replaces",
  ]

  private static let known: [String: String] = others.merging(keys.map { (folded($0), $0) }) { $1 }

  /// The known key that is probably meant; nil if there is none, or if `key` is a known key itself.
  static func meant(by key: String) -> String? {
    guard key.utf8.count <= 32, let meant = known[folded(key)], !meant.utf8.elementsEqual(key.utf8) else { return nil }
    return meant
  }

  private static func folded(_ key: String) -> String {
    String(decoding: key.utf8.filter { $0 != UInt8(ascii: "_") && $0 != UInt8(ascii: "-") }, as: UTF8.self).lowercased()
  }
}
