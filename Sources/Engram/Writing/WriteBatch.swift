import Formats
import Foundation
import LMDB
import VectorSearch

/// One LMDB write transaction, and the changes that are collected beside it: rows, blocks, users' counts and the log.
///
/// Records go to LMDB at once; users, blocks and columns are kept in memory until ``finish(adopting:)``, so that a batch of a
/// thousand memories writes each of them once. Lives on the writer thread.
struct WriteBatch: ~Copyable {
  /// A block and its columns. Nil in the cache: to be deleted.
  struct Block: Sendable, Equatable {
    var record: BlockRecord
    var columns: BlockColumns

    /// Sets in the record whether a slot expires or is superseded: only then must a scan look at the columns for it.
    mutating func markBySlots() {
      record.hasExpiry = columns.slots.contains { $0.expiresAt != BlockColumns.never }
      record.hasSuperseded = columns.slots.contains { $0.details?.isSuperseded == true }
    }
  }

  /// Changed by bodies through ``put(_:_:in:)`` and ``delete(_:in:)``, which can be undone; directly only by ``finish(adopting:)``.
  var transaction: EnvironmentTransaction
  let generation: Generation
  let purpose: Purpose
  let historyLimit: Int
  let now: Int64
  /// The machine's boot and the time since it; nil in a copy, which takes it from its source.
  let boot: BootInstant?
  var state: StateRecord
  private let initialState: StateRecord
  var users: [UserKey: UserRecord?] = [:]
  var blocks: [BlockKey: Block?] = [:]
  var staging: RowStaging?
  var log: [LogRecord] = []
  var tokens: [String] = []
  /// The number of rows of the next run, instead of that in the user's record. A copy sets it, so that the user's rows lie without gaps.
  var nextRunRows: Int?
  /// Exists while a body runs, if its batch has other bodies.
  private var journal: WriteJournal?
  /// The error of a change that LMDB refused; from then on the transaction can only be aborted.
  private(set) var failure: LMDBError?
  /// Bytes of keys and values that were stored; an entry that is stored twice counts twice, unless it is a record of words.
  private(set) var storedBytes = 0
  /// Records of words that this batch has stored. Each is counted once, because LMDB reuses a page that it has copied for the transaction.
  var storedWords: Set<WordsKey> = []
  /// The words of memories that the present body has added and that are not stored yet, in the order of adding.
  var addedWords: [(user: UserKey, entry: WordsEntry)] = []
  /// Features that this batch need not announce any more.
  var announced: UInt64 = 0
  private var writer = CBORWriter()

  /// Blocks kept in memory before they are written out, in a large import.
  private static let blockCacheLimit = 8192
  /// Bounds of `log` and `tokens`.
  static let logLimit = 65_536
  static let tokenLimit = 16_384
  /// Estimated bytes of a key with its node in a page.
  private static let keyBytes = 48

  enum Purpose: Sendable {
    /// Changes, which the log records.
    case commit
    /// Records that another generation holds already; nothing is logged.
    case copy
  }

  init(
    _ transaction: consuming EnvironmentTransaction, generation: Generation, historyLimit: Int, now: Int64, boot: BootInstant? = nil,
    purpose: Purpose = .commit
  ) throws {
    self.purpose = purpose
    self.historyLimit = max(0, historyLimit)
    self.boot = boot
    self.now = now
    self.generation = generation
    state = try RecordReader(transaction.view, generation, now: now).state()
    initialState = state
    let codes = state.codesThrough > 0 ? generation.codes : nil
    staging = generation.rows.map { RowStaging($0, codes) }
    self.transaction = transaction
  }

  var schema: Schema { generation.schema }
  var store: StoreRecord { generation.store }

  /// What the batch sees; users and blocks are seen through ``user(_:_:)`` and ``block(_:)`` instead.
  var reader: RecordReader {
    @_lifetime(borrow self)
    get { RecordReader(transaction.view, generation, now: now) }
  }

  /// Whether a commit would change anything.
  var isUnchanged: Bool { state == initialState && log.isEmpty && tokens.isEmpty && users.isEmpty && blocks.isEmpty }

  // MARK: Values

