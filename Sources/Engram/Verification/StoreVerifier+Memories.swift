import Foundation
import LMDB
import VectorSearch

/// What belongs to a memory, from its record outwards and back.
extension StoreVerifier {
  mutating func checkMemory(_ id: MemoryID, _ value: RawSpan) throws {
    report.memories += 1
    let record = try MemoryRecord(value, id: id)
    let user = number(of: reader.userKey(record.memory.userID))
    users.elements[user].memories += 1
    if record.row != nil { users.elements[user].rows += 1 }
    do throws(StoreError) {
      try Limits.check(record.memory)
    } catch {
      report.add("memories: memory \(id): \(error.message)")
    }
    if record.memory.hasDetails, features.incompatible & StoreRecord.Features.memoryDetails == 0 {
      report.add("meta: memory \(id) has fields of a later format, which the store does not announce")
    }
    let known = MemoryFacts(record, user: user, dedupeKey: record.memory.dedupeKey.map { reader.userKey($0) })
    let number = memories.number(of: id, else: known)
    if let row = record.row?.row { claimRow(row, number) }
  }

  /// Looks for what the walks over the other databases did not find: an entry that is missing, wrong or damaged.
  mutating func checkWhatWasNotFound() throws {
    for known in memories.elements where known.found != .all {
      try meter.pass()
      let (id, user) = (known.key, users.elements[Int(known.user)].key)
      if !known.found.contains(.timeline) {
        let key = TimelineKey(user: user, createdAt: known.createdAt, id: id)
        require(key, in: Tables.Timeline.self, "memory \(id) is missing in its user's timeline")
      }
      if !known.found.contains(.expiry) {
        require(ExpiryKey(expiresAt: known.expiresAt, id: id), in: Tables.Expiry.self, "memory \(id) expires and is missing in expiry")
      }
      if !known.found.contains(.dedupe) { tellingProblems(in: Tables.Dedupe.self) { try $0.requireDedupe(id, user) } }
      if !known.found.contains(.slot) {
        tellingProblems(in: Tables.Blocks.self) { try $0.requireSlot(known, BlockKey(user: user, number: known.block)) }
      }
    }
  }

  private mutating func require<T: Table>(_ key: T.EntryKey, in table: T.Type, _ problem: @autoclosure () -> String) {
    tellingProblems(in: table) { verifier in
      if try !verifier.reader.contains(key, in: table) { throw StoreError(.corrupted, problem()) }
    }
  }

  /// What `body` throws is a problem; a damaged value was told where its own database was walked.
  private mutating func tellingProblems(in table: any Table.Type, _ body: (inout StoreVerifier) throws -> Void) {
    do {
      try body(&self)
    } catch let error as LMDBError where error.isChecksumMismatch {
    } catch {
      problem(in: table, error)
    }
  }

  private func requireDedupe(_ id: MemoryID, _ user: UserKey) throws {
    guard let dedupeKey = try reader.memoryRecord(id)?.memory.dedupeKey else { return }
    let value = try reader.value(DedupeKey(user: user, hash: reader.userKey(dedupeKey)), in: Tables.Dedupe.self)
    guard let value, try Tables.Dedupe.value(value) == id else {
      throw StoreError(.corrupted, "the dedupe key of memory \(id) does not lead to it")
    }
  }

  /// The block that a record names holds its row.
  private mutating func requireSlot(_ known: MemoryFacts, _ key: BlockKey) throws {
    guard let value = try reader.value(key, in: Tables.Blocks.self) else {
      throw StoreError(.corrupted, "memory \(known.key) names block \(key.number) of its user, which is missing")
    }
    let block = try BlockRecord(value)
    let slot = known.row - block.firstRow
    guard (0..<block.used).contains(slot), block.live & (1 << LiveMask(slot)) != 0 else {
      throw StoreError(.corrupted, "row \(known.row) of memory \(known.key) is not live in its block")
    }
    checkExpiryMark(of: block, known)
  }

  private mutating func checkExpiryMark(of block: BlockRecord, _ known: MemoryFacts) {
    if known.expiresAt != BlockColumns.never, !block.hasExpiry {
      report.add("blocks: the block of memory \(known.key), which expires, says that none does")
    }
  }

  // MARK: From the entries back to the record

  /// The number of the memory that an entry names; nil where its record is damaged, which was told.
  private func named(_ id: MemoryID) throws(StoreError) -> Int? {
    if let number = memories.number(of: id) { return number }
    if damagedMemories.contains(id) { return nil }
    throw StoreError(.corrupted, "it names memory \(id), which has no record")
  }

