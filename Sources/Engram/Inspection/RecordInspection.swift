package import Formats
import LMDB
import VectorSearch

/// One stored value as it is: what `memtool inspect --record` shows.
package struct RecordInspection: Sendable {
  package let database: String
  /// Hexadecimal.
  package let key: String
  package let sizeBytes: Int
  /// The whole value; a context's record lies in it, with what the store knows about it around.
  package let value: CBORValue
  /// Where the embedding lies; nil for a context and for a memory without one.
  package let row: Row?

  package struct Row: Sendable {
    package let number: Int
    package let block: Int
    /// XXH3-64 that the record holds, and that of the row's bytes.
    package let expectedChecksum: UInt64
    package let foundChecksum: UInt64?

    package var isIntact: Bool { foundChecksum == expectedChecksum }
  }
}

extension MemoryStore {
  /// The record of a memory, expired ones included; nil where there is none.
  ///
  /// - Throws: ``StoreError`` `.corrupted` where the value does not match its checksum. A damaged row does not throw: the result says so.
  package func recordInspection(of id: MemoryID) throws -> RecordInspection? {
    try readOnce { reader in
      guard let record = try reader.memoryRecord(id) else { return nil }
      let row = try record.row.map { reference -> RecordInspection.Row in
        let isThere = try reference.row < reader.state().rowsHigh
        return .init(
          number: reference.row, block: Int(reference.block), expectedChecksum: reference.checksum,
          foundChecksum: isThere ? try reader.rows()?.checksum(ofRow: reference.row) : nil)
      }
      return try reader.inspection(of: id, in: Tables.Memories.self, row: row)
    }
  }

  /// The record of a context; nil where there is none.
  package func recordInspection(of recordType: String, userID: String) throws -> RecordInspection? {
    try Limits.checkUserID(userID)
    try Limits.checkRecordType(recordType)
    return try readOnce { reader in
      try reader.inspection(of: ContextKey(user: reader.userKey(userID), recordType: recordType), in: Tables.Contexts.self, row: nil)
    }
  }

  /// The CBOR of a context's own record, and nothing around it; nil where the user has none of the type.
  package func contextValue(_ recordType: String, for userID: String) throws -> CBORValue? {
    try Limits.checkUserID(userID)
    try Limits.checkRecordType(recordType)
    return try readOnce { reader in
      try reader.context(recordType, userID) { _, record in
        do throws(CBORError) {
          return try record.readValue()
        } catch {
          throw StoreError(.corrupted, "the \(recordType) of '\(userID)' does not decode", cause: error)
        }
      }
    }
  }

  /// Stores a context of any type from a tree; the one it replaces becomes history.
  ///
  /// - Throws: ``StoreError`` `.invalidArgument`, `.decodingFailed` for a `UserContext` that is none, `.encodingFailed`, `.valueTooLarge`.
  package func putContext(_ recordType: String, for userID: String, schema: Int = 1, _ value: CBORValue) async throws {
    let line = try ContextLine(recordType: recordType, userID: userID, schema: schema, value: value)
    try await writer().write { transaction in
      try transaction.putContext(line.recordType, schemaVersion: line.schema, userID: line.userID, record: line.record)
    }
  }
}

extension RecordReader {
  fileprivate func inspection<T: Table>(of key: T.EntryKey, in table: T.Type, row: RecordInspection.Row?) throws -> RecordInspection? {
    guard let value = try value(key, in: table) else { return nil }
    let tree = try RecordCoding.decode(value, "a record of \(table.name)") { reader throws(CBORError) in try reader.readValue() }
    return RecordInspection(
      database: table.name, key: key.encoded.bytes.hexadecimal, sizeBytes: value.byteCount, value: tree, row: row)
  }
}