  /// Stores a value; the body that does so can be undone.
  mutating func put<T: Table>(_ key: T.EntryKey, _ value: [UInt8], in table: T.Type) throws {
    let (bytes, database) = (key.encoded, schema[table])
    try remember(bytes, in: database)
    try putUnjournaled(bytes, value, in: database)
  }

  /// Deletes an entry, if there is one; the body that does so can be undone.
  mutating func delete<T: Table>(_ key: T.EntryKey, in table: T.Type) throws {
    let (bytes, database) = (key.encoded, schema[table])
    try remember(bytes, in: database)
    try deleteUnjournaled(bytes, in: database)
  }

  /// Stores a value for good: for the end of a batch, after all bodies.
  mutating func putUnjournaled<T: Table>(_ key: T.EntryKey, _ value: [UInt8], in table: T.Type) throws(LMDBError) {
    try putUnjournaled(key.encoded, value, in: schema[table])
  }

  mutating func deleteUnjournaled<T: Table>(_ key: T.EntryKey, in table: T.Type) throws(LMDBError) {
    try deleteUnjournaled(key.encoded, in: schema[table])
  }

  /// Stores a record of words. Its bytes are counted once, although a batch stores it again for each of its memories.
  mutating func putWords(_ key: WordsKey, _ value: [UInt8]) throws {
    let counted = storedBytes
    try put(key, value, in: Tables.Words.self)
    // It may grow up to a page.
    storedBytes = counted + (storedWords.insert(key).inserted ? max(value.count, 4096) + Self.keyBytes : 0)
  }

  private mutating func remember(_ key: borrowing Key, in database: Database) throws {
    guard journal != nil else { return }
    var old: [UInt8]?
    if let value = try transaction.view.value(key, in: database) { old = unsafe value.withUnsafeBytes { unsafe Array($0) } }
    journal?.values.append((database, copy key, old))
  }

  private mutating func putUnjournaled(_ key: borrowing Key, _ value: [UInt8], in database: Database) throws(LMDBError) {
    storedBytes += value.count + Self.keyBytes
    do throws(LMDBError) {
      try transaction.put(key, value, in: database)
    } catch {
      failure = error
      throw error
    }
  }

  private mutating func deleteUnjournaled(_ key: borrowing Key, in database: Database) throws(LMDBError) {
    do throws(LMDBError) {
      try transaction.delete(key, in: database)
    } catch {
      failure = error
      throw error
    }
  }

  /// The bytes that `body` writes.
  mutating func encoded(_ body: (inout CBORWriter) throws -> Void) rethrows -> [UInt8] {
    writer.removeAll()
    try body(&writer)
    return writer.bytes
  }

  // MARK: Users, blocks and rows

  /// - Throws: ``StoreError`` `.conflict` if two user IDs hash to the same 128-bit key.
  mutating func user(_ key: UserKey, _ userID: String) throws -> UserRecord? {
    var record: UserRecord?
    if let cached = users[key] {
      record = cached
    } else if let value = try reader.value(key, in: Tables.Users.self) {
      record = try UserRecord(value)
    }
    if let record, !record.userID.hasSameBytes(as: userID) { throw StoreError.sameKey(userID) }
    return record
  }

  /// Changes a user's counts; makes the record for a new user and removes it with the last memory and context.
  mutating func updateUser(_ key: UserKey, _ userID: String, _ change: (inout UserRecord, inout WriteBatch) throws -> Void) throws {
    let old = try user(key, userID)
    if journal != nil, journal?.users[key] == nil { journal?.users.updateValue(old, forKey: key) }
    var record = old ?? UserRecord(userID: userID)
    try change(&record, &self)
    if record.isEmpty {
      for number in record.firstOpenBlock..<record.blocks { try setBlock(BlockKey(user: key, number: number), nil) }
      if old != nil { state.users -= 1 }
      users.updateValue(nil, forKey: key)
    } else {
      if old == nil { state.users += 1 }
      users.updateValue(record, forKey: key)
    }
  }

