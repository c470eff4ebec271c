import Formats
import Foundation
import LMDB

extension WriteTransaction {
  /// The user's context as the transaction sees it.
  ///
  /// - Returns: Nil if the user has none.
  /// - Throws: ``StoreError`` `.invalidUserID`, `.decodingFailed`, `.corrupted`.
  public func context(for userID: String) throws -> UserContext? {
    try context(UserContext.self, for: userID)
  }

  /// The user's record of another type.
  public func context<Record: ContextRecord>(_ type: Record.Type, for userID: String) throws -> Record? {
    try Limits.checkUserID(userID)
    _ = try Record.checkedRecordType()
    return try surfacingRead(.user(userID)) { try $0.batch.reader.context(type, userID) }
  }

  /// The user's context with its version, as the transaction sees it; see ``MemorySnapshot/versionedContext(for:)``.
  public func versionedContext(for userID: String) throws -> ContextVersion<UserContext>? {
    try versionedContext(UserContext.self, for: userID)
  }

  /// The user's record of another type with its version.
  public func versionedContext<Record: ContextRecord>(_ type: Record.Type, for userID: String) throws -> ContextVersion<Record>? {
    try surfacingRead(.user(userID)) { try $0.batch.reader.checkedVersionedContext(type, userID) }
  }

  /// Stores a context; the one it replaces becomes history.
  ///
  /// - Parameter version: The version that the user's context must have now, 0 if there must be none; nil: any.
  /// - Throws: ``StoreError`` `.versionMismatch`, `.invalidUserID`, `.invalidArgument`, `.encodingFailed`, `.valueTooLarge`; the
  ///   transaction can go on.
  public mutating func put<Record: ContextRecord>(_ context: Record, ifVersion version: Int? = nil) throws {
    let recordType = try Record.checkedRecordType()
    try requireVersion(version, recordType, context.userID)
    let record = try ContextEnvelope.encode(context)
    try surfacing(.user(context.userID)) {
      try $0.putContext(recordType, schemaVersion: Record.schemaVersion, userID: context.userID, record: record)
    }
  }

  /// Reads, changes and stores a context in one step.
  ///
  /// - Parameters:
  ///   - version: The version that the context must have now, 0 if there must be none; nil: any.
  ///   - transform: Gets the context, or a fresh one for a user seen for the first time. Not called after a mismatch.
  /// - Returns: The stored context.
  /// - Throws: As ``put(_:ifVersion:)``, and what `transform` throws; the transaction can go on.
  @discardableResult
  public mutating func updateContext(
    for userID: String, ifVersion version: Int? = nil, _ transform: (UserContext) throws -> UserContext
  ) throws -> UserContext {
    try updateContext(UserContext.self, for: userID, ifVersion: version) { current in
      try transform(current ?? UserContext(userID: userID, firstSeen: Date()))
    }
  }

  /// Reads, changes and stores a record of any type in one step.
  ///
  /// - Parameter transform: Gets nil if the user has no such record yet.
  /// - Throws: As ``updateContext(for:ifVersion:_:)``.
  @discardableResult
  public mutating func updateContext<Record: ContextRecord>(
    _ type: Record.Type, for userID: String, ifVersion version: Int? = nil, _ transform: (Record?) throws -> Record
  ) throws -> Record {
    try requireVersion(version, try Record.checkedRecordType(), userID)
    let changed = try transform(try context(type, for: userID))
    guard changed.userID.hasSameBytes(as: userID) else {
      throw StoreError(.invalidArgument, "the transform of '\(userID)' returned a context of '\(changed.userID)'")
    }
    try put(changed)
    return changed
  }

  /// Counts one more exchange in the user's context, and stores its message and its response as the last ones.
  @discardableResult
  public mutating func updateContext(
    for userID: String, message: String, response: String, ifVersion version: Int? = nil
  ) throws -> UserContext {
    try Limits.checkText(message)
    try Limits.checkText(response)
    return try updateContext(for: userID, ifVersion: version) { $0.afterExchange(message: message, response: response, at: Date()) }
  }

  /// Deletes a context with its history.
  ///
  /// - Returns: Whether there was one.
  @discardableResult
  public mutating func deleteContext<Record: ContextRecord>(_ type: Record.Type, for userID: String) throws -> Bool {
    try Limits.checkUserID(userID)
    let recordType = try Record.checkedRecordType()
    return try surfacing(.user(userID)) { try $0.deleteContext(recordType, userID) }
  }

