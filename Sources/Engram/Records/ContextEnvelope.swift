import Formats
import Foundation
import LMDB

/// A record of `contexts` or `history`: a record of any type, with what the store knows about it.
enum ContextEnvelope {
  /// What is stored around a record.
  struct Header: Sendable, Equatable {
    var userID = ""
    /// Counts from 1 for each user and type.
    var version: UInt64 = 0
    var schema = 1
    var updatedAt: Int64 = 0

    static func == (left: Header, right: Header) -> Bool {
      left.userID.hasSameBytes(as: right.userID) && left.version == right.version && left.schema == right.schema
        && left.updatedAt == right.updatedAt
    }
  }

  /// Encodes the record last, as `contents`, so that a reader has the header when it reaches the record.
  static func encode(_ header: Header, record: [UInt8], into writer: inout CBORWriter) {
    writer.map(count: 5)
    writer.key("schema")
    writer.int(header.schema)
    writer.key("userID")
    writer.text(header.userID)
    writer.key("updated")
    writer.int(header.updatedAt)
    writer.key("version")
    writer.unsigned(header.version)
    writer.key("contents")
    unsafe record.withUnsafeBytes { unsafe writer.encoded($0) }
  }

  /// Gives `body` the header, and a reader that is positioned at the record.
  static func read<Value>(_ value: RawSpan, _ body: (Header, inout CBORReader) throws -> Value) throws -> Value {
    try unsafe value.withUnsafeBytes { buffer in
      var header = Header()
      var contents: Int?
      var reader = unsafe CBORReader(buffer)
      do throws(CBORError) {
        var count = try reader.readMapCount()
        while try reader.hasNext(&count) {
          let key = unsafe try reader.readTextBytes()
          if unsafe key.equals("schema") {
            header.schema = try reader.readInteger(Int.self)
          } else if unsafe key.equals("userID") {
            header.userID = try reader.readText()
          } else if unsafe key.equals("updated") {
            header.updatedAt = try reader.readInt64()
          } else if unsafe key.equals("version") {
            header.version = try reader.readUInt64()
          } else if unsafe key.equals("contents") {
            contents = reader.offset
            if count == 0 { break }
            try reader.skip()
          } else {
            try reader.skip()
          }
        }
        guard header.version <= Limits.sequence else { throw CBORError(.integerOutOfRange, at: reader.offset, "there is no such version") }
        let start = try reader.required(contents, "contents")
        reader = unsafe CBORReader(buffer, offset: start)
      } catch {
        throw StoreError(.corrupted, "a context record does not decode", cause: error)
      }
      return try body(header, &reader)
    }
  }

  /// Gives `body` the header, and lends it the bytes of the record.
  static func decode<Value>(_ value: RawSpan, _ body: (Header, UnsafeRawBufferPointer) throws -> Value) throws -> Value {
    try read(value) { header, reader in unsafe try body(header, record(&reader)) }
  }

  /// The bytes of the record at which the reader is positioned.
  private static func record(_ reader: inout CBORReader) throws(StoreError) -> UnsafeRawBufferPointer {
    do throws(CBORError) {
      return try unsafe reader.readEncodedItem()
    } catch {
      throw StoreError(.corrupted, "a context record does not decode", cause: error)
    }
  }

  // MARK: Records of any type

  /// Encodes a record; a `UserContext` is encoded directly, without the generic encoder.
  ///
  /// - Throws: ``StoreError`` `.encodingFailed`; `.invalidArgument` for a time of a `UserContext` that lies outside the years.
  static func encode<Record: ContextRecord>(_ record: Record) throws(StoreError) -> [UInt8] {
    if let context = record as? UserContext {
      try Limits.check(context)
      var writer = CBORWriter()
      context.encode(into: &writer)
      return writer.bytes
    }
    do {
      return try CBOREncoder().encode(record)
    } catch {
      throw StoreError(.encodingFailed, "the \(Record.recordType) of user '\(record.userID)' cannot be encoded", cause: error)
    }
  }

  static func decode<Record: ContextRecord>(_ type: Record.Type, _ header: Header, _ reader: inout CBORReader) throws(StoreError) -> Record
  {
    if Record.self == UserContext.self, header.schema == UserContext.schemaVersion {
      do throws(CBORError) {
        // SAFETY: the types were compared above; this is the identity.
        return unsafe unsafeBitCast(try UserContext(&reader), to: Record.self)
      } catch {
        throw undecodable(type, header, error)
      }
    }
    let record = unsafe try record(&reader)
    do {
      if header.schema == Record.schemaVersion { return unsafe try CBORDecoder().decode(type, from: record) }
      var decoder = CBORDecoder()
      decoder.userInfo[Migrated<Record>.version] = header.schema
      return unsafe try decoder.decode(Migrated<Record>.self, from: record).record
    } catch {
      throw undecodable(type, header, error)
    }
  }