  mutating func block(_ key: BlockKey) throws -> Block {
    let block = try findBlock(key)
    if journal != nil, journal?.blocks[key] == nil { journal?.blocks.updateValue(block, forKey: key) }
    guard let block else { throw StoreError(.corrupted, "block \(key.number) of a user is missing") }
    return block
  }

  private func findBlock(_ key: BlockKey) throws -> Block? {
    if let cached = blocks[key] { return cached }
    guard let value = try reader.value(key, in: Tables.Blocks.self) else { return nil }
    let record = try BlockRecord(value)
    guard let columns = try reader.value(key, in: Tables.Columns.self) else {
      throw StoreError(.corrupted, "block \(key.number) of a user has no columns")
    }
    return Block(record: record, columns: BlockColumns(try ColumnsView(columns)))
  }

  /// - Throws: ``StoreError`` `.corrupted` if the block that is replaced does not decode.
  mutating func setBlock(_ key: BlockKey, _ block: Block?) throws {
    // The journal needs the stored block even if it is not cached: a body may delete blocks that it never read.
    if journal != nil, journal?.blocks[key] == nil {
      let old = try findBlock(key)
      journal?.blocks.updateValue(old, forKey: key)
    }
    blocks.updateValue(block, forKey: key)
  }

  /// Gives the memory an unused slot, and stages its components for the row file.
  ///
  /// - Throws: ``StoreError`` `.dimensionMismatch` if the components were prepared for another generation; `.corrupted`.
  mutating func addRow(_ components: [Float], of memory: Memory, key: UserKey, user: inout UserRecord) throws -> MemoryRecord.RowReference {
    guard components.count == generation.rows?.header.dimension else {
      throw StoreError(
        .dimensionMismatch,
        "the embedding of memory \(memory.id) has \(components.count) components, the store has dimension "
          + "\(store.dimension.map(String.init) ?? "none"): it was embedded anew meanwhile")
    }
    var number = user.firstOpenBlock
    var block: Block
    while true {
      if number == user.blocks { try allocateRun(key, &user) }
      block = try self.block(BlockKey(user: key, number: number))
      if block.record.used < block.record.capacity { break }
      number += 1
    }
    // Not in the cache while it changes: its slots would be copied.
    blocks[BlockKey(user: key, number: number)] = nil
    user.firstOpenBlock = number
    let slot = block.record.used
    let row = block.record.firstRow + slot
    block.record.used += 1
    block.record.live |= 1 << LiveMask(slot)
    block.columns.slots.append(BlockColumns.Slot(memory))
    if memory.expiresAt != nil { block.record.hasExpiry = true }
    if memory.supersededBy != nil { block.record.hasSuperseded = true }
    try setBlock(BlockKey(user: key, number: number), block)
    try staging?.append(row: row, components)
    // While codes count, every live row has one.
    if state.codesThrough > 0, staging?.writesCodes != true { state.loseCodes() }
    user.rows += 1
    state.rowsLive += 1
    return MemoryRecord.RowReference(row: row, block: number, checksum: RowFile.checksum(of: components.span))
  }

  /// A copy of a row, which this batch may have added.
  ///
  /// - Throws: ``StoreError`` `.corrupted`, `RowFileError`.
  func components(_ reference: MemoryRecord.RowReference) throws -> [Float] {
    if let components = try staging?.components(ofRow: reference.row) { return components }
    guard let rows = generation.rows, reference.row < state.rowsHigh else {
      throw StoreError(.corrupted, "a record names row \(reference.row), which the store does not have")
    }
    // Read from the file and not from its map, which may end before rows that no commit has published.
    let components = try rows.read(row: reference.row)
    guard RowFile.checksum(of: components.span) == reference.checksum else { throw RowFileError.checksumMismatch(row: reference.row) }
    return components
  }

  /// The user's next run of consecutive rows, cut into blocks.
  private mutating func allocateRun(_ key: UserKey, _ user: inout UserRecord) throws {
    var left = max(nextRunRows ?? user.nextRunRows, 1)
    nextRunRows = nil
    while left > 0 {
      let capacity = min(left, RowFile.blockCapacity)
      let record = BlockRecord(firstRow: state.rowsHigh, capacity: capacity)
      try setBlock(BlockKey(user: key, number: user.blocks), Block(record: record, columns: BlockColumns()))
      user.blocks += 1
      state.rowsHigh += capacity
      left -= capacity
    }
  }

