import Formats
import Foundation
import LMDB
import Testing
import TestSupport

@testable import Engram

/// The bytes of records: the direct paths compared with the generic encoder and decoder, determinism, and the format itself.
@Suite struct RecordTests {
  private func direct(_ context: UserContext) -> [UInt8] {
    var writer = CBORWriter()
    context.encode(into: &writer)
    return writer.bytes
  }

  private func decoded(_ bytes: [UInt8]) throws -> UserContext {
    // SAFETY: the reader is used inside the closure only.
    try unsafe bytes.withUnsafeBytes { buffer in
      var reader = unsafe CBORReader(buffer)
      return try UserContext(&reader)
    }
  }

  @Test func theDirectPathOfAContextWritesAndReadsWhatTheGenericOneDoes() throws {
    var random = SeededGenerator(seed: 21)
    for index in 0..<400 {
      let context = UserContext.random(userID: random.text(20) + "\(index)", &random)
      let bytes = direct(context)
      #expect(try bytes == CBOREncoder().encode(context))
      #expect(try decoded(bytes) == context)
      #expect(try CBORDecoder().decode(UserContext.self, from: bytes) == context)
    }
  }

  private func bytes(_ record: MemoryRecord) -> [UInt8] {
    var writer = CBORWriter()
    record.encode(into: &writer)
    return writer.bytes
  }

  private func randomMemory(_ random: inout SeededGenerator) -> Memory {
    func maybe(_ random: inout SeededGenerator) -> String? { random.chance(percent: 50) ? random.text(40) : nil }
    var metadata: [String: MetadataValue] = [:]
    for _ in 0..<Int.random(in: 0...40, using: &random) {
      switch Int.random(in: 0..<4, using: &random) {
      case 0: metadata[random.text(40)] = .string(random.text(300))
      case 1: metadata[random.text(40)] = .integer(Int64(bitPattern: random.next()) >> Int64.random(in: 0...63, using: &random))
      case 2:
        metadata[random.text(40)] = .double(
          random.chance(percent: 50)
            ? Double.random(in: -1e300...1e300, using: &random) : Double(Int.random(in: -9...9, using: &random)) / 4)
      default: metadata[random.text(40)] = .bool(random.chance(percent: 50))
      }
    }
    var details = MemoryDetails()
    if random.chance(percent: 60) {
      details.setTags((0..<Int.random(in: 0...5, using: &random)).map { _ in random.text(30) })
      details.caption = maybe(&random)
      details.source = maybe(&random)
      details.validFrom = random.chance(percent: 50) ? random.date() : nil
      details.validUntil = random.chance(percent: 50) ? random.date() : nil
      details.trust = random.element(of: [nil, .low, .medium, .high])
      details.derivedFrom = (0..<Int.random(in: 0...3, using: &random)).map { _ in MemoryID(high: random.next(), low: random.next()) }
      details.replaces = random.chance(percent: 30) ? MemoryID(high: random.next(), low: random.next()) : nil
      details.supersededBy = random.chance(percent: 30) ? MemoryID(high: random.next(), low: random.next()) : nil
    }
    return Memory(
      id: MemoryID(high: random.next(), low: random.next()), userID: "u" + random.text(20),
      text: random.text(70_000 >> Int.random(in: 0...16, using: &random)),
      kind: maybe(&random), sessionID: maybe(&random), speaker: maybe(&random), createdAt: random.date(),
      importance: Double.random(in: 0...1, using: &random), expiresAt: random.chance(percent: 50) ? random.date() : nil,
      dedupeKey: maybe(&random), metadata: metadata,
      details: details)
  }

  @Test func memoryRecordsAreDeterministicAndComeBackEqual() throws {
    var random = SeededGenerator(seed: 22)
    for _ in 0..<400 {
      let row =
        random.chance(percent: 50)
        ? MemoryRecord.RowReference(
          row: Int.random(in: 0...1 << 40, using: &random), block: UInt32(truncatingIfNeeded: random.next()), checksum: random.next()) : nil
      let record = MemoryRecord(memory: randomMemory(&random), row: row)
      let bytes = bytes(record)
      let back = try withRawSpan(bytes) { try MemoryRecord($0, id: record.memory.id) }
      #expect(back == record)
      #expect(self.bytes(back) == bytes)
      // The same map in any order of insertion gives the same bytes.
      var shuffled: [String: MetadataValue] = Dictionary(minimumCapacity: 500)
      for (key, value) in record.memory.metadata.shuffled(using: &random) { shuffled[key] = value }
      #expect(self.bytes(MemoryRecord(memory: record.memory.with(metadata: shuffled), row: row)) == bytes)
      // The keys are in deterministic order: encoding canonically again changes nothing.
      var writer = CBORWriter()
      try writer.value(try CBORReader.value(of: bytes))
      #expect(writer.bytes == bytes)
    }
  }

