import Foundation
import LMDB
import VectorSearch

/// What is kept of a memory's record while its store is verified.
struct MemoryFacts {
  let user: UserKey
  let createdAt: Int64
  let expiresAt: Int64
  /// Negative: none.
  let row: Int
  let block: UInt32
  /// Of kind and session together.
  let labels: Int

  init(_ record: MemoryRecord, _ user: UserKey) {
    self.user = user
    createdAt = record.memory.createdAt.milliseconds
    expiresAt = record.memory.expiresAt?.milliseconds ?? BlockColumns.never
    row = record.row?.row ?? -1
    block = record.row?.block ?? 0
    labels = Self.labels(record.memory.kind, record.memory.sessionID)
  }

  static func labels(_ kind: String?, _ session: String?) -> Int {
    var hasher = Hasher()
    hasher.combine(kind)
    hasher.combine(session)
    return hasher.finalize()
  }
}

/// What belongs to a memory, from its record outwards and back.
extension StoreVerifier {
  mutating func checkMemory(_ cursor: borrowing Cursor) throws {
    guard cursor.key.byteCount == 16 else { throw StoreError(.corrupted, "a key has \(cursor.key.byteCount) bytes") }
    let id = MemoryID(cursor.key, at: 0)
    report.memories += 1
    let record = try MemoryRecord(try cursor.value(), id: id)
    let memory = record.memory
    let (key, schema) = (reader.userKey(memory.userID), reader.schema)
    tallies[key, default: Tally()].memories += 1
    if record.row != nil { tallies[key, default: Tally()].rows += 1 }
    do throws(StoreError) {
      try Limits.check(memory)
    } catch {
      report.add("memories: memory \(id): \(error.message)")
    }
    try require(.timeline(key, memory.createdAt.milliseconds, id), in: schema.timeline, "memory \(id) is missing in its user's timeline")
    if let expiresAt = memory.expiresAt {
      try require(.expiry(expiresAt.milliseconds, id), in: schema.expiry, "memory \(id) expires and is missing in expiry")
    }
    if let dedupeKey = memory.dedupeKey {
      let names = try isNamed(id, by: .dedupe(key, reader.userKey(dedupeKey)))
      if !names { report.add("dedupe: the dedupe key of memory \(id) does not lead to it") }
    }
    facts[id] = MemoryFacts(record, key)
    if let reference = record.row { try checkRow(reference, of: memory, key) }
  }

  private mutating func require(_ key: Key, in database: Database, _ problem: @autoclosure () -> String) throws {
    if try !reader.view.contains(key, in: database) { report.add("\(database.name): \(problem())") }
  }

  /// A damaged entry is told where its own database is walked.
  private func isNamed(_ id: MemoryID, by key: Key) throws -> Bool {
    do throws(LMDBError) {
      guard let value = try reader.view.value(key, in: reader.schema.dedupe) else { return false }
      return value.byteCount == 16 && MemoryID(value, at: 0) == id
    } catch {
      if error.isChecksumMismatch { return true }
      throw error
    }
  }

  // MARK: Rows

  private mutating func checkRow(_ reference: MemoryRecord.RowReference, of memory: Memory, _ key: UserKey) throws {
    guard let rows else { return report.add("memories: memory \(memory.id) names row \(reference.row) in a store without rows") }
    guard (0..<state.rowsHigh).contains(reference.row) else {
      return report.add("memories: memory \(memory.id) names row \(reference.row), the last one is \(state.rowsHigh - 1)")
    }
    report.rows += 1
    guard reference.row < readableRows else { return report.add("rows.f32 ends before row \(reference.row) of memory \(memory.id)") }
    report.bytes += rows.header.dimension * 4
    let components: [Float]
    do {
      components = try rows.read(row: reference.row)
    } catch {
      return report.add("rows.f32: row \(reference.row) of memory \(memory.id) cannot be read: \(Self.message(of: error))")
    }
    let row = components.span
    if RowFile.checksum(of: row) != reference.checksum {
      report.add("rows.f32: row \(reference.row) of memory \(memory.id) does not match its checksum")
    } else {
      let squared = VectorPreparation.squaredNorm(row)
      if !squared.isFinite {
        report.add("rows.f32: row \(reference.row) of memory \(memory.id) has a component that is not finite")
      } else if rows.header.metric == .cosine, abs(squared - 1) > 2 * VectorPreparation.unitTolerance {
        report.add("rows.f32: row \(reference.row) of memory \(memory.id) has the norm \(squared.squareRoot()), not 1")
      }
    }
    do {
      try checkSlot(reference, of: memory, BlockKey(user: key, number: reference.block))
    } catch let error as LMDBError where error.isChecksumMismatch {
      // Told where blocks and columns are walked.
    }
  }

  /// The block that a record names holds its row; the columns are compared where the blocks are walked.
  private mutating func checkSlot(_ reference: MemoryRecord.RowReference, of memory: Memory, _ key: BlockKey) throws {
    guard let value = try reader.view.value(.block(key), in: reader.schema.blocks) else {
      return report.add("blocks: memory \(memory.id) names block \(key.number) of its user, which is missing")
    }
    let block = try BlockRecord(value)
    let slot = reference.row - block.firstRow
    guard (0..<block.used).contains(slot), block.live & (1 << LiveMask(slot)) != 0 else {
      return report.add("blocks: row \(reference.row) of memory \(memory.id) is not live in its block")
    }
    if memory.expiresAt != nil, !block.hasExpiry {
      report.add("blocks: the block of memory \(memory.id), which expires, says that none does")
    }
  }

