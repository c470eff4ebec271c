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
  /// An earlier version of a memory, byte by byte.
  case memoryVersion(Memory, value: [UInt8])
  case token(Token)
  case timeline(UserKey, MemoryID)
  case log(sequence: UInt64, LogRecord)
  /// An entry of a table that is built again.
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

  private static let checksums = Dictionary(uniqueKeysWithValues: Tables.names.map { ($0, RecordChecksum(database: $0)) })

  /// The stored value without its checksum; nil if the checksum does not match.
  @_lifetime(copy stored)
  static func value(_ database: String, _ key: RawSpan, _ stored: RawSpan) -> RawSpan? {
    guard let checksum = checksums[database], checksum.matches(key: key, stored: stored) else { return nil }
    return stored.extracting(0..<stored.byteCount - RecordChecksum.byteCount)
  }

  /// The database that an entry of a lost page belongs to: the one whose checksum it has; nil for a damaged entry.
  static func database(of key: RawSpan, _ stored: RawSpan) -> String? {
    Tables.names.first { checksums[$0]?.matches(key: key, stored: stored) == true }
  }

  /// - Throws: ``StoreError`` if the value does not decode or is not valid in a store; `.newerFormat`.
  init(_ database: String, _ key: RawSpan, _ value: RawSpan) throws {
    switch database {
    case Tables.Meta.name: self = try Self.meta(key, value)
    case Tables.Memories.name:
      let record = try MemoryRecord(value, id: try MemoryID(decoding: key))
      try Limits.check(record.memory)
      self = .memory(record)
    case Tables.Contexts.name: self = .context(try Self.context(try ContextKey(decoding: key).recordType, value))
    case Tables.History.name:
      let name: ContextVersionKey
      switch try HistoryKey(decoding: key) {
      case .context(let version): name = version
      case .memory(let version):
        self = try Self.version(version, value)
        return
      }
      let context = try Self.context(name.context.recordType, value)
      guard context.version == name.version else {
        throw StoreError(.corrupted, "version \(context.version) is under another number")
      }
      self = .version(context)
    case Tables.Tokens.name:
      if case .token = try? TokenKey(decoding: key) { self = .token(try Self.token(value)) } else { self = .index }
    case Tables.Timeline.name:
      let name = try TimelineKey(decoding: key)
      self = .timeline(name.user, name.id)
    case Tables.Log.name: self = .log(sequence: try LogKey(decoding: key).sequence, try LogRecord(value))
    default: self = .index
    }
  }

  /// Nil if the value does not decode or is not valid in a store.
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
    switch try? MetaKey(decoding: key) {
    case .state: .state(try StateRecord(value))
    case .store: .store(try StoreRecord(value))
    case nil: .index
    }
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

  /// Does not compare the user in the record with the one in the key: that needs the store's secret, which may be lost.
  private static func version(_ key: MemoryVersionKey, _ value: RawSpan) throws -> SalvagedEntry {
    let record = try MemoryRecord(value, id: key.memory.id)
    try Limits.check(record.memory)
    guard UInt64(record.memory.version) == key.version, record.row == nil else {
      throw StoreError(.corrupted, "version \(record.memory.version) of memory \(key.memory.id) is under another number, or names a row")
    }
    return .memoryVersion(record.memory, value: unsafe value.withUnsafeBytes { unsafe Array($0) })
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
  case context(ContextKey)
  case version(HistoryKey)
  case token
  case log
  /// An entry of a table that is built again, or one with an invalid key.
  case index(database: String)

  init(_ database: String, _ key: RawSpan) {
    self = Self.named(database, key) ?? .index(database: database)
  }

  /// Nil if the key, which may be damaged itself, is not one that a store can have.
  private static func named(_ database: String, _ key: RawSpan) -> DamagedEntry? {
    switch database {
    case Tables.Meta.name:
      switch try? MetaKey(decoding: key) {
      case .store: return .store
      case .state: return .state
      case nil: return nil
      }
    case Tables.Memories.name: return (try? MemoryID(decoding: key)).map { .memory($0) }
    case Tables.Contexts.name: return (try? ContextKey(decoding: key)).flatMap { isPossible($0) ? .context($0) : nil }
    case Tables.History.name: return (try? HistoryKey(decoding: key)).flatMap { isPossible($0) ? .version($0) : nil }
    case Tables.Tokens.name:
      if case .token = try? TokenKey(decoding: key) { return .token }
      return nil
    case Tables.Log.name: return .log
    default: return nil
    }
  }

  private static func isPossible(_ key: HistoryKey) -> Bool {
    switch key {
    case .context(let version): isPossible(version.context)
    case .memory(let version): version.version > 0
    }
  }

  private static func isPossible(_ name: ContextKey) -> Bool { (try? Limits.checkRecordType(name.recordType)) != nil }
}
