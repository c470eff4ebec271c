import Formats
import Foundation
import LMDB

/// A record of `memories`: the memory, and where its embedding lies.
struct MemoryRecord: Sendable, Equatable {
  /// 2 if one of ``MemoryDetails`` is set or the memory was changed, else 1.
  static func schemaVersion(of memory: Memory) -> Int { memory.hasDetails || memory.change != nil ? 2 : 1 }

  var memory: Memory
  /// Nil: a memory without an embedding.
  var row: RowReference?

  /// Where an embedding lies, and the XXH3-64 of its bytes.
  struct RowReference: Sendable, Equatable {
    let row: Int
    /// The number of the user's block that the row belongs to.
    let block: UInt32
    let checksum: UInt64
  }

  /// Encodes directly, without the generic encoder, in about a microsecond.
  func encode(into writer: inout CBORWriter) {
    let optionals = [
      memory.kind != nil, memory.sessionID != nil, memory.speaker != nil, memory.expiresAt != nil,
      memory.dedupeKey != nil, !memory.metadata.isEmpty,
    ]
    let details = memory.details
    writer.map(count: 5 + optionals.count { $0 } + (row == nil ? 0 : 3) + (memory.change == nil ? 0 : 2) + details.fieldCount)
    if let row {
      writer.key("row")
      writer.int(row.row)
    }
    if let kind = memory.kind {
      writer.key("kind")
      writer.text(kind)
    }
    if !details.tags.isEmpty {
      writer.key("tags")
      writer.array(count: details.tags.count)
      for tag in details.tags { writer.text(tag) }
    }
    writer.key("text")
    writer.text(memory.text)
    if let row {
      writer.key("block")
      writer.unsigned(UInt64(row.block))
    }
    if let trust = details.trust {
      writer.key("trust")
      writer.unsigned(UInt64(trust.level))
    }
    writer.key("schema")
    writer.int(Self.schemaVersion(of: memory))
    if let source = details.source {
      writer.key("source")
      writer.text(source)
    }
    writer.key("userID")
    writer.text(memory.userID)
    if let caption = details.caption {
      writer.key("caption")
      writer.text(caption)
    }
    if let speaker = memory.speaker {
      writer.key("speaker")
      writer.text(speaker)
    }
    if let change = memory.change {
      writer.key("version")
      writer.int(change.version)
    }
    if !memory.metadata.isEmpty {
      writer.key("metadata")
      memory.metadata.encode(into: &writer)
    }
    if let replaces = details.replaces {
      writer.key("replaces")
      writer.bytes(replaces.bytes)
    }
    writer.key("createdAt")
    writer.int(memory.createdAt.milliseconds)
    if let dedupeKey = memory.dedupeKey {
      writer.key("dedupeKey")
      writer.text(dedupeKey)
    }
    if let expiresAt = memory.expiresAt {
      writer.key("expiresAt")
      writer.int(expiresAt.milliseconds)
    }
    if let sessionID = memory.sessionID {
      writer.key("sessionID")
      writer.text(sessionID)
    }
    if let change = memory.change {
      writer.key("updatedAt")
      writer.int(change.time)
    }
    if let validFrom = details.validFrom {
      writer.key("validFrom")
      writer.int(validFrom.milliseconds)
    }
    writer.key("importance")
    writer.double(memory.importance)
    if let validUntil = details.validUntil {
      writer.key("validUntil")
      writer.int(validUntil.milliseconds)
    }
    if !details.derivedFrom.isEmpty {
      writer.key("derivedFrom")
      writer.array(count: details.derivedFrom.count)
      for id in details.derivedFrom { writer.bytes(id.bytes) }
    }
    if let row {
      writer.key("rowChecksum")
      writer.unsigned(row.checksum)
    }
    if let supersededBy = details.supersededBy {
      writer.key("supersededBy")
      writer.bytes(supersededBy.bytes)
    }
  }

  /// - Parameter id: The key that the record was found under.
  init(_ value: RawSpan, id: MemoryID) throws(StoreError) {
    self = try RecordCoding.decode(value, "memory \(id)") { reader throws(CBORError) in try MemoryRecord(&reader, id: id) }
  }

  init(memory: Memory, row: RowReference?) {
    self.memory = memory
    self.row = row
  }

