import Formats
import LMDB

/// The record `meta`/`state`: what every commit changes.
struct StateRecord: Sendable, Equatable {
  /// Commits so far: the identity of a snapshot.
  var batchSequence: UInt64 = 0
  /// The number of rows allocated so far; rows from this number on hold nothing.
  var rowsHigh = 0
  /// Rows that are live: whose bit in their block is set.
  var rowsLive = 0
  /// Memories, including those that have expired and are not swept yet.
  var memories = 0
  var contexts = 0
  var users = 0
  /// The last batch up to which every live row has a code on the disk; zero while the generation has no codes. A version of Engram that does
  /// not know it does not store it again, so the codes do not count after its first commit.
  var codesThrough: UInt64 = 0
  /// Whether the codes of this generation were lost, so that only the next generation has some.
  var hasLostCodes = false
  /// The generation that replaced this one; zero while this is the live one.
  var supersededBy: UInt64 = 0
  /// Milliseconds since 1970.
  var lastCommit: Int64 = 0
  /// Entries of `log`, and the first batch of which it holds every entry.
  var logCount = 0
  var logFirst: UInt64 = 1
  /// Tokens kept.
  var tokens = 0
  /// Rows of this generation that were live and are not any more.
  var rowsDead = 0
  /// The last commit that hid data whose bytes must also leave the files by a rebuild; zero if there is none.
  var pendingErasure: UInt64 = 0
  /// The boot and the time since it at the last commit; nil in a store that an earlier version wrote last.
  var lastBoot: BootInstant?
  /// The commit that first found expired memories which are still there, by both clocks; nil if none did in this boot.
  var expiryMark: StoreInstant?
  /// The optional tables that are complete.
  var tables: OptionalTables = []

  init() {}

  /// Ends the use of codes in this generation.
  mutating func loseCodes() { (codesThrough, hasLostCodes) = (0, true) }

  func encode(into writer: inout CBORWriter) {
    // A mark is valid only in the boot of the last commit.
    let mark = expiryMark.flatMap { $0.boot.boot == lastBoot?.boot ? $0 : nil }
    let optionals = [pendingErasure > 0, rowsDead > 0, !tables.isEmpty, codesThrough > 0 || hasLostCodes].count { $0 }
    writer.map(count: 12 + optionals + (lastBoot == nil ? 0 : 2) + (mark == nil ? 0 : 2))
    if let lastBoot {
      writer.key("boot")
      writer.bytes(lastBoot.boot)
    }
    writer.key("users")
    writer.int(users)
    if !tables.isEmpty {
      writer.key("tables")
      writer.unsigned(tables.rawValue)
    }
    writer.key("tokens")
    writer.int(tokens)
    if pendingErasure > 0 {
      writer.key("erasing")
      writer.unsigned(pendingErasure)
    }
    if codesThrough > 0 || hasLostCodes {
      writer.key("codesEnd")
      writer.unsigned(codesThrough)
    }
    writer.key("contexts")
    writer.int(contexts)
    writer.key("logCount")
    writer.int(logCount)
    writer.key("logFirst")
    writer.unsigned(logFirst)
    writer.key("memories")
    writer.int(memories)
    if rowsDead > 0 {
      writer.key("rowsDead")
      writer.int(rowsDead)
    }
    writer.key("rowsHigh")
    writer.int(rowsHigh)
    writer.key("rowsLive")
    writer.int(rowsLive)
    if let lastBoot {
      writer.key("bootClock")
      writer.int(lastBoot.milliseconds)
    }
    writer.key("lastCommit")
    writer.int(lastCommit)
    if let mark {
      writer.key("expiryClock")
      writer.int(mark.boot.milliseconds)
    }
    writer.key("supersededBy")
    writer.unsigned(supersededBy)
    writer.key("batchSequence")
    writer.unsigned(batchSequence)
    // Reserved: an earlier version stores again what it reads, without writing codes.
    writer.key("codesSequence")
    writer.unsigned(0)
    if let mark {
      writer.key("expiredBefore")
      writer.int(mark.wall)
    }
  }

  init(_ value: RawSpan) throws(StoreError) {
    self = try RecordCoding.decode(value, "the store's state record") { reader throws(CBORError) in
      var state = StateRecord()
      var boot: [UInt8]?
      var (bootClock, expiryClock, expiredBefore) = (Int64?.none, Int64?.none, Int64?.none)
      unsafe try RecordCoding.readMap(&reader) { key, reader throws(CBORError) in
        if unsafe key.equals("users") {
          state.users = try reader.readInteger(Int.self)
        } else if unsafe key.equals("tokens") {
          state.tokens = try reader.readInteger(Int.self)
        } else if unsafe key.equals("tables") {
          // Tables of later versions are left out, because this version does not keep them up to date.
          state.tables = OptionalTables(rawValue: try reader.readUInt64()).intersection(.known)
        } else if unsafe key.equals("contexts") {
          state.contexts = try reader.readInteger(Int.self)
        } else if unsafe key.equals("logCount") {
          state.logCount = try reader.readInteger(Int.self)
        } else if unsafe key.equals("logFirst") {
          state.logFirst = try reader.readUInt64()
        } else if unsafe key.equals("memories") {
          state.memories = try reader.readInteger(Int.self)
        } else if unsafe key.equals("rowsDead") {
          state.rowsDead = try reader.readInteger(Int.self)
        } else if unsafe key.equals("rowsHigh") {
          state.rowsHigh = try reader.readInteger(Int.self)
        } else if unsafe key.equals("rowsLive") {
          state.rowsLive = try reader.readInteger(Int.self)
        } else if unsafe key.equals("lastCommit") {
          state.lastCommit = try reader.readInt64()
        } else if unsafe key.equals("supersededBy") {
          state.supersededBy = try reader.readUInt64()
        } else if unsafe key.equals("batchSequence") {
          state.batchSequence = try reader.readUInt64()
        } else if unsafe key.equals("erasing") {
          state.pendingErasure = try reader.readUInt64()
        } else if unsafe key.equals("codesSequence") {
          _ = try reader.readUInt64()
        } else if unsafe key.equals("codesEnd") {
          state.codesThrough = try reader.readUInt64()
          state.hasLostCodes = state.codesThrough == 0
        } else if unsafe key.equals("boot") {
          boot = try reader.readBytes()
        } else if unsafe key.equals("bootClock") {
          bootClock = try reader.readInt64()
        } else if unsafe key.equals("expiryClock") {
          expiryClock = try reader.readInt64()
        } else if unsafe key.equals("expiredBefore") {
          expiredBefore = try reader.readInt64()
        } else {
          return false
        }
        return true
      }
      if let boot, let bootClock { state.lastBoot = BootInstant(boot: boot, milliseconds: bootClock) }
      if let boot = state.lastBoot?.boot, let expiryClock, let expiredBefore {
        state.expiryMark = StoreInstant(wall: expiredBefore, boot: BootInstant(boot: boot, milliseconds: expiryClock))
      }
      return state
    }
    let counts = [users, tokens, contexts, logCount, memories, rowsDead, rowsHigh, rowsLive]
    let sequences = [logFirst, supersededBy, batchSequence, pendingErasure, codesThrough]
    guard counts.allSatisfy(Limits.rows.contains), sequences.allSatisfy({ $0 <= Limits.sequence }) else {
      throw StoreError(.corrupted, "the store's state record has a count that cannot be")
    }
  }
}
