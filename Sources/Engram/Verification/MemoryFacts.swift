import Checksums

/// What is kept of a memory's record while its store is verified, so that each record is decoded once.
struct MemoryFacts: KeyedElement {
  /// What of the memory's entries the walks over their databases came by and found to agree with its record.
  struct Entries: OptionSet {
    let rawValue: UInt8
    static let timeline = Entries(rawValue: 1)
    static let expiry = Entries(rawValue: 2)
    static let dedupe = Entries(rawValue: 4)
    static let slot = Entries(rawValue: 8)
    static let all: Entries = [.timeline, .expiry, .dedupe, .slot]
  }

  let key: MemoryID
  /// The number in ``StoreVerifier/users``.
  let user: UInt32
  let block: UInt32
  /// Negative: none.
  let row: Int
  let rowChecksum: UInt64
  let createdAt: Int64
  let expiresAt: Int64
  /// Of kind and session together.
  let labels: UInt64
  /// Half of the dedupe key's hash, which is as good as a checksum; 0 where there is none.
  let dedupe: UInt64
  /// What need not be looked up any more; what the memory does not need is there from the beginning.
  var found: Entries

  init(_ record: MemoryRecord, user: Int, dedupeKey: UserKey?) {
    key = record.memory.id
    self.user = UInt32(user)
    block = record.row?.block ?? 0
    row = record.row?.row ?? -1
    rowChecksum = record.row?.checksum ?? 0
    createdAt = record.memory.createdAt.milliseconds
    expiresAt = record.memory.expiresAt?.milliseconds ?? BlockColumns.never
    labels = Self.labels(Self.label(record.memory.kind), Self.label(record.memory.sessionID))
    dedupe = dedupeKey.map(Self.half) ?? 0
    found = []
    if record.memory.expiresAt == nil { found.insert(.expiry) }
    if dedupeKey == nil { found.insert(.dedupe) }
    if record.row == nil { found.insert(.slot) }
  }

  static func half(_ dedupeKey: UserKey) -> UInt64 { dedupeKey.low | 1 }

  static func label(_ text: String?) -> UInt64 {
    guard var text else { return 0 }
    return text.withUTF8 { unsafe XXH3.hash64(UnsafeRawBufferPointer($0), seed: 1) }  // Lent for the call.
  }

  static func labels(_ kind: UInt64, _ session: UInt64) -> UInt64 { kind ^ (session << 1 | session >> 63) }
}