  private init(_ reader: inout CBORReader, id: MemoryID) throws(CBORError) {
    var userID: String?
    var text: String?
    var createdAt: Int64?
    var kind: String?
    var sessionID: String?
    var speaker: String?
    var dedupeKey: String?
    var importance = 0.5
    var expiresAt: Int64?
    var metadata: [String: MetadataValue] = [:]
    var details = MemoryDetails()
    var row: Int?
    var block: UInt32?
    var checksum: UInt64?
    var version = 1
    var updatedAt: Int64?
    unsafe try RecordCoding.readMap(&reader) { key, reader throws(CBORError) in
      if unsafe key.equals("row") {
        row = try reader.readInteger(Int.self)
      } else if unsafe key.equals("kind") {
        kind = try reader.readText()
      } else if unsafe key.equals("text") {
        text = try reader.readText()
      } else if unsafe key.equals("block") {
        block = try reader.readInteger(UInt32.self)
      } else if unsafe key.equals("userID") {
        userID = try reader.readText()
      } else if unsafe key.equals("speaker") {
        speaker = try reader.readText()
      } else if unsafe key.equals("version") {
        version = try reader.readInteger(Int.self)
      } else if unsafe key.equals("updatedAt") {
        updatedAt = try reader.readInt64()
      } else if unsafe key.equals("metadata") {
        metadata = try [String: MetadataValue](&reader)
      } else if unsafe key.equals("createdAt") {
        createdAt = try reader.readInt64()
      } else if unsafe key.equals("dedupeKey") {
        dedupeKey = try reader.readText()
      } else if unsafe key.equals("expiresAt") {
        expiresAt = try reader.readInt64()
      } else if unsafe key.equals("sessionID") {
        sessionID = try reader.readText()
      } else if unsafe key.equals("importance") {
        importance = try reader.readDouble()
      } else if unsafe key.equals("rowChecksum") {
        checksum = try reader.readUInt64()
      } else {
        return unsafe try details.read(key, &reader)
      }
      return true
    }
    guard version >= 1, UInt64(version) <= Limits.sequence else {
      throw CBORError(.integerOutOfRange, at: reader.offset, "there is no version \(version)")
    }
    let change = version == 1 ? nil : Memory.Change(version: version, time: try reader.required(updatedAt, "updatedAt"))
    memory = Memory(
      id: id, userID: try reader.required(userID, "userID"), text: try reader.required(text, "text"), kind: kind,
      sessionID: sessionID, speaker: speaker, createdAt: Date(milliseconds: try reader.required(createdAt, "createdAt")),
      importance: importance, expiresAt: expiresAt.map { Date(milliseconds: $0) }, dedupeKey: dedupeKey, metadata: metadata,
      details: details, change: change)
    if let row {
      guard Limits.rows.contains(row) else { throw CBORError(.integerOutOfRange, at: reader.offset, "there is no row \(row)") }
      self.row = RowReference(
        row: row, block: try reader.required(block, "block"), checksum: try reader.required(checksum, "rowChecksum"))
    } else {
      self.row = nil
    }
  }
}

extension [String: MetadataValue] {
  /// A CBOR map of text keys in the deterministic order: shorter keys first, then by bytes.
  func encode(into writer: inout CBORWriter) {
    writer.map(count: count)
    for (key, value) in sorted(by: { CBORKeyOrder.precedes($0.key, $1.key) }) {
      writer.text(key)
      switch value {
      case .string(let value): writer.text(value)
      case .integer(let value): writer.int(value)
      case .double(let value): writer.double(value)
      case .bool(let value): writer.bool(value)
      }
    }
  }

  init(_ reader: inout CBORReader) throws(CBORError) {
    self.init()
    var count = try reader.readMapCount()
    while try reader.hasNext(&count) {
      let start = reader.offset
      let key = try reader.readText()
      let value: MetadataValue
      switch reader.peekMajor {
      case .text: value = .string(try reader.readText())
      case .unsigned, .negative: value = .integer(try reader.readInt64())
      default: value = try reader.readBoolOrReal()
      }
      guard setWithoutLoss(value, forKey: key) else { throw CBORError.duplicate(key, at: start) }
    }
  }
}

extension CBORReader {
  fileprivate mutating func readBoolOrReal() throws(CBORError) -> MetadataValue {
    if let byte = peekByte, byte == 0xF4 || byte == 0xF5 { return .bool(try readBool()) }
    return .double(try readDouble())
  }
}
