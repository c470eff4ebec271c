import Foundation
import LMDB
import VectorSearch

/// Checks the record of a memory, its earlier versions, and its slot in a block and its columns, in both directions.
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
    if record.memory.change != nil, features.incompatible & StoreRecord.Features.memoryVersions == 0 {
      report.add("meta: memory \(id) has a version of a later format, which the store does not announce")
    }
    countEntries(of: record.memory, IndexOwner(key: users.elements[user].key, secret: reader.generation.secret))
    try countWords(of: record)
    let number = memories.number(of: id, else: MemoryFacts(record, user: user))
    if let row = record.row?.row { claimRow(row, number) }
  }

  /// Checks that an earlier version belongs to a memory of the same user whose present version is later.
  mutating func checkVersion(_ key: MemoryVersionKey, _ value: RawSpan) throws {
    let (id, version) = (key.memory.id, key.version)
    let record = try MemoryRecord(value, id: id)
    try Limits.check(record.memory)
    guard reader.userKey(record.memory.userID) == key.memory.user else {
      throw StoreError(.corrupted, "version \(version) of memory \(id) is under another user's key")
    }
    guard UInt64(record.memory.version) == version else {
      throw StoreError(.corrupted, "version \(record.memory.version) of memory \(id) is under another number")
    }
    if record.row != nil { throw StoreError(.corrupted, "version \(version) of memory \(id) names a row") }
    if damagedMemories.contains(id) { return }
    guard let number = memories.number(of: id), users.elements[Int(memories.elements[number].user)].key == key.memory.user else {
      throw StoreError(.corrupted, "version \(version) of memory \(id) has no present one")
    }
    let present = memories.elements[number].version
    guard version < UInt64(present) else {
      throw StoreError(.corrupted, "version \(version) of memory \(id) is not earlier than the present one, which is version \(present)")
    }
  }

  /// Looks for the rows of memories that the walk over the blocks did not find.
  mutating func checkUnfoundSlots() throws {
    for known in memories.elements where !known.isSlotFound {
      try meter.pass()
      let key = BlockKey(user: users.elements[Int(known.user)].key, number: known.block)
      reportingProblems(in: Tables.Blocks.self) { try $0.requireSlot(known, key) }
    }
  }

  /// Reports what `body` throws as a problem, except a damaged value, which the walk over its own table reports.
  mutating func reportingProblems(in table: any Table.Type, _ body: (inout StoreVerifier) throws -> Void) {
    do {
      try body(&self)
    } catch let error as LMDBError where error.isChecksumMismatch {
    } catch {
      problem(in: table, error)
    }
  }

  /// Checks that the block that a record names holds its row.
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
      // The walk over the columns reports it.
      blocksWithColumns += 1
    }
  }

  /// Checks that every live slot has its memory, and that a dead slot holds nothing of the memory that it had.
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
      memories.elements[number].isSlotFound = true
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
