import Formats
import Foundation

/// Parses the lines of an exchange file. Keys may come in any order; unknown ones are skipped and counted.
struct LineParser: Sendable {
  /// Unknown keys so far, and the first few of them.
  private(set) var unknownKeyCount = 0
  private(set) var unknownKeys: [String] = []
  /// Times so far that were numbers.
  private(set) var secondsSince1970 = 0
  private(set) var millisecondsSince1970 = 0
  /// Halves of surrogate pairs so far that were replaced.
  private(set) var replacedSurrogates = 0

  /// The most unknown keys of one line: a line with more is not taken for one of a later version.
  private static let unknownKeyLimit = 1000

  /// The number of components to reserve for an embedding that comes as an array.
  private let dimension: Int

  private let isLossy: Bool

  /// - Parameter isLossy: Replaces halves of surrogate pairs without their other half.
  init(dimension: Int?, isLossy: Bool = false) {
    self.dimension = dimension ?? 0
    self.isLossy = isLossy
  }

  /// Adds the counts of a parser that has parsed the lines after those of this one.
  mutating func addCounts(of later: LineParser) {
    unknownKeyCount += later.unknownKeyCount
    for key in later.unknownKeys { addUnknownKey(key) }
    secondsSince1970 += later.secondsSince1970
    millisecondsSince1970 += later.millisecondsSince1970
    replacedSurrogates += later.replacedSurrogates
  }

  private mutating func addUnknownKey(_ shown: String) {
    if unknownKeys.count < 5, !unknownKeys.contains(where: { $0.hasSameBytes(as: shown) }) { unknownKeys.append(shown) }
  }

  /// The values of all known keys; `type`, which may come last, decides which of them are used.
  private struct Fields {
    var type: String?
    var store = StoreLine(format: 0)
    var format: Int64?
    var recordType: String?
    var schema: Int64?
    var value: CBORValue?
    var id: MemoryID?
    var userID: String?
    var text: String?
    var kind: String?
    var sessionID: String?
    var speaker: String?
    var createdAt: Int64?
    var importance: Double?
    var expiresAt: Int64?
    var dedupeKey: String?
    var metadata: [String: MetadataValue] = [:]
    var details = MemoryDetails()
    var embedding: [Float]?
    var hasEmbeddingKey = false
    /// A bit for each known key that was read: a key that occurs twice is an error.
    var seen: UInt32 = 0
    var unknown = UniqueKeys()
    /// Unknown keys of the line that are spellings of known ones.
    var hints: [String: String] = [:]
    /// For each time that was a number, whether it is in seconds.
    var numbers: [Bool] = []
    var unknownCount = 0
  }

  /// - Throws: ``StoreError`` `.invalidImport` that says what is wrong, without the file and the line.
  mutating func parse(_ bytes: UnsafeRawBufferPointer) throws(StoreError) -> InterchangeLine {
    // SAFETY: the reader does not leave this call, for which the caller lends the bytes.
    var reader = unsafe JSONReader(unsafe: bytes)
    reader.replacesLoneSurrogates = isLossy
    var fields = Fields()
    do throws(JSONError) {
      try reader.beginObject()
      while let key = try reader.nextKey() {
        do throws(JSONError) {
          try read(key, &reader, &fields)
        } catch {
          throw JSONError(error.code, offset: error.offset, "\(TerminalText.excerpt(key.string)): \(error.message)")
        }
      }
      try reader.finish()
    } catch {
      throw StoreError(.invalidImport, error.description)
    }
    let line = try line(fields)
    for areSeconds in fields.numbers { if areSeconds { secondsSince1970 += 1 } else { millisecondsSince1970 += 1 } }
    replacedSurrogates += reader.replacedSurrogates
    return line
  }

  // MARK: Keys

