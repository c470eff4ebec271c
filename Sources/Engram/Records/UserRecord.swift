import Formats
import LMDB

/// A record of `users`: the userID of a user key, and counts. It is deleted when the user has no memory and no context any more.
struct UserRecord: Sendable, Equatable {
  let userID: String
  var memories = 0
  var contexts = 0
  /// Live rows.
  var rows = 0
  /// Blocks allocated so far: the next one's number.
  var blocks: UInt32 = 0
  /// The block that the next row goes into; equal to `blocks` when a new run is due.
  var firstOpenBlock: UInt32 = 0

  var isEmpty: Bool { memories == 0 && contexts == 0 }

  init(userID: String) { self.userID = userID }

  static func == (left: UserRecord, right: UserRecord) -> Bool {
    left.userID.hasSameBytes(as: right.userID) && left.memories == right.memories && left.contexts == right.contexts
      && left.rows == right.rows && left.blocks == right.blocks && left.firstOpenBlock == right.firstOpenBlock
  }

  /// Rows of the next run: half of the live rows, a multiple of 4 from 4 to 1024. So a small user wastes little space, and the rows of a
  /// large one are read in long runs.
  var nextRunRows: Int { min(max((rows / 2 + 3) / 4 * 4, 4), 1024) }

  func encode(into writer: inout CBORWriter) {
    writer.map(count: 6)
    writer.key("rows")
    writer.int(rows)
    writer.key("blocks")
    writer.unsigned(UInt64(blocks))
    writer.key("userID")
    writer.text(userID)
    writer.key("filling")
    writer.unsigned(UInt64(firstOpenBlock))
    writer.key("contexts")
    writer.int(contexts)
    writer.key("memories")
    writer.int(memories)
  }

  init(_ value: RawSpan) throws(StoreError) {
    self = try RecordCoding.decode(value, "a record of users") { reader throws(CBORError) in
      var userID: String?
      var counts = UserRecord(userID: "")
      unsafe try RecordCoding.readMap(&reader) { key, reader throws(CBORError) in
        if unsafe key.equals("rows") {
          counts.rows = try reader.readInteger(Int.self)
        } else if unsafe key.equals("blocks") {
          counts.blocks = try reader.readInteger(UInt32.self)
        } else if unsafe key.equals("userID") {
          userID = try reader.readText()
        } else if unsafe key.equals("filling") {
          counts.firstOpenBlock = try reader.readInteger(UInt32.self)
        } else if unsafe key.equals("contexts") {
          counts.contexts = try reader.readInteger(Int.self)
        } else if unsafe key.equals("memories") {
          counts.memories = try reader.readInteger(Int.self)
        } else {
          return false
        }
        return true
      }
      var record = UserRecord(userID: try reader.required(userID, "userID"))
      record.memories = counts.memories
      record.contexts = counts.contexts
      record.rows = counts.rows
      record.blocks = counts.blocks
      record.firstOpenBlock = counts.firstOpenBlock
      return record
    }
    guard [memories, contexts, rows].allSatisfy(Limits.rows.contains), firstOpenBlock <= blocks, blocks < .max else {
      throw StoreError(.corrupted, "the record of user '\(userID)' contradicts itself")
    }
  }
}
