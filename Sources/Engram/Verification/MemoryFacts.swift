import Checksums

/// What is kept of a memory's record while its store is verified, so that each record is decoded once.
struct MemoryFacts: KeyedElement {
  let key: MemoryID
  /// The number in ``StoreVerifier/users``.
  let user: UInt32
  let block: UInt32
  /// Negative: none.
  let row: Int
  let rowChecksum: UInt64
  let createdAt: Int64
  let expiresAt: Int64
  let version: Int
  /// A hash of the kind, the session, and those details that the columns hold.
  let labels: UInt64
  /// Whether the walk over the blocks has found the memory's row; true from the beginning if it has none.
  var isSlotFound: Bool

  init(_ record: MemoryRecord, user: Int) {
    key = record.memory.id
    self.user = UInt32(user)
    block = record.row?.block ?? 0
    row = record.row?.row ?? -1
    rowChecksum = record.row?.checksum ?? 0
    createdAt = record.memory.createdAt.milliseconds
    expiresAt = record.memory.expiresAt?.milliseconds ?? BlockColumns.never
    version = record.memory.version
    labels = Self.labels(
      Self.label(record.memory.kind), Self.label(record.memory.sessionID),
      record.memory.hasDetails ? Self.label(BlockColumns.Slot.Details(record.memory.details)) : 0)
    isSlotFound = record.row == nil
  }

  static func label(_ text: String?) -> UInt64 {
    guard var text else { return 0 }
    return text.withUTF8 { unsafe XXH3.hash64(UnsafeRawBufferPointer($0), seed: 1) }  // Lent for the call.
  }

  /// A hash of details; 0 if a memory has none of those that the columns hold.
  static func label(_ details: BlockColumns.Slot.Details) -> UInt64 {
    if details == .none { return 0 }
    var bytes: [UInt8] = [details.isSuperseded ? 1 : 0, details.trust]
    bytes.appendBigEndian(details.validFrom)
    bytes.appendBigEndian(details.validUntil)
    for tag in details.tags {
      bytes.appendBigEndian(UInt16(tag.utf8.count))
      bytes.append(contentsOf: tag.utf8)
    }
    return unsafe bytes.withUnsafeBytes { unsafe XXH3.hash64($0, seed: 2) }  // Lent for the call.
  }

  static func labels(_ kind: UInt64, _ session: UInt64, _ details: UInt64) -> UInt64 {
    kind ^ (session << 1 | session >> 63) ^ (details << 2 | details >> 62)
  }
}