  // MARK: From the entries back to the record

  /// What is known of the memory that an entry names; nil where its record is damaged, which was told.
  private func named(_ id: MemoryID) -> MemoryFacts?? {
    if damagedMemories.contains(id) { return .some(nil) }
    return facts[id].map { .some($0) }
  }

  mutating func checkTimeline(_ cursor: borrowing Cursor) throws {
    guard cursor.key.byteCount == 40 else { throw StoreError(.corrupted, "a key has \(cursor.key.byteCount) bytes") }
    let id = MemoryID(cursor.key, at: 24)
    guard let found = named(id) else { throw StoreError(.corrupted, "it names memory \(id), which has no record") }
    guard let memory = found else { return }
    guard memory.user == UserKey(cursor.key), memory.createdAt == cursor.key.orderedInt64(at: 16) else {
      throw StoreError(.corrupted, "memory \(id) stands under another user or time than its record says")
    }
  }

  mutating func checkExpiry(_ cursor: borrowing Cursor) throws {
    let value = try cursor.value()
    guard cursor.key.byteCount == 24, value.byteCount == 16 else { throw StoreError(.corrupted, "an entry has the wrong size") }
    let id = MemoryID(cursor.key, at: 8)
    guard let found = named(id) else { throw StoreError(.corrupted, "it names memory \(id), which has no record") }
    guard let memory = found else { return }
    guard memory.expiresAt == cursor.key.orderedInt64(at: 0), memory.user == UserKey(value) else {
      throw StoreError(.corrupted, "memory \(id) stands under another time or user than its record says")
    }
  }

  mutating func checkDedupe(_ cursor: borrowing Cursor) throws {
    let value = try cursor.value()
    guard cursor.key.byteCount == 32, value.byteCount == 16 else { throw StoreError(.corrupted, "an entry has the wrong size") }
    let id = MemoryID(value, at: 0)
    guard let found = named(id) else { throw StoreError(.corrupted, "it names memory \(id), which has no record") }
    guard found != nil, let memory = try reader.memoryRecord(id)?.memory else { return }
    guard let dedupeKey = memory.dedupeKey, reader.userKey(memory.userID) == UserKey(cursor.key),
      reader.userKey(dedupeKey) == UserKey(cursor.key, at: 16)
    else { throw StoreError(.corrupted, "it names memory \(id), which has another dedupe key") }
  }

  mutating func checkBlock(_ cursor: borrowing Cursor, _ ranges: inout BlockRanges) throws {
    guard cursor.key.byteCount == 20 else { throw StoreError(.corrupted, "a key has \(cursor.key.byteCount) bytes") }
    let block = try BlockRecord(try cursor.value())
    let key = BlockKey(user: UserKey(cursor.key), number: cursor.key.bigEndian(at: 16))
    ranges.add(block)
    tallies[key.user, default: Tally()].liveSlots += block.live.nonzeroBitCount
    do {
      guard let packed = try reader.view.value(.block(key), in: reader.schema.columns) else {
        throw StoreError(.corrupted, "block \(key.number) of a user (rows from \(block.firstRow)) has no columns")
      }
      try checkSlots(of: block, key, try ColumnsView(packed))
    } catch let error as LMDBError where error.isChecksumMismatch {
      // Told where the columns are walked.
    }
  }

  /// Every live slot has its memory, and a dead one holds nothing of the one it had.
  private mutating func checkSlots(of block: BlockRecord, _ key: BlockKey, _ columns: borrowing ColumnsView) throws {
    guard columns.count == block.used else {
      throw StoreError(.corrupted, "block \(key.number) of a user has \(block.used) slots, its columns have \(columns.count)")
    }
    let (kinds, sessions) = (columns.kinds(), columns.sessions())
    for slot in 0..<block.used {
      let (id, row) = (columns.id(slot), block.firstRow + slot)
      guard block.live & (1 << LiveMask(slot)) != 0 else {
        if id != BlockColumns.Slot.empty.id { report.add("columns: the deleted row \(row) still names memory \(id)") }
        continue
      }
      guard let found = named(id) else {
        report.add("blocks: the live row \(row) is that of memory \(id), which has no record")
        continue
      }
      guard let memory = found else { continue }
      if memory.row != row || memory.block != key.number || memory.user != key.user {
        report.add("blocks: the live row \(row) is that of memory \(id), whose record names another")
        continue
      }
      let (kind, session) = (columns.kindIndex(slot), columns.sessionIndex(slot))
      let labels = MemoryFacts.labels(kind == 0 ? nil : kinds[kind - 1], session == 0 ? nil : sessions[session - 1])
      if columns.createdAt(slot) != memory.createdAt || columns.expiresAt(slot) != memory.expiresAt || labels != memory.labels {
        report.add("columns: what they say of row \(row) is not what memory \(id) says")
      }
    }
  }

  mutating func checkColumns(_ cursor: borrowing Cursor) throws {
    guard cursor.key.byteCount == 20 else { throw StoreError(.corrupted, "a key has \(cursor.key.byteCount) bytes") }
    _ = try ColumnsView(try cursor.value())
    if try !reader.view.contains(Key(cursor.key), in: reader.schema.blocks) {
      throw StoreError(.corrupted, "there are columns of a block that does not exist")
    }
  }
}