  private mutating func read(_ key: JSONText, _ reader: inout JSONReader, _ fields: inout Fields) throws(JSONError) {
    func once(_ bit: UInt32) throws(JSONError) {
      guard fields.seen & (1 << bit) == 0 else { throw JSONError(.duplicateKey, offset: key.offset, "the key occurs twice in the line") }
      fields.seen |= 1 << bit
    }
    switch key {
    case "type":
      try once(0)
      fields.type = try reader.readString()
    case "id":
      try once(1)
      fields.id = try reader.readID()
    case "userID":
      try once(2)
      fields.userID = try reader.readString()
    case "text":
      try once(3)
      fields.text = try reader.readString()
    case "kind":
      try once(4)
      fields.kind = try reader.readOptionalString()
    case "sessionID":
      try once(5)
      fields.sessionID = try reader.readOptionalString()
    case "speaker":
      try once(6)
      fields.speaker = try reader.readOptionalString()
    case "createdAt":
      try once(7)
      fields.createdAt = try reader.readOptionalTime(&fields.numbers)
    case "importance":
      try once(8)
      fields.importance = try reader.readNullIfPresent() ? nil : try reader.readDouble()
    case "expiresAt":
      try once(9)
      fields.expiresAt = try reader.readOptionalTime(&fields.numbers)
    case "dedupeKey":
      try once(10)
      fields.dedupeKey = try reader.readOptionalString()
    case "metadata":
      try once(11)
      fields.metadata = try reader.readMetadata()
    case "embedding":
      try once(12)
      fields.hasEmbeddingKey = true
      fields.embedding = try reader.readEmbedding(reserving: dimension)
    case "recordType":
      try once(13)
      fields.recordType = try reader.readString()
    case "schema":
      try once(14)
      fields.schema = try reader.readInt64()
    case "value":
      try once(15)
      fields.value = try reader.readCBOR(atMostBytes: Limits.contextBytes)
    case "format":
      try once(16)
      fields.format = try reader.readInt64()
    case "dimension":
      try once(17)
      fields.store.dimension = try reader.readNullIfPresent() ? nil : try reader.readInt64()
    case "metric":
      try once(18)
      fields.store.metric = try reader.readOptionalString()
    case "embedder":
      try once(19)
      fields.store.embedder = try reader.readEmbedderIdentity()
    case "vectors":
      try once(20)
      fields.store.vectors = try reader.readOptionalString()
    case "tags":
      try once(21)
      fields.details.setTags(try reader.readList(atMost: Limits.tags) { reader throws(JSONError) in try reader.readString() })
    case "caption":
      try once(22)
      fields.details.caption = try reader.readOptionalString()
    case "validFrom":
      try once(23)
      fields.details.validFrom = try reader.readOptionalTime(&fields.numbers).map { Date(milliseconds: $0) }
    case "validUntil":
      try once(24)
      fields.details.validUntil = try reader.readOptionalTime(&fields.numbers).map { Date(milliseconds: $0) }
    case "source":
      try once(25)
      fields.details.source = try reader.readOptionalString()
    case "trust":
      try once(26)
      fields.details.trust = try reader.readTrust()
    case "derivedFrom":
      try once(27)
      fields.details.derivedFrom = try reader.readList(atMost: Limits.origins) { reader throws(JSONError) in try reader.readRequiredID() }
    case "replaces":
      try once(28)
      fields.details.replaces = try reader.readID()
    case "supersededBy":
      try once(29)
      fields.details.supersededBy = try reader.readID()
    default:
      let name = key.string
      guard fields.unknown.insert(name) else { throw JSONError.duplicate(name, at: key.offset) }
      unknownKeyCount += 1
      fields.unknownCount += 1
      guard fields.unknownCount <= Self.unknownKeyLimit else {
        throw JSONError(.tooLarge, offset: key.offset, "one of more than \(Self.unknownKeyLimit) unknown keys in the line")
      }
      var shown = "'\(TerminalText.excerpt(name))'"
      if let meant = KeyHints.meant(by: name) {
        fields.hints[meant] = name
        shown += " (is '\(meant)' meant?)"
      }
      if unknownKeys.count < 5, !unknownKeys.contains(where: { $0.hasSameBytes(as: shown) }) { unknownKeys.append(shown) }
      try reader.skipValue()
    }
  }

  // MARK: Lines

