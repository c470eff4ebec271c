import LMDB

/// The record `meta`/`state`: what every commit changes.
struct StateRecord: Sendable, Equatable {
  /// Commits so far: the identity of a snapshot.
  var batchSequence: UInt64 = 0
  /// Rows from here on hold nothing.
  var rowsHigh = 0
  /// Rows whose bit is set.
  var rowsLive = 0
  /// Records, those that have expired and are not swept yet included.
  var memories = 0
  var contexts = 0
  var users = 0
  /// The last batch whose codes were flushed; zero while there are none.
  var codesSequence: UInt64 = 0
  /// The generation that took this one's place; zero while it is the live one.
  var supersededBy: UInt64 = 0
  /// Milliseconds since 1970.
  var lastCommit: Int64 = 0
  /// Entries of `log`, and the first batch of which it holds every entry.
  var logCount = 0
  var logFirst: UInt64 = 1
  /// Tokens kept.
  var tokens = 0
  /// Rows of this generation that were in use once and are not any more.
  var rowsDead = 0
  /// The last commit that hid what must also go from the files: a rebuild is due. Zero while none is.
  var erasing: UInt64 = 0

  init() {}

  func encode(into writer: inout CBORWriter) {
    writer.map(count: 12 + (erasing == 0 ? 0 : 1) + (rowsDead == 0 ? 0 : 1))
    writer.key("users")
    writer.int(users)
    writer.key("tokens")
    writer.int(tokens)
    if erasing > 0 {
      writer.key("erasing")
      writer.unsigned(erasing)
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
    writer.key("lastCommit")
    writer.int(lastCommit)
    writer.key("supersededBy")
    writer.unsigned(supersededBy)
    writer.key("batchSequence")
    writer.unsigned(batchSequence)
    writer.key("codesSequence")
    writer.unsigned(codesSequence)
  }

  init(_ value: RawSpan) throws(StoreError) {
    self = try RecordCoding.decode(value, "the store's state record") { reader throws(CBORError) in
      var state = StateRecord()
      unsafe try RecordCoding.readMap(&reader) { key, reader throws(CBORError) in
        if unsafe key.equals("users") {
          state.users = try reader.readInteger(Int.self)
        } else if unsafe key.equals("tokens") {
          state.tokens = try reader.readInteger(Int.self)
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
          state.erasing = try reader.readUInt64()
        } else if unsafe key.equals("codesSequence") {
          state.codesSequence = try reader.readUInt64()
        } else {
          return false
        }
        return true
      }
      return state
    }
    let counts = [users, tokens, contexts, logCount, memories, rowsDead, rowsHigh, rowsLive]
    let sequences = [logFirst, supersededBy, batchSequence, erasing, codesSequence]
    guard counts.allSatisfy(Limits.rows.contains), sequences.allSatisfy({ $0 <= Limits.sequence }) else {
      throw StoreError(.corrupted, "the store's state record has a count that cannot be")
    }
  }
}
