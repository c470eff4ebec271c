import Formats

extension MemoryStore {
  /// A context of any type as JSON, without knowing its Swift type: the value alone, as an export writes it; nil if the user has none.
  ///
  /// - Parameters:
  ///   - recordType: ``ContextRecord/recordType`` of the type.
  ///   - userID: Whose context.
  /// - Returns: A JSON object without white space.
  /// - Throws: ``StoreError`` `.invalidUserID`, `.invalidArgument` for a record type that cannot be one, `.corrupted`, `.closed`,
  ///   `.tooManyReaders`.
  /// - Complexity: O(log contexts + size of the context).
  public func contextJSON(_ recordType: String, for userID: String) throws -> String? {
    try Limits.checkUserID(userID)
    try Limits.checkRecordType(recordType)
    return try readOnce { reader in
      try reader.context(recordType, userID) { _, record in
        var json = JSONWriter()
        do {
          try json.write(cbor: try record.readValue())
        } catch {
          throw StoreError(.corrupted, "the \(recordType) of '\(userID)' does not decode", cause: error)
        }
        return json.string
      }
    }
  }

  /// Stores a context of any type from JSON; the one it replaces becomes history.
  ///
  /// - Parameters:
  ///   - json: UTF-8 of an object: the whole record. A `UserContext` may leave `userID` out.
  ///   - recordType: ``ContextRecord/recordType`` of the type.
  ///   - userID: Whose context.
  ///   - schema: The version of the type's shape, 0 or more.
  /// - Throws: ``StoreError`` `.invalidArgument` if `json` is not a JSON object, `.decodingFailed` if it does not decode as a `UserContext`
  ///   of the present schema, `.encodingFailed`, `.valueTooLarge`, `.invalidUserID`, and those of ``write(users:token:_:)``. Nothing is
  ///   changed.
  public func putContext(json: [UInt8], as recordType: String, for userID: String, schema: Int = 1) async throws {
    let value: CBORValue
    do {
      value = try JSONReader.read(json) { reader in try reader.readCBOR(atMostBytes: Limits.contextBytes) }
    } catch let error as JSONError {
      throw StoreError(.invalidArgument, "the context is not valid JSON: \(error)")
    }
    guard case .map = value else { throw StoreError(.invalidArgument, "the context must be a JSON object") }
    guard schema >= 0 else { throw StoreError(.invalidArgument, "the schema is \(schema), it must be 0 or more") }
    let line = try ContextLine(recordType: recordType, userID: userID, schema: schema, value: value)
    try await writer().write { transaction in
      try transaction.putContext(line.recordType, schemaVersion: line.schema, userID: line.userID, record: line.record)
    }
  }
}
