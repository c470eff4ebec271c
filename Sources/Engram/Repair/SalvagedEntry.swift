import Formats
import LMDB

/// An entry of a damaged file whose value matches its checksum.
enum SalvagedEntry {
  case store(StoreRecord)
  case state(StateRecord)
  case memory(MemoryRecord)
  case context(Context)
  /// An earlier version of a context.
  case version(Context)
  case token(Token)
  case timeline(UserKey, MemoryID)
  case log(sequence: UInt64, LogRecord)
  /// Of a database that is made anew.
  case index

  /// A context or an earlier version, byte by byte.
  struct Context {
    let userID: String
    let recordType: String
    let version: UInt64
    let value: [UInt8]
  }

  struct Token {
    let token: String
    let sequence: UInt64
    let value: [UInt8]
  }

  static let metaName = "meta"
  private static let checksums = Dictionary(uniqueKeysWithValues: Schema.names.map { ($0, RecordChecksum(database: $0)) })

  /// What stands before the checksum; nil where it does not match.
  @_lifetime(copy stored)
  static func value(_ database: String, _ key: RawSpan, _ stored: RawSpan) -> RawSpan? {
    guard let checksum = checksums[database], checksum.matches(key: key, stored: stored) else { return nil }
    return stored.extracting(0..<stored.byteCount - RecordChecksum.byteCount)
  }

  /// The database that an entry of a lost page belongs to: the one whose checksum it has; nil for a damaged entry.
  static func database(of key: RawSpan, _ stored: RawSpan) -> String? {
    Schema.names.first { checksums[$0]?.matches(key: key, stored: stored) == true }
  }

  /// - Throws: ``StoreError`` where the value does not decode or has no place in a store; `.newerFormat`.
  init(_ database: String, _ key: RawSpan, _ value: RawSpan) throws {
    switch database {
    case Self.metaName: self = try Self.meta(key, value)
    case "memories":
      guard key.byteCount == 16 else { throw StoreError(.corrupted, "its key has \(key.byteCount) bytes") }
      let record = try MemoryRecord(value, id: MemoryID(key, at: 0))
      try Limits.check(record.memory)
      self = .memory(record)
    case "contexts":
      guard key.byteCount > 16 else { throw StoreError(.corrupted, "its key has \(key.byteCount) bytes") }
      self = .context(try Self.context(key.text(from: 16), value))
    case "history":
      let place = try Self.versionPlace(key)
      let context = try Self.context(place.recordType, value)
      guard context.version == place.version else { throw StoreError(.corrupted, "version \(context.version) stands under another number") }
      self = .version(context)
    case "tokens" where key.byteCount == 17: self = .token(try Self.token(value))
    case "timeline" where key.byteCount == 40: self = .timeline(UserKey(key), MemoryID(key, at: 24))
    case "log" where key.byteCount == 12: self = .log(sequence: key.bigEndian(at: 0), try LogRecord(value))
    default: self = .index
    }
  }

  /// Nil where the value does not decode or has no place in a store.
  ///
  /// - Throws: ``StoreError`` `.newerFormat`.
  init?(ifSound database: String, _ key: RawSpan, _ value: RawSpan) throws {
    do {
      try self.init(database, key, value)
    } catch let error as StoreError where error.code == .newerFormat {
      throw error
    } catch {
      return nil
    }
  }

  private static func meta(_ key: RawSpan, _ value: RawSpan) throws -> SalvagedEntry {
    if key.equals(Key.state.bytes) { return .state(try StateRecord(value)) }
    guard key.equals(Key.store.bytes) else { return .index }
    return .store(try StoreRecord(value))
  }

  /// The record type and version in a key of `history`.
  private static func versionPlace(_ key: RawSpan) throws(StoreError) -> (recordType: String, version: UInt64) {
    let count = key.byteCount
    guard count > 25, key.bigEndian(at: count - 9, as: UInt8.self) == 0 else { throw StoreError(.corrupted, "its key has the wrong shape") }
    return (key.extracting(0..<count - 9).text(from: 16), key.bigEndian(at: count - 8))
  }

  private static func context(_ recordType: String, _ value: RawSpan) throws -> Context {
    try Limits.checkRecordType(recordType)
    return try ContextEnvelope.read(value) { header, record in
      try Limits.checkUserID(header.userID)
      guard header.version > 0, case .map = try record.readValue() else {
        throw StoreError(.corrupted, "the \(recordType) of '\(header.userID)' is not a map with a version")
      }
      let bytes = unsafe value.withUnsafeBytes { unsafe Array($0) }
      return Context(userID: header.userID, recordType: recordType, version: header.version, value: bytes)
    }
  }

  private static func token(_ value: RawSpan) throws(StoreError) -> Token {
    let bytes = unsafe value.withUnsafeBytes { unsafe Array($0) }
    return try RecordCoding.decode(value, "a token") { reader throws(CBORError) in
      var token: String?
      var sequence: UInt64?
      unsafe try RecordCoding.readMap(&reader) { key, reader throws(CBORError) in
        if unsafe key.equals("token") {
          token = try reader.readText()
        } else if unsafe key.equals("sequence") {
          sequence = try reader.readUInt64()
        } else {
          return false
        }
        return true
      }
      return Token(token: try reader.required(token, "token"), sequence: try reader.required(sequence, "sequence"), value: bytes)
    }
  }
}

/// An entry of a tree whose value is damaged.
enum DamagedEntry {
  case store
  case state
  case memory(MemoryID)
  case context(UserKey, recordType: String)
  case version(UserKey, recordType: String, UInt64)
  case token
  case log
  /// Of a database that is made anew, or with a key that names nothing.
  case index(database: String)

  init(_ database: String, _ key: RawSpan) {
    let count = key.byteCount
    switch database {
    case SalvagedEntry.metaName where key.equals(Key.store.bytes): self = .store
    case SalvagedEntry.metaName where key.equals(Key.state.bytes): self = .state
    case "memories" where count == 16: self = .memory(MemoryID(key, at: 0))
    case "contexts" where Self.isRecordType(key.text(from: min(16, count))):
      self = .context(UserKey(key), recordType: key.text(from: 16))
    case "history" where count > 25 && Self.isRecordType(key.extracting(0..<count - 9).text(from: 16)):
      self = .version(UserKey(key), recordType: key.extracting(0..<count - 9).text(from: 16), key.bigEndian(at: count - 8))
    case "tokens" where count == 17: self = .token
    case "log": self = .log
    default: self = .index(database: database)
    }
  }

  /// The key may be what is damaged: only what a store can have is looked for in one.
  private static func isRecordType(_ text: String) -> Bool { (try? Limits.checkRecordType(text)) != nil }
}