  private static func undecodable<Record: ContextRecord>(_ type: Record.Type, _ header: Header, _ error: any Error) -> StoreError {
    StoreError(
      .decodingFailed,
      "the \(Record.recordType) of user '\(header.userID)' (schema \(header.schema)) does not decode as \(Record.self) (schema \(Record.schemaVersion))",
      cause: error)
  }

  /// Passes the decoder of an older record to the type's own migration.
  private struct Migrated<Record: ContextRecord>: Decodable {
    static var version: CodingUserInfoKey { CodingUserInfoKey(rawValue: "engram.schemaVersion")! }

    let record: Record

    init(from decoder: any Decoder) throws {
      let version = decoder.userInfo[Self.version] as? Int ?? 1
      record = try Record.migrate(fromVersion: version, decoder)
    }
  }
}

extension UserContext {
  /// Encodes directly: the bytes are the same as those of the generic encoder.
  func encode(into writer: inout CBORWriter) {
    writer.map(count: 7 + (lastMessage == nil ? 0 : 1) + (lastResponse == nil ? 0 : 1))
    writer.key("topics")
    writer.array(count: topics.count)
    for topic in topics { writer.text(topic) }
    writer.key("userID")
    writer.text(userID)
    writer.key("lastSeen")
    writer.int(lastSeen.milliseconds)
    writer.key("firstSeen")
    writer.int(firstSeen.milliseconds)
    if let lastMessage {
      writer.key("lastMessage")
      writer.text(lastMessage)
    }
    writer.key("preferences")
    writer.map(count: preferences.count)
    for (key, value) in preferences.sorted(by: { CBORKeyOrder.precedes($0.key, $1.key) }) {
      writer.text(key)
      writer.text(value)
    }
    if let lastResponse {
      writer.key("lastResponse")
      writer.text(lastResponse)
    }
    writer.key("friendshipLevel")
    writer.int(friendshipLevel)
    writer.key("conversationsCount")
    writer.int(conversationsCount)
  }

  /// Decodes directly, without the generic decoder.
  init(_ reader: inout CBORReader) throws(CBORError) {
    var userID: String?
    var topics: [String] = []
    var preferences: [String: String] = [:]
    var lastMessage: String?
    var lastResponse: String?
    var conversationsCount = 0
    var friendshipLevel = 0
    var firstSeen: Int64?
    var lastSeen: Int64?
    unsafe try RecordCoding.readMap(&reader) { key, reader throws(CBORError) in
      if try reader.readNullIfPresent() { return true }
      if unsafe key.equals("topics") {
        var count = try reader.readArrayCount()
        topics.reserveCapacity(count ?? 0)
        while try reader.hasNext(&count) { topics.append(try reader.readText()) }
      } else if unsafe key.equals("userID") {
        userID = try reader.readText()
      } else if unsafe key.equals("lastSeen") {
        lastSeen = try reader.readInt64()
      } else if unsafe key.equals("firstSeen") {
        firstSeen = try reader.readInt64()
      } else if unsafe key.equals("lastMessage") {
        lastMessage = try reader.readNullIfPresent() ? nil : try reader.readText()
      } else if unsafe key.equals("preferences") {
        var count = try reader.readMapCount()
        // `reserveCapacity` looks up generic metadata on every call.
        preferences = Dictionary(minimumCapacity: count ?? 0)
        while try reader.hasNext(&count) {
          let start = reader.offset
          let key = try reader.readText()
          let value = try reader.readText()
          guard preferences.setWithoutLoss(value, forKey: key) else { throw CBORError.duplicate(key, at: start) }
        }
      } else if unsafe key.equals("lastResponse") {
        lastResponse = try reader.readNullIfPresent() ? nil : try reader.readText()
      } else if unsafe key.equals("friendshipLevel") {
        friendshipLevel = try reader.readInteger(Int.self)
      } else if unsafe key.equals("conversationsCount") {
        conversationsCount = try reader.readInteger(Int.self)
      } else {
        return false
      }
      return true
    }
    let first = try reader.required(firstSeen, "firstSeen")
    self.init(
      userID: try reader.required(userID, "userID"), conversationsCount: conversationsCount, friendshipLevel: friendshipLevel,
      preferences: preferences, topics: topics, lastMessage: lastMessage, lastResponse: lastResponse,
      firstSeenMilliseconds: first, lastSeenMilliseconds: lastSeen ?? first)
  }
}
