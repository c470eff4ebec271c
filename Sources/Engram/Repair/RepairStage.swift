import LMDB
import VectorSearch

/// A temporary generation that stores salvaged records in the order of the damaged pages, some at a time; it is then copied user by user.
/// So a repair keeps few records in memory.
struct RepairStage: ~Copyable {
  /// Where an entry comes from. If there are two of the same key, the one from a tree of the commit is kept.
  enum Origin {
    case tree
    case lostPage
    /// The commit before; the later one did not change the entry.
    case earlierCommit
  }

  private enum Item {
    case memory(Memory, [Float]?, Origin)
    case context(SalvagedEntry.Context, Origin)
    case version(SalvagedEntry.Context)
    case memoryVersion(Memory, [UInt8])
    case token(SalvagedEntry.Token)
  }

  let generation: Generation
  /// The number and the time of the commit that the records are from.
  private let carried: StateRecord
  private let notes: RepairNotes
  private var items: [Item] = []
  private var itemBytes = 0
  /// Memories that were found in a lost page only.
  private(set) var lostPageMemories: Set<MemoryID> = []
  private var lostPageContexts: Set<ContextKey> = []
  /// Memories of which lost pages have several versions: none is known to be the last.
  private var contested: Set<MemoryID> = []
  private(set) var restored = 0

  private static let transactionBytes = 8 << 20

  init(_ generation: Generation, carrying state: StateRecord, _ notes: RepairNotes) {
    self.generation = generation
    self.notes = notes
    var carried = StateRecord()
    carried.batchSequence = state.batchSequence
    carried.lastCommit = state.lastCommit
    carried.lastBoot = state.lastBoot
    self.carried = carried
  }

  /// - Parameter components: The embedding, already compared with its checksum.
  mutating func add(_ memory: Memory, _ components: [Float]?, _ origin: Origin) throws {
    try add(.memory(memory, components, origin), sizeBytes: memory.text.utf8.count + 512 + (components?.count ?? 0) * 4)
  }

  mutating func add(_ context: SalvagedEntry.Context, _ origin: Origin) throws {
    try add(.context(context, origin), sizeBytes: context.value.count + 128)
  }

  mutating func add(version: SalvagedEntry.Context) throws { try add(.version(version), sizeBytes: version.value.count + 128) }

  /// - Parameter value: The record of the version.
  mutating func add(version memory: Memory, _ value: [UInt8]) throws {
    try add(.memoryVersion(memory, value), sizeBytes: 2 * value.count + 512)
  }

  mutating func add(_ token: SalvagedEntry.Token) throws { try add(.token(token), sizeBytes: token.value.count + 128) }

  private mutating func add(_ item: Item, sizeBytes: Int) throws {
    items.append(item)
    itemBytes += sizeBytes
    if itemBytes >= Self.transactionBytes { try flush() }
  }

  /// Stores the items that were added.
  mutating func flush() throws {
    let items = items
    self.items.removeAll(keepingCapacity: true)
    itemBytes = 0
    try change { stage, transaction in
      for item in items {
        switch item {
        case .memory(let memory, let components, let origin): try stage.insert(memory, components, origin, &transaction)
        case .context(let context, let origin): try stage.insert(context, origin, &transaction)
        case .version(let version): try stage.insert(version: version, &transaction)
        case .memoryVersion(let memory, let value): try stage.insert(version: memory, value, &transaction)
        case .token(let token): try stage.insert(token, &transaction)
        }
      }
    }
  }

  /// Runs one transaction in the stage.
  mutating func change(_ body: (inout RepairStage, inout WriteTransaction) throws -> Void) throws {
    let (generation, carried) = (generation, carried)
    try generation.fill(adopting: carried) { transaction in
      transaction.batch.state.logFirst = carried.batchSequence + 1
      try body(&self, &transaction)
    }
  }

  /// Reads what is stored in the stage; added items that are not flushed are not seen.
  func read<Value>(_ body: (borrowing RecordReader) throws -> Value) throws -> Value {
    let snapshot = try EnvironmentSnapshot(generation.environment)
    return try body(RecordReader(snapshot.view, generation, now: .min))
  }

  /// Removes a memory from the stage.
  mutating func remove(_ id: MemoryID, _ transaction: inout WriteTransaction) throws {
    if let record = try transaction.batch.reader.memoryRecord(id) { try transaction.remove(record) }
  }

  // MARK: Memories

  private mutating func insert(
    _ memory: Memory, _ components: [Float]?, _ origin: Origin, _ transaction: inout WriteTransaction
  ) throws {
    let id = memory.id
    if contested.contains(id) { return }
    if let standing = try transaction.batch.reader.memoryRecord(id) {
      try compare(standing, memory, components, origin, &transaction)
      return
    }
    switch origin {
    case .tree: break
    case .lostPage: lostPageMemories.insert(id)
    case .earlierCommit: restored += 1
    }
    try transaction.insert(try withFreeDedupeKey(memory, &transaction), components)
  }

