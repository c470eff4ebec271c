import Formats
import Foundation

@testable import Engram

/// The records that are a map of a few fields, or a few bytes.
enum RecordTarget {
  static func user(_ input: [UInt8]) throws {
    let user = try check(input, { value throws(StoreError) in try UserRecord(value) }) { $0.encode(into: &$1) }
    guard let user else { return }
    try require(user.firstOpenBlock <= user.blocks && user.blocks < .max, "\(user) has no next block")
    try require(
      (4...1024).contains(user.nextRunRows) && min(user.rows, user.memories, user.contexts) >= 0, "\(user) has an impossible count")
  }

  static func state(_ input: [UInt8]) throws {
    let state = try check(input, { value throws(StoreError) in try StateRecord(value) }) { $0.encode(into: &$1) }
    guard let state else { return }
    let stride = Limits.dimension.upperBound * 4
    let rows = [state.rowsHigh, state.rowsLive, state.rowsDead].map { $0.multipliedReportingOverflow(by: stride).overflow }
    try require(!rows.contains(true) && state.rowsHigh >= 0 && state.memories >= 0, "\(state) cannot be reckoned with")
    try require(state.batchSequence < .max && state.memories < .max, "\(state) cannot be counted on from")
  }

  static func log(_ input: [UInt8]) throws {
    try check(input, { value throws(StoreError) in try LogRecord(value) }) { $0.encode(into: &$1) }
  }

  static func store(_ input: [UInt8]) throws {
    let record = try check(input, { value throws(StoreError) in try StoreRecord(value) }) { record, writer in
      // SAFETY: the bytes are lent for the call.
      unsafe record.encoded().withUnsafeBytes { unsafe writer.encoded($0) }
    }
    guard let record else { return }
    try require(
      record.format <= StoreRecord.currentFormat && record.features.incompatible & ~StoreRecord.Features.knownIncompatible == 0,
      "a store of a later version is accepted")
    try require(
      record.storeID.count == 16 && record.secret.count == 192 && record.dimension.map(Limits.dimension.contains) ?? true,
      "\(record) has no files")
    let other = record.inGeneration(7)
    try require(other.generation == 7 && other.storeID == record.storeID && other.secret == record.secret, "a generation is another store")
  }

  static func block(_ input: [UInt8]) throws {
    guard let record = try? withSpan(input, { value throws(StoreError) in try BlockRecord(value) }) else { return }
    var bytes: [UInt8] = []
    record.encode(into: &bytes)
    // The bits of the flags that have no meaning are not kept.
    var expected = input
    expected[10] &= 3
    try require(bytes == expected, "a block is written as other bytes")
    try require(
      (0..<128).allSatisfy { record.live >> UInt128($0) & 1 == 0 || $0 < record.used } && record.used <= record.capacity,
      "a row lives that was never used")
    // What a scan computes of it.
    let end = record.firstRow.addingReportingOverflow(record.capacity)
    try require(
      !end.overflow && !end.partialValue.multipliedReportingOverflow(by: Limits.dimension.upperBound * 4).overflow,
      "the rows of a block end before they begin")
  }

  /// - Returns: The record, where there is one.
  @discardableResult
  static func check<Record: Equatable>(
    _ input: [UInt8], _ decode: (RawSpan) throws(StoreError) -> Record, _ encode: (Record, inout CBORWriter) -> Void
  ) throws -> Record? {
    guard let record = try? withSpan(input, decode) else { return nil }
    var writer = CBORWriter()
    encode(record, &writer)
    let again = try must("a record that was written does not decode") { try withSpan(writer.bytes, decode) }
    try require(again == record, "\(record) reads back as \(again)")
    try checkDeterminism(writer.bytes)
    return record
  }

  /// The encoding is the one that the tree of it has.
  static func checkDeterminism(_ bytes: [UInt8]) throws {
    let tree = try must("a record is no CBOR") { try CBORReader.value(of: bytes) }
    var writer = CBORWriter()
    try must("a record cannot be written as a tree") { try writer.value(tree) }
    try require(writer.bytes == bytes, "a record is not the deterministic encoding")
  }
}

