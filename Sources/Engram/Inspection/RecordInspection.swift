import Formats
import LMDB
import VectorSearch

/// One stored record as text, with its size and its row.
public struct RecordInspection: Sendable, Codable {
  /// The name of LMDB's database that contains the record, such as `memories`.
  public let database: String
  /// Hexadecimal.
  public let key: String
  /// Bytes of the stored value, without its checksum.
  public let sizeBytes: Int
  /// The whole value in CBOR diagnostic notation (RFC 8949, section 8). For a context, this is the record inside of the envelope that the
  /// store adds.
  public let diagnosticText: String
  /// The same as JSON, without white space. Byte strings and other values that JSON does not have are spelled as text.
  public let json: String
  /// Nil for a context, and for a memory without an embedding.
  public let row: Row?

  /// The row of an embedding.
  public struct Row: Sendable, Hashable, Codable {
    /// Its number in `rows.f32`, from 0 on.
    public let number: Int
    public let block: Int
    /// XXH3-64 that the record holds.
    public let expectedChecksum: UInt64
    /// XXH3-64 of the row's bytes; nil if the file has no such row.
    public let foundChecksum: UInt64?

    public var isIntact: Bool { foundChecksum == expectedChecksum }
  }
}

extension MemoryStore {
  /// The record of a memory, even if it has expired; nil if there is none.
  ///
  /// - Throws: ``StoreError`` `.corrupted` if the value does not match its checksum; `.closed`, `.tooManyReaders`. A damaged row does not
  ///   throw: see ``RecordInspection/Row/isIntact``.
  /// - Complexity: O(log memories + size of the value).
  public func recordInspection(of id: MemoryID) throws -> RecordInspection? {
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

  /// The record of a context; nil if there is none.
  ///
  /// - Throws: ``StoreError`` `.invalidUserID`, `.invalidArgument` for a record type that cannot be one, `.corrupted`, `.closed`,
  ///   `.tooManyReaders`.
  /// - Complexity: O(log contexts + size of the value).
  public func recordInspection(of recordType: String, userID: String) throws -> RecordInspection? {
    try Limits.checkUserID(userID)
    try Limits.checkRecordType(recordType)
    return try readOnce { reader in
      try reader.inspection(of: ContextKey(user: reader.userKey(userID), recordType: recordType), in: Tables.Contexts.self, row: nil)
    }
  }
}

extension RecordReader {
  fileprivate func inspection<T: Table>(of key: T.EntryKey, in table: T.Type, row: RecordInspection.Row?) throws -> RecordInspection? {
    guard let value = try value(key, in: table) else { return nil }
    let tree = try RecordCoding.decode(value, "a record of \(table.name)") { reader throws(CBORError) in try reader.readValue() }
    var json = JSONWriter()
    do {
      try json.write(cbor: tree)
    } catch {
      throw StoreError(.corrupted, "a record of \(table.name) cannot be written as JSON", cause: error)
    }
    return RecordInspection(
      database: table.name, key: key.encoded.bytes.hexadecimal, sizeBytes: value.byteCount, diagnosticText: CBORDiagnostic.text(of: tree),
      json: json.string, row: row)
  }
}