  @Test func theBytesOfAMemoryRecordAreTheFormats() throws {
    let memory = Memory(
      id: MemoryID(high: 1, low: 2), userID: "u", text: "hi", kind: "fact", sessionID: "s", speaker: "A", createdAt: Date(milliseconds: -5),
      importance: 0.5, expiresAt: Date(milliseconds: 4_000_000_000_000), dedupeKey: "d",
      metadata: ["n": 1.5, "b": true, "aa": "x", "i": -1])
    let record = MemoryRecord(memory: memory, row: .init(row: 300, block: 2, checksum: .max))
    #expect(
      try CBORDiagnostic.text(of: bytes(record))
        == #"{"row": 300, "kind": "fact", "text": "hi", "block": 2, "schema": 1, "userID": "u", "speaker": "A", "#
        + #""metadata": {"b": true, "i": -1, "n": 1.5, "aa": "x"}, "createdAt": -5, "dedupeKey": "d", "expiresAt": 4000000000000, "sessionID": "s", "#
        + #""importance": 0.5, "rowChecksum": 18446744073709551615}"#)
    let bare = MemoryRecord(
      memory: Memory(
        id: memory.id, userID: "u", text: "", kind: nil, sessionID: nil, speaker: nil, createdAt: Date(milliseconds: 0), importance: 1,
        expiresAt: nil, dedupeKey: nil, metadata: [:]), row: nil)
    #expect(try CBORDiagnostic.text(of: bytes(bare)) == #"{"text": "", "schema": 1, "userID": "u", "createdAt": 0, "importance": 1.0}"#)
  }

  @Test func unknownKeysOfAMemoryRecordAreHarmless() throws {
    let memory = Memory(
      id: MemoryID(high: 1, low: 2), userID: "u", text: "hi", kind: nil, sessionID: nil, speaker: nil, createdAt: Date(milliseconds: 7),
      importance: 0.25, expiresAt: nil, dedupeKey: nil, metadata: [:])
    var writer = CBORWriter()
    try writer.value(
      .map([
        .init(key: .text("future"), value: .array([.map([.init(key: .unsigned(1), value: .null)])])),
        .init(key: .unsigned(9), value: .text("x")),
        .init(key: .text("text"), value: .text("hi")), .init(key: .text("userID"), value: .text("u")),
        .init(key: .text("createdAt"), value: .unsigned(7)), .init(key: .text("importance"), value: .float(0.25)),
      ]))
    let record = try withRawSpan(writer.bytes) { try MemoryRecord($0, id: memory.id) }
    #expect(record == MemoryRecord(memory: memory, row: nil))
  }

  @Test func aDamagedMemoryRecordThrowsAndNeverTraps() throws {
    var random = SeededGenerator(seed: 23)
    let record = MemoryRecord(memory: randomMemory(&random).with(text: "short"), row: .init(row: 1, block: 0, checksum: 5))
    let bytes = bytes(record)
    for count in 0..<bytes.count {
      let part = Array(bytes[..<count])
      #expect(throws: StoreError.self) { try withRawSpan(part) { try MemoryRecord($0, id: record.memory.id) } }
    }
    for _ in 0..<5_000 {
      var damaged = bytes
      damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
      do {
        _ = try withRawSpan(damaged) { try MemoryRecord($0, id: record.memory.id) }
      } catch {
        #expect((error as? StoreError)?.code == .corrupted)
      }
    }
  }

  @Test func columnsAndBlocksComeBackEqual() throws {
    var random = SeededGenerator(seed: 24)
    for count in [0, 1, 4, 127, 128] {
      var columns = BlockColumns()
      for _ in 0..<count {
        let memory = randomMemory(&random)
        let slot = BlockColumns.Slot(random.chance(percent: 30) ? memory.with(kind: .some("same"), sessionID: .some("")) : memory)
        columns.slots.append(random.chance(percent: 10) ? .empty : slot)
      }
      var bytes: [UInt8] = []
      columns.encode(into: &bytes)
      let back = try withRawSpan(bytes) { BlockColumns(try ColumnsView($0)) }
      #expect(back == columns)
      if count > 0 {
        let cut = Array(bytes.dropLast())
        #expect(throws: StoreError.self) { try withRawSpan(cut) { try ColumnsView($0).count } }
      }
      var block = BlockRecord(firstRow: Int.random(in: Limits.rows, using: &random), capacity: max(4, count))
      block.used = count
      block.live = count == 0 ? 0 : .max >> UInt128(128 - count)
      block.hasExpiry = random.chance(percent: 50)
      block.hasSuperseded = random.chance(percent: 50)
      var record: [UInt8] = []
      block.encode(into: &record)
      #expect(record.count == BlockRecord.byteCount)
      let same = try withRawSpan(record) { try BlockRecord($0) }
      #expect(same == block)
      record[9] = UInt8(truncatingIfNeeded: count - 1)
      let damaged = record
      #expect(throws: StoreError.self) { try withRawSpan(damaged) { try BlockRecord($0) } }
    }
  }