  /// Marks a row as dead, and empties its slot in the columns. The bytes of the row stay in the file until the generation is rebuilt.
  mutating func removeRow(_ reference: MemoryRecord.RowReference, key: UserKey, user: inout UserRecord) throws {
    let blockKey = BlockKey(user: key, number: reference.block)
    var block = try block(blockKey)
    let slot = reference.row - block.record.firstRow
    guard (0..<block.record.used).contains(slot), block.record.live & (1 << LiveMask(slot)) != 0 else {
      throw StoreError(.corrupted, "row \(reference.row) is not live in the block that its record names")
    }
    block.record.live &= ~(1 << LiveMask(slot))
    block.columns.slots[slot] = .empty
    block.markBySlots()
    let isDead = block.record.live == 0 && block.record.used == block.record.capacity
    try setBlock(blockKey, isDead ? nil : block)
    if isDead, reference.block == user.firstOpenBlock { user.firstOpenBlock += 1 }
    user.rows -= 1
    state.rowsLive -= 1
    state.rowsDead += 1
  }

  /// Replaces the slot of a row in the columns; the row itself stays.
  mutating func updateColumns(_ reference: MemoryRecord.RowReference, of memory: Memory, key: UserKey) throws {
    let blockKey = BlockKey(user: key, number: reference.block)
    var block = try block(blockKey)
    let slot = reference.row - block.record.firstRow
    guard block.columns.slots.indices.contains(slot), block.columns.slots[slot].id == memory.id else {
      throw StoreError(.corrupted, "the columns of row \(reference.row) name another memory than \(memory.id)")
    }
    block.columns.slots[slot] = BlockColumns.Slot(memory)
    block.markBySlots()
    try setBlock(blockKey, block)
  }

  // MARK: Counts, log and tokens

  mutating func countMemories(_ change: Int) { state.memories += change }
  mutating func countContexts(_ change: Int) { state.contexts += change }

  mutating func append(_ record: LogRecord) {
    // One entry past the limit shows that there were more: the batch then replaces the whole log by one entry that says so.
    if purpose == .commit, log.count <= Self.logLimit { log.append(record) }
  }

  mutating func append(token: String) { tokens.append(token) }

  /// Whether a body of this batch that was not undone has the token; committed tokens are in LMDB.
  func hasPending(token: String) -> Bool { tokens.contains { $0.hasSameBytes(as: token) } }

  // MARK: Bodies

  /// Begins to record old values, so that ``undo()`` can restore this state.
  mutating func beginJournal() {
    journal = WriteJournal(state: state, logCount: log.count, tokenCount: tokens.count, rowMark: staging?.mark ?? 0)
  }

  mutating func endJournal() { journal = nil }

  /// Whether ``undo()`` may still take back changes that are made now.
  var canBeUndone: Bool { journal != nil }

  /// Takes back everything since ``beginJournal()``.
  mutating func undo() throws(LMDBError) {
    guard let journal else { return }
    self.journal = nil
    for change in journal.values.reversed() {
      if let old = change.old {
        try putUnjournaled(change.key, old, in: change.database)
      } else {
        try deleteUnjournaled(change.key, in: change.database)
      }
    }
    users.merge(journal.users) { _, old in old }
    blocks.merge(journal.blocks) { _, old in old }
    addedWords.removeAll()
    staging?.drop(from: journal.rowMark)
    log.removeSubrange(journal.logCount...)
    tokens.removeSubrange(journal.tokenCount...)
    state = journal.state
  }

  /// Writes cached blocks out if there are very many, between the operations of a large body that cannot be undone.
  mutating func writeBlocksIfMany() throws {
    guard blocks.count > Self.blockCacheLimit, journal == nil else { return }
    try writeBlocks()
  }

  /// Step 7, the one commit point.
  consuming func commit() throws(LMDBError) {
    try transaction.commit()
  }
}

/// The rows could not be flushed. The kernel may have dropped them, so this process must not write any more.
struct RowFlushFailure: Error {
  let error: any Error
}