  private func line(_ fields: Fields) throws(StoreError) -> InterchangeLine {
    switch try Self.required(fields.type, "type", fields) {
    case "memory": return .memory(try memory(fields))
    case "context": return .context(try context(fields))
    case "store":
      var store = fields.store
      store.format = try Self.required(fields.format, "format", fields)
      return .store(store)
    case let type:
      throw StoreError(.invalidImport, "the type is '\(TerminalText.excerpt(type))', it must be store, context or memory")
    }
  }

  private func memory(_ fields: Fields) throws(StoreError) -> MemoryLine {
    var draft = MemoryDraft(
      userID: try Self.required(fields.userID, "userID", fields), text: try Self.required(fields.text, "text", fields),
      embedding: fields.embedding.map { Embedding($0) }, kind: fields.kind, sessionID: fields.sessionID, speaker: fields.speaker,
      createdAt: fields.createdAt.map { Date(milliseconds: $0) }, importance: fields.importance ?? 0.5,
      expiresAt: fields.expiresAt.map { Date(milliseconds: $0) }, dedupeKey: fields.dedupeKey, metadata: fields.metadata, id: fields.id)
    draft.details = fields.details
    return MemoryLine(draft: draft, wantsEmbedding: !fields.hasEmbeddingKey)
  }

  private func context(_ fields: Fields) throws(StoreError) -> ContextLine {
    let schema = fields.schema ?? 1
    guard let schema = Int(exactly: schema), schema >= 0 else {
      throw StoreError(.invalidImport, "the schema is \(schema), it must be 0 or more")
    }
    return try ContextLine(
      recordType: Self.required(fields.recordType, "recordType", fields), userID: Self.required(fields.userID, "userID", fields),
      schema: schema, value: Self.required(fields.value, "value", fields))
  }

  private static func required<Value>(_ value: Value?, _ key: String, _ fields: Fields) throws(StoreError) -> Value {
    guard let value else {
      let hint = fields.hints[key].map { ": the line has '\($0)', which must be called '\(key)'" } ?? ""
      throw StoreError(.invalidImport, "the key '\(key)' is missing\(hint)")
    }
    return value
  }
}

extension ContextLine {
  /// Checks a context on its own, as the transaction that stores it and a later reader would.
  ///
  /// - Throws: ``StoreError`` for a name, a type or a value out of bounds.
  init(recordType: String, userID: String, schema: Int, value: CBORValue) throws(StoreError) {
    try Limits.checkUserID(userID)
    try Limits.checkRecordType(recordType)
    guard case .map(var entries) = value else { throw StoreError(.encodingFailed, "the value of a context must be an object") }
    // The line has the user ID already; a line that was written by hand need not repeat it in the value.
    if recordType == UserContext.recordType, !entries.contains(where: { $0.key == .text("userID") }) {
      entries.append(CBORValue.Entry(key: .text("userID"), value: .text(userID)))
    }
    var writer = CBORWriter()
    do throws(CBORError) {
      try writer.value(.map(entries))
    } catch {
      throw StoreError(.encodingFailed, "the value of the context cannot be stored", cause: error)
    }
    let record = writer.bytes
    guard record.count <= Limits.contextBytes else {
      throw StoreError(
        .valueTooLarge, "the \(recordType) of '\(userID)' has \(record.count) bytes, at most \(Limits.contextBytes) are allowed")
    }
    self.init(recordType: recordType, userID: userID, schema: schema, record: record)
    try checkUserContext()
  }

  /// Checks a value of `UserContext`, the only record type whose shape is known here.
  private func checkUserContext() throws(StoreError) {
    guard recordType == UserContext.recordType, schema == UserContext.schemaVersion else { return }
    let decoded: UserContext
    do throws(CBORError) {
      decoded = try CBORReader.withReader(over: record) { reader throws(CBORError) in try UserContext(&reader) }
    } catch {
      throw StoreError(.decodingFailed, "the value does not decode as a UserContext: \(error.message)")
    }
    guard decoded.userID.hasSameBytes(as: userID) else {
      throw StoreError(.invalidArgument, "the value is the context of '\(decoded.userID)', not of '\(userID)'")
    }
    try Limits.check(decoded)
  }
}
