import Formats
import Foundation
import LMDB

/// A record of `log`: what one operation changed.
struct LogRecord: Sendable, Equatable {
  enum Operation: UInt8, Sendable {
    case putMemory = 1
    case deleteMemory = 2
    case putContext = 3
    case deleteContext = 4
    /// More happened in this batch than the log holds.
    case overflow = 5
  }

  let operation: Operation
  let userID: String
  /// The memory of an operation on a memory.
  var memoryID: MemoryID?
  /// The type of the context of an operation on a context.
  var recordType: String?

  func encode(into writer: inout CBORWriter) {
    writer.map(count: 2 + (memoryID == nil ? 0 : 1) + (recordType == nil ? 0 : 1))
    if let memoryID {
      writer.key("id")
      writer.bytes(memoryID.bytes)
    }
    writer.key("userID")
    writer.text(userID)
    writer.key("operation")
    writer.unsigned(UInt64(operation.rawValue))
    if let recordType {
      writer.key("recordType")
      writer.text(recordType)
    }
  }

  static func == (left: LogRecord, right: LogRecord) -> Bool {
    left.operation == right.operation && left.userID.hasSameBytes(as: right.userID) && left.memoryID == right.memoryID
      && left.recordType.hasSameBytes(as: right.recordType)
  }

  init(operation: Operation, userID: String, memoryID: MemoryID? = nil, recordType: String? = nil) {
    self.operation = operation
    self.userID = userID
    self.memoryID = memoryID
    self.recordType = recordType
  }

  init(_ value: RawSpan) throws(StoreError) {
    self = try RecordCoding.decode(value, "a record of the log") { reader throws(CBORError) in
      var operation: Operation?
      var userID: String?
      var memoryID: MemoryID?
      var recordType: String?
      unsafe try RecordCoding.readMap(&reader) { key, reader throws(CBORError) in
        if unsafe key.equals("id") {
          memoryID = MemoryID(bytes: try reader.readBytes())
        } else if unsafe key.equals("userID") {
          userID = try reader.readText()
        } else if unsafe key.equals("operation") {
          operation = Operation(rawValue: try reader.readInteger(UInt8.self))
        } else if unsafe key.equals("recordType") {
          recordType = try reader.readText()
        } else {
          return false
        }
        return true
      }
      return LogRecord(
        operation: try reader.required(operation, "operation"), userID: try reader.required(userID, "userID"),
        memoryID: memoryID, recordType: recordType)
    }
  }
}