  /// Bug: a record with a correct checksum was believed. A row of −1 or blocks behind the last row ended the process in a search, a count
  /// near `Int64.max` overflowed every sum, and an impossible dimension broke every division by a row's bytes. Fix: records refuse
  /// impossible numbers.
  @Test func numbersThatCannotBeAreRefused() throws {
    func refuses(_ decode: () throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) {
      do {
        try decode()
        Issue.record("an impossible number is believed", sourceLocation: sourceLocation)
      } catch {
        #expect((error as? StoreError)?.code == .corrupted, sourceLocation: sourceLocation)
      }
    }
    var random = SeededGenerator(seed: 25)
    let memory = randomMemory(&random)
    for row in [-1, .min, .max, 1 << 41] {
      let bytes = bytes(MemoryRecord(memory: memory, row: .init(row: row, block: 0, checksum: 0)))
      refuses { try withRawSpan(bytes) { _ = try MemoryRecord($0, id: memory.id) } }
      var block: [UInt8] = []
      BlockRecord(firstRow: 0, capacity: 4).encode(into: &block)
      // The bytes are changed directly, because a record that begins before the first row cannot be encoded.
      for place in 0..<8 { block[place] = UInt8(truncatingIfNeeded: row >> (56 - 8 * place)) }
      refuses { try withRawSpan(block) { _ = try BlockRecord($0) } }
    }
    let states: [(inout StateRecord) -> Void] = [
      { $0.memories = -1 }, { $0.rowsHigh = .max }, { $0.rowsHigh = -4 }, { $0.users = .max }, { $0.logCount = .min },
      { $0.batchSequence = .max }, { $0.supersededBy = .max }, { $0.rowsDead = .max },
    ]
    for change in states {
      var state = StateRecord()
      change(&state)
      var writer = CBORWriter()
      state.encode(into: &writer)
      refuses { try withRawSpan(writer.bytes) { _ = try StateRecord($0) } }
    }
    let users: [(inout UserRecord) -> Void] = [
      { $0.firstOpenBlock = 1 }, { $0.rows = -1 }, { $0.memories = .max }, { ($0.blocks, $0.firstOpenBlock) = (.max, 0) },
    ]
    for change in users {
      var user = UserRecord(userID: "u")
      change(&user)
      var writer = CBORWriter()
      user.encode(into: &writer)
      refuses { try withRawSpan(writer.bytes) { _ = try UserRecord($0) } }
    }
    for (dimension, id, secret) in [(0, 16, 192), (-1, 16, 192), (1 << 40, 16, 192), (8, 3, 192), (8, 16, 5)] {
      let store = StoreRecord(
        storeID: [UInt8](repeating: 1, count: id), generation: 1, dimension: dimension, metric: .dot, embedder: nil,
        secret: [UInt8](repeating: 1, count: secret), createdAt: 0)
      refuses { try withRawSpan(store.encoded()) { _ = try StoreRecord($0) } }
    }
    var envelope = CBORWriter()
    ContextEnvelope.encode(.init(userID: "u", version: .max), record: [0xA0], into: &envelope)
    refuses { try withRawSpan(envelope.bytes) { _ = try ContextEnvelope.read($0) { header, _ in header.version } } }
  }

  /// Bug: a record of columns whose counts of strings were too large passed if the strings ended exactly at the end of the record,
  /// and reading them trapped. Fix: each string's length must lie within the record.
  @Test func damagedColumnsThrowAndNeverTrap() async {
    await #expect(processExitsWith: .success) {
      var columns = BlockColumns()
      for index in 0..<9 {
        columns.slots.append(
          .init(
            id: MemoryID(high: 1, low: UInt64(index)), createdAt: 5, expiresAt: 6, kind: "k\(index % 3)",
            session: index % 2 == 0 ? nil : "s"))
      }
      var bytes: [UInt8] = []
      columns.encode(into: &bytes)
      for offset in bytes.indices {
        for value in [0, 1, 2, 3, 4, 9, 127, 128, 129, 255] as [UInt8] {
          var damaged = bytes
          damaged[offset] = value
          do {
            _ = try withRawSpan(damaged) { BlockColumns(try ColumnsView($0)) }
          } catch {
            guard (error as? StoreError)?.code == .corrupted else { exit(3) }
          }
        }
      }
    }
  }
}