  mutating func deleteContext(_ recordType: String, _ userID: String) throws -> Bool {
    let name = ContextKey(user: batch.reader.userKey(userID), recordType: recordType)
    guard try batch.reader.context(recordType, userID, { _, _ in true }) != nil else { return false }
    try batch.delete(name, in: Tables.Contexts.self)
    try trimHistory(name.versionPrefix, newest: .max, keeping: 0)
    try batch.updateUser(name.user, userID) { user, _ in user.contexts -= 1 }
    batch.countContexts(-1)
    batch.append(LogRecord(operation: .deleteContext, userID: userID, recordType: recordType))
    return true
  }

  /// Stores the CBOR map of a record of any type.
  mutating func putContext(_ recordType: String, schemaVersion: Int, userID: String, record: [UInt8]) throws {
    try Limits.checkUserID(userID)
    try Limits.checkRecordType(recordType)
    guard record.count <= Limits.contextBytes else {
      throw StoreError(
        .valueTooLarge, "the \(recordType) of '\(userID)' has \(record.count) bytes, at most \(Limits.contextBytes) are allowed")
    }
    guard let first = record.first, first >> 5 == CBORMajor.map.rawValue else {
      throw StoreError(.encodingFailed, "a context record must encode as a map: \(recordType) does not")
    }
    let name = ContextKey(user: batch.reader.userKey(userID), recordType: recordType)
    let previous = try previousVersion(name, userID)
    var header = ContextEnvelope.Header(userID: userID, version: 1, schema: schemaVersion, updatedAt: batch.now)
    if let previous {
      header.version = previous.version + 1
      if batch.historyLimit > 0 {
        try batch.put(.context(ContextVersionKey(name, version: previous.version)), previous.value, in: Tables.History.self)
      }
      try trimHistory(name.versionPrefix, newest: previous.version, keeping: batch.historyLimit)
    } else {
      try batch.updateUser(name.user, userID) { user, _ in user.contexts += 1 }
      batch.countContexts(1)
    }
    let value = batch.encoded { ContextEnvelope.encode(header, record: record, into: &$0) }
    try batch.put(name, value, in: Tables.Contexts.self)
    batch.append(LogRecord(operation: .putContext, userID: userID, recordType: recordType))
  }

  /// - Throws: ``StoreError`` `.versionMismatch`, `.invalidArgument`, `.invalidUserID`.
  private func requireVersion(_ expected: Int?, _ recordType: String, _ userID: String) throws {
    guard let expected else { return }
    guard expected >= 0 else { throw StoreError(.invalidArgument, "ifVersion is \(expected), it must be at least 0") }
    try surfacingRead(.user(userID)) { transaction in
      try Limits.checkUserID(userID)
      let found = try transaction.batch.reader.context(recordType, userID) { header, _ in header.version } ?? 0
      guard found != UInt64(expected) else { return }
      func name(_ version: UInt64) -> String { version == 0 ? "none" : "version \(version)" }
      throw StoreError(
        .versionMismatch,
        "the \(recordType) of '\(userID)' was expected to be \(name(UInt64(expected))), and is \(name(found)): read it again, and decide anew"
      )
    }
  }

  private func previousVersion(_ name: ContextKey, _ userID: String) throws -> (version: UInt64, value: [UInt8])? {
    guard let value = try batch.reader.value(name, in: Tables.Contexts.self) else { return nil }
    let header = try ContextEnvelope.read(value) { header, _ in header }
    guard header.userID.hasSameBytes(as: userID) else { throw StoreError.sameKey(userID) }
    return (header.version, unsafe value.withUnsafeBytes { unsafe Array($0) })
  }

  /// Deletes the oldest versions of a context or a memory until only those from `newest` − `count` + 1 to `newest` are left.
  mutating func trimHistory(_ prefix: Key, newest: UInt64, keeping count: Int) throws {
    while let oldest = try batch.reader.firstKey(of: Tables.History.self, prefix: prefix),
      oldest.version > newest || newest - oldest.version >= UInt64(count)
    {
      try batch.delete(oldest, in: Tables.History.self)
    }
  }
}
