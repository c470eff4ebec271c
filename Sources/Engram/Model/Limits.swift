import Formats

/// The bounds of what a record may hold, and the errors for what lies outside them.
enum Limits {
  static let userIDBytes = 1024
  static let textBytes = 1 << 20
  /// kind, sessionID, speaker, dedupeKey, source, metadata keys.
  static let nameBytes = 1024
  static let captionBytes = 64 << 10
  static let tags = 32
  static let tagBytes = 128
  /// Memories that one memory may be derived from.
  static let origins = 64
  static let metadataBytes = 256 << 10
  /// Bytes that a metadata entry counts beside its key and its text.
  static let metadataEntryBytes = 9
  static let contextBytes = 8 << 20
  /// Users that one scope may name.
  static let scopeUsers = 1024
  static let dimension = 1...65_536
  /// Row numbers, and counts of anything in a store. The bound is more than a disk holds, and so low that neither the sum of a few counts
  /// nor the product with a row's bytes overflows.
  static let rows = 0...1 << 40
  /// The largest number of a commit, generation or version in a record: counting up from it does not overflow.
  static let sequence = UInt64.max / 2

  static func checkUserID(_ userID: String) throws(StoreError) {
    let count = userID.utf8.count
    if count == 0 { throw StoreError(.invalidUserID, "the userID is empty, it needs 1 to \(userIDBytes) UTF-8 bytes") }
    if count > userIDBytes { throw StoreError(.invalidUserID, "the userID has \(count) UTF-8 bytes, at most \(userIDBytes) are allowed") }
  }

  static func checkName(_ value: String?, _ field: StaticString) throws(StoreError) {
    guard let count = value?.utf8.count, count > nameBytes else { return }
    throw StoreError(.valueTooLarge, "\(field) has \(count) UTF-8 bytes, at most \(nameBytes) are allowed")
  }

  static func checkText(_ text: String) throws(StoreError) {
    let count = text.utf8.count
    if count > textBytes { throw StoreError(.valueTooLarge, "the text has \(count) UTF-8 bytes, at most \(textBytes) are allowed") }
  }

  static func checkRecordType(_ type: String) throws(StoreError) {
    let isAllowed = type.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
        true
      default: false
      }
    }
    guard isAllowed, (1...64).contains(type.utf8.count) else {
      throw StoreError(.invalidArgument, "the record type '\(TerminalText.excerpt(type))' needs 1 to 64 letters, digits, '.', '_' or '-'")
    }
  }

  static func check(_ memory: Memory) throws(StoreError) {
    try checkUserID(memory.userID)
    try checkText(memory.text)
    try checkName(memory.kind, "kind")
    try checkName(memory.sessionID, "sessionID")
    try checkName(memory.speaker, "speaker")
    try checkName(memory.dedupeKey, "dedupeKey")
    guard (0...1).contains(memory.importance) else {
      throw StoreError(.invalidArgument, "the importance is \(memory.importance), it must lie in 0…1")
    }
    guard WallClock.range.contains(memory.createdAt.milliseconds) else {
      throw StoreError(.invalidArgument, "createdAt lies outside the years 1 to 9999")
    }
    if let expiresAt = memory.expiresAt, !WallClock.range.contains(expiresAt.milliseconds) {
      throw StoreError(.invalidArgument, "expiresAt lies outside the years 1 to 9999")
    }
    if memory.hasDetails { try check(memory.details, of: memory.id) }
    var bytes = 0
    for (key, value) in memory.metadata {
      try checkName(key, "a metadata key")
      bytes += key.utf8.count + metadataEntryBytes
      switch value {
      case .string(let text): bytes += text.utf8.count
      case .double(let number) where !number.isFinite:
        throw StoreError(.invalidArgument, "the metadata value '\(key)' is \(number), it must be finite")
      default: break
      }
    }
    guard bytes <= metadataBytes else {
      throw StoreError(.valueTooLarge, "the metadata has about \(bytes) bytes, at most \(metadataBytes) are allowed")
    }
  }

  private static func check(_ details: MemoryDetails, of id: MemoryID) throws(StoreError) {
    guard details.tags.count <= tags else {
      throw StoreError(.valueTooLarge, "a memory has \(details.tags.count) tags, at most \(tags) are allowed")
    }
    for tag in details.tags { try check(tag: tag) }
    try checkName(details.source, "source")
    if let count = details.caption?.utf8.count, count > captionBytes {
      throw StoreError(.valueTooLarge, "the caption has \(count) UTF-8 bytes, at most \(captionBytes) are allowed")
    }
    for (date, name) in [(details.validFrom, "validFrom"), (details.validUntil, "validUntil")] {
      guard let date, !WallClock.range.contains(date.milliseconds) else { continue }
      throw StoreError(.invalidArgument, "\(name) lies outside the years 1 to 9999")
    }
    if let from = details.validFrom, let until = details.validUntil, until < from {
      throw StoreError(.invalidArgument, "validUntil lies before validFrom")
    }
    guard details.derivedFrom.count <= origins else {
      throw StoreError(.valueTooLarge, "a memory is derived from \(details.derivedFrom.count) others, at most \(origins) are allowed")
    }
    guard !details.derivedFrom.contains(id), details.replaces != id, details.supersededBy != id else {
      throw StoreError(.invalidArgument, "memory \(id) cannot be derived from itself, or replace itself")
    }
  }

  static func check(tag: String) throws(StoreError) {
    let count = tag.utf8.count
    guard (1...tagBytes).contains(count) else {
      throw StoreError(.invalidArgument, "the tag '\(TerminalText.excerpt(tag))' has \(count) UTF-8 bytes, it needs 1 to \(tagBytes)")
    }
  }
}
