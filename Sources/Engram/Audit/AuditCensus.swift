import Checksums
import VectorSearch

/// The data that one pass over the memories collects: 48 bytes for each memory, about 100 for each user, and totals.
struct AuditCensus {
  struct Entry {
    let id: MemoryID
    let textHash: UInt64
    let checksum: UInt64
    /// −1: a memory without an embedding.
    let row: Int
    /// Index into ``AuditCensus/users``.
    let user: Int
  }

  struct User {
    let key: UserKey
    let contexts: Int
    var memories = 0
    var embeddings = 0
    var textBytes = 0
  }

  private static let dayMilliseconds: Int64 = 86_400_000

  private let now: Int64
  private(set) var users: [User] = []
  private var indexes: [UserKey: Int] = [:]
  var entries: [Entry] = []

  private(set) var oldest: Int64?
  private(set) var newest: Int64?
  private(set) var expiringWithin7Days = 0
  private(set) var expiringWithin30Days = 0
  private(set) var emptyTexts: Ranking<MemoryID>
  private(set) var withoutEmbedding: Ranking<MemoryID>
  private(set) var zeroEmbeddings: Ranking<MemoryID>
  /// Components that have been zero in every row so far; nil before the first row.
  private(set) var deadComponents: [Int]?
  private(set) var kinds = NameTally()
  private(set) var metadataKeys = NameTally()
  /// A hash of user and session for each memory that has one.
  private var sessions: [UInt64] = []

  init(_ options: AuditOptions, now: Int64) {
    self.now = now
    emptyTexts = Ranking(limit: options.limit)
    withoutEmbedding = Ranking(limit: options.limit)
    zeroEmbeddings = Ranking(limit: options.limit)
  }

  mutating func add(_ user: UserRecord, _ key: UserKey) {
    indexes[key] = users.count
    users.append(User(key: key, contexts: user.contexts))
  }

  mutating func add(_ record: MemoryRecord, of key: UserKey) throws(StoreError) {
    let memory = record.memory
    guard let user = indexes[key] else {
      throw StoreError(.corrupted, "memory \(memory.id) is one of '\(memory.userID)', of whom the store has no record")
    }
    users[user].memories += 1
    users[user].textBytes += memory.text.utf8.count
    if record.row == nil { withoutEmbedding.insert(memory.id) } else { users[user].embeddings += 1 }
    entries.append(
      Entry(
        id: memory.id, textHash: Self.hash(memory.text), checksum: record.row?.checksum ?? 0, row: record.row?.row ?? -1, user: user))
    let createdAt = memory.createdAt.milliseconds
    oldest = min(oldest ?? createdAt, createdAt)
    newest = max(newest ?? createdAt, createdAt)
    if let expiresAt = memory.expiresAt?.milliseconds {
      if expiresAt <= now + 7 * Self.dayMilliseconds { expiringWithin7Days += 1 }
      if expiresAt <= now + 30 * Self.dayMilliseconds { expiringWithin30Days += 1 }
    }
    if memory.text.unicodeScalars.allSatisfy(\.properties.isWhitespace) { emptyTexts.insert(memory.id) }
    if let kind = memory.kind { kinds.add(kind) }
    if let session = memory.sessionID { sessions.append(Self.hash(session, seed: UInt64(user))) }
    for key in memory.metadata.keys { metadataKeys.add(key) }
  }

  mutating func add(_ row: Span<Float>, of id: MemoryID) {
    if let dead = deadComponents {
      // In most stores, no such component is left after a few rows.
      if !dead.isEmpty { deadComponents = dead.filter { row[$0] == 0 } }
    } else {
      deadComponents = row.indices.filter { row[$0] == 0 }
    }
    // The embedding is zero only if every component is, so the first component mostly decides.
    var index = 0
    while index < row.count, row[index] == 0 { index += 1 }
    if index == row.count { zeroEmbeddings.insert(id) }
  }

  mutating func distinctSessions(_ meter: inout WorkMeter) throws -> Int {
    try sessions.sort(by: <, &meter)
    return zip(sessions, sessions.dropFirst()).reduce(sessions.isEmpty ? 0 : 1) { $0 + ($1.0 == $1.1 ? 0 : 1) }
  }

  private static func hash(_ text: String, seed: UInt64 = 0) -> UInt64 {
    var text = text
    // SAFETY: the bytes are alive for the call.
    return text.withUTF8 { unsafe XXH3.hash64(UnsafeRawBufferPointer($0), seed: seed) }
  }
}