  /// Of two versions in lost pages neither is known to be the last: LMDB's pages do not tell when they were written.
  private mutating func compare(
    _ standing: MemoryRecord, _ memory: Memory, _ components: [Float]?, _ origin: Origin, _ transaction: inout WriteTransaction
  ) throws {
    guard origin == .lostPage, lostPageMemories.contains(memory.id) else { return }
    let checksum = components.map { RowFile.checksum(of: $0.span) }
    if standing.memory == memory, standing.row?.checksum == checksum { return }
    try transaction.remove(standing)
    lostPageMemories.remove(memory.id)
    contested.insert(memory.id)
    notes.lose("memory \(memory.id): lost pages have different versions of it, and none is known to be the last")
  }

  /// Of two memories of a user with one dedupe key the later one keeps it.
  private mutating func withFreeDedupeKey(_ memory: Memory, _ transaction: inout WriteTransaction) throws -> Memory {
    guard let key = memory.dedupeKey, let other = try transaction.batch.reader.dedupe(memory.userID, key), other != memory.id,
      var record = try transaction.batch.reader.memoryRecord(other)
    else { return memory }
    let (earlier, later) = (min(memory.id, other), max(memory.id, other))
    notes.lose("memory \(earlier): its dedupe key is also that of memory \(later), which keeps it")
    if earlier == memory.id { return memory.withoutDedupeKey }
    record.memory = record.memory.withoutDedupeKey
    let value = transaction.batch.encoded { record.encode(into: &$0) }
    try transaction.batch.put(other, value, in: Tables.Memories.self)
    return memory
  }

  // MARK: Contexts and tokens

  private mutating func insert(
    _ context: SalvagedEntry.Context, _ origin: Origin, _ transaction: inout WriteTransaction
  ) throws {
    let user = transaction.batch.reader.userKey(context.userID)
    let name = ContextKey(user: user, recordType: context.recordType)
    // A context has the number of its version, so that the later of two from lost pages is known.
    if let version = try Self.version(of: name, transaction.batch.reader) {
      guard origin == .lostPage, lostPageContexts.contains(name), context.version > version else { return }
      try transaction.batch.put(name, context.value, in: Tables.Contexts.self)
      return
    }
    switch origin {
    case .tree: break
    case .lostPage: lostPageContexts.insert(name)
    case .earlierCommit: restored += 1
    }
    try transaction.batch.put(name, context.value, in: Tables.Contexts.self)
    try transaction.batch.updateUser(user, context.userID) { user, _ in user.contexts += 1 }
    transaction.batch.countContexts(1)
  }

  private static func version(of name: ContextKey, _ reader: borrowing RecordReader) throws -> UInt64? {
    guard let value = try reader.value(name, in: Tables.Contexts.self) else { return nil }
    return try ContextEnvelope.read(value) { header, _ in header.version }
  }

  private func insert(version: SalvagedEntry.Context, _ transaction: inout WriteTransaction) throws {
    let user = transaction.batch.reader.userKey(version.userID)
    let key = HistoryKey.context(ContextVersionKey(ContextKey(user: user, recordType: version.recordType), version: version.version))
    if try transaction.batch.reader.contains(key, in: Tables.History.self) { return }
    try transaction.batch.put(key, version.value, in: Tables.History.self)
  }

  private func insert(version memory: Memory, _ value: [UInt8], _ transaction: inout WriteTransaction) throws {
    let name = MemoryVersions(user: transaction.batch.reader.userKey(memory.userID), id: memory.id)
    let key = HistoryKey.memory(MemoryVersionKey(name, version: UInt64(memory.version)))
    if try transaction.batch.reader.contains(key, in: Tables.History.self) { return }
    try transaction.batch.put(key, value, in: Tables.History.self)
  }

  private func insert(_ token: SalvagedEntry.Token, _ transaction: inout WriteTransaction) throws {
    let hash = transaction.batch.reader.userKey(token.token)
    if try transaction.batch.reader.contains(.token(hash), in: Tables.Tokens.self) { return }
    try transaction.batch.put(.token(hash), token.value, in: Tables.Tokens.self)
    try transaction.batch.put(.order(sequence: token.sequence, hash), [], in: Tables.Tokens.self)
    transaction.batch.state.tokens += 1
  }
}

extension Memory {
  fileprivate var withoutDedupeKey: Memory {
    Memory(
      id: id, userID: userID, text: text, kind: kind, sessionID: sessionID, speaker: speaker, createdAt: createdAt,
      importance: importance, expiresAt: expiresAt, dedupeKey: nil, metadata: metadata, details: details,
      change: change)
  }
}