/// The record of a memory, also by way of what a salvage asks of it.
enum MemoryTarget {
  static func run(_ input: [UInt8]) throws {
    let id = MemoryID(high: 1, low: 2)
    guard let record = try? withSpan(input, { value throws(StoreError) in try MemoryRecord(value, id: id) }) else { return }
    // Times and numbers of any size must not trap in what looks at a record before it is checked.
    _ = BlockColumns.Slot(record.memory)
    try require(record.row?.row ?? 0 >= 0, "a memory names row \(record.row?.row ?? 0)")
    guard (try? Limits.check(record.memory)) != nil else { return }
    var writer = CBORWriter()
    record.encode(into: &writer)
    let again = try must("a memory that was written does not decode") { try withSpan(writer.bytes) { try MemoryRecord($0, id: id) } }
    try require(again == record, "\(record) reads back as \(again)")
    try RecordTarget.checkDeterminism(writer.bytes)
    try checkExport(record.memory)
  }

  /// Every memory that a store may hold has a line, which reads back as the same.
  static func checkExport(_ memory: Memory) throws {
    var line = JSONWriter()
    line.beginObject()
    line.key("type")
    line.write("memory")
    line.writeFields(of: memory)
    line.endObject()
    var parser = LineParser(dimension: nil)
    let parsed = try must("a memory's line does not parse") {
      // SAFETY: the bytes are lent for the call.
      try unsafe line.bytes.withUnsafeBytes { unsafe try parser.parse($0) }
    }
    guard case .memory(let back) = parsed else { throw FuzzViolation(description: "a memory's line is none") }
    let draft = back.draft
    let second = Memory(
      id: memory.id, userID: draft.userID, text: draft.text, kind: draft.kind, sessionID: draft.sessionID, speaker: draft.speaker,
      createdAt: draft.createdAt ?? .distantFuture, importance: draft.importance, expiresAt: draft.expiresAt,
      dedupeKey: draft.dedupeKey, metadata: draft.metadata, details: draft.details)
    try require(
      second == memory && draft.id == memory.id && parser.unknownKeyCount == 0, "\(fields(memory)) comes back as \(fields(second))")
  }
}

/// The columns of a block.
enum ColumnsTarget {
  static func run(_ input: [UInt8]) throws {
    guard let columns = try? decode(input) else { return }
    var bytes: [UInt8] = []
    columns.encode(into: &bytes)
    let again = try must("columns that were written do not decode") { try decode(bytes) }
    try require(again == columns, "\(columns) read back as \(again)")
    var second: [UInt8] = []
    again.encode(into: &second)
    try require(second == bytes, "columns are not written deterministically")
    for filter in [
      Filter.kind("fact"), .session("s1"), .not(.created(from: .distantPast, to: nil)), .expires(from: nil, to: .distantFuture),
      .tag("t"), .trust(atLeast: .low), .valid(at: .distantPast), .superseded,
    ] {
      let masks = try withSpan(input) { filter.masks(try ColumnsView($0)) }
      try require(masks.certain & ~masks.possible == 0, "a slot matches \(filter) for certain and not possibly")
    }
  }

  private static func decode(_ bytes: [UInt8]) throws -> BlockColumns {
    try withSpan(bytes) { BlockColumns(try ColumnsView($0)) }
  }
}

/// A record of contexts: the envelope, and in it a record of any type, which may be a `UserContext`.
enum ContextTarget {
  static func run(_ input: [UInt8]) throws {
    guard let (header, record) = try? withSpan(input, { try parts($0) }) else { return }
    var writer = CBORWriter()
    ContextEnvelope.encode(header, record: record, into: &writer)
    let again = try must("an envelope that was written does not decode") {
      try withSpan(writer.bytes) { try parts($0) }
    }
    try require(again.0 == header && again.1 == record, "\(header) reads back as \(again.0)")

    let direct = try? withSpan(input) { value in
      try ContextEnvelope.read(value) { header, reader in try ContextEnvelope.decode(UserContext.self, header, &reader) }
    }
    let generic = header.schema == UserContext.schemaVersion ? try? CBORDecoder().decode(UserContext.self, from: record) : nil
    // The generic decoder looks at unknown fields, too, and passes over preferences whose name is no text: each refuses something more.
    guard let direct, let generic else { return }
    try require(direct == generic, "the direct path reads \(direct), the generic one \(generic)")
    var path = CBORWriter()
    direct.encode(into: &path)
    try require(try CBOREncoder().encode(generic) == path.bytes, "the direct path writes other bytes than the generic one")
    try RecordTarget.checkDeterminism(path.bytes)
  }

  private static func parts(_ value: RawSpan) throws -> (ContextEnvelope.Header, [UInt8]) {
    // SAFETY: the record is lent for the call, and copied.
    try unsafe ContextEnvelope.decode(value) { header, record in unsafe (header, Array(record)) }
  }
}