  private func isOwner(_ user: UserKey, _ known: MemoryFacts) -> Bool { users.elements[Int(known.user)].key == user }

  mutating func checkTimeline(_ key: TimelineKey, _ value: RawSpan) throws {
    guard let number = try named(key.id) else { return }
    guard isOwner(key.user, memories.elements[number]), memories.elements[number].createdAt == key.createdAt else {
      throw StoreError(.corrupted, "memory \(key.id) is under another user or time than its record says")
    }
    memories.elements[number].found.insert(.timeline)
  }

  mutating func checkExpiry(_ key: ExpiryKey, _ value: RawSpan) throws {
    let owner = try Tables.Expiry.value(value)
    guard let number = try named(key.id) else { return }
    guard memories.elements[number].expiresAt == key.expiresAt, isOwner(owner, memories.elements[number]) else {
      throw StoreError(.corrupted, "memory \(key.id) is under another time or user than its record says")
    }
    memories.elements[number].found.insert(.expiry)
  }

  mutating func checkDedupe(_ key: DedupeKey, _ value: RawSpan) throws {
    let id = try Tables.Dedupe.value(value)
    guard let number = try named(id) else { return }
    guard isOwner(key.user, memories.elements[number]), memories.elements[number].dedupe == MemoryFacts.half(key.hash) else {
      throw StoreError(.corrupted, "it names memory \(id), which has another dedupe key")
    }
    memories.elements[number].found.insert(.dedupe)
  }

  mutating func checkBlock(_ key: BlockKey, _ value: RawSpan, _ ranges: inout BlockRanges) throws {
    let block = try BlockRecord(value)
    ranges.add(block)
    let user = number(of: key.user)
    users.elements[user].liveSlots += block.live.nonzeroBitCount
    do {
      guard let packed = try reader.value(key, in: Tables.Columns.self) else {
        throw StoreError(.corrupted, "block \(key.number) of a user (rows from \(block.firstRow)) has no columns")
      }
      blocksWithColumns += 1
      try checkSlots(of: block, key, user, try ColumnsView(packed))
    } catch let error as LMDBError where error.isChecksumMismatch {
      // Told where the columns are walked.
      blocksWithColumns += 1
    }
  }

  /// Every live slot has its memory, and a dead one holds nothing of the one it had.
  private mutating func checkSlots(of block: BlockRecord, _ key: BlockKey, _ user: Int, _ columns: borrowing ColumnsView) throws {
    guard columns.count == block.used else {
      throw StoreError(.corrupted, "block \(key.number) of a user has \(block.used) slots, its columns have \(columns.count)")
    }
    // Index 0 means none.
    let kinds = [0] + columns.kinds().map { MemoryFacts.label($0) }
    let sessions = [0] + columns.sessions().map { MemoryFacts.label($0) }
    let details = columns.hasDetails ? BlockColumns.Slot.Details.decode(columns) : []
    for slot in 0..<block.used {
      let (id, row) = (columns.id(slot), block.firstRow + slot)
      guard block.live & (1 << LiveMask(slot)) != 0 else {
        if id != BlockColumns.Slot.empty.id { report.add("columns: the deleted row \(row) still names memory \(id)") }
        continue
      }
      guard let number = memories.number(of: id) else {
        if !damagedMemories.contains(id) { report.add("blocks: the live row \(row) is that of memory \(id), which has no record") }
        continue
      }
      let known = memories.elements[number]
      if known.row != row || known.block != key.number || known.user != user {
        report.add("blocks: the live row \(row) is that of memory \(id), whose record names another")
        continue
      }
      memories.elements[number].found.insert(.slot)
      let expiresAt = columns.expiresAt(slot)
      let labels = MemoryFacts.labels(
        kinds[columns.kindIndex(slot)], sessions[columns.sessionIndex(slot)], details.isEmpty ? 0 : MemoryFacts.label(details[slot]))
      if columns.superseded >> LiveMask(slot) & 1 == 1, !block.hasSuperseded {
        report.add("blocks: the block of memory \(id), which is superseded, says that none is")
      }
      if columns.createdAt(slot) != known.createdAt || expiresAt != known.expiresAt || labels != known.labels {
        report.add("columns: what they say of row \(row) is not what memory \(id) says")
      }
      checkExpiryMark(of: block, known)
    }
  }

  mutating func checkColumns(_ key: BlockKey, _ value: RawSpan) throws {
    _ = try ColumnsView(value)
    if columnsAreMatched { return }
    if try !reader.contains(key, in: Tables.Blocks.self) {
      throw StoreError(.corrupted, "there are columns of a block that does not exist")
    }
  }
}
