import Formats
import LMDB
import VectorSearch

/// Takes patterns from all data in a snapshot that is to be erased.
struct TraceCollector: ~Escapable {
  private let reader: RecordReader
  private let rows: RowBytes?
  private let codes: CodeBytes?

  @_lifetime(copy reader)
  init(_ reader: RecordReader) throws {
    self.reader = reader
    rows = try RowBytes(reader)
    codes = try CodeBytes(reader)
  }

  /// - Parameter check: Called now and then; an error that it throws ends the walk.
  /// - Throws: ``StoreError`` `.corrupted` for a damaged record of the subject.
  /// - Complexity: O(what is to be erased + entries of the log).
  func collect(_ subject: ErasureSubject, into list: inout PatternList, check: @escaping () throws -> Void = {}) throws {
    var meter = WorkMeter(.comparing, total: 0) { _ in try check() }
    switch subject {
    case .user(let userID):
      try collectUser(userID, &list, &meter)
    case .memories(let ids, _):
      for id in ids.sorted() {
        try meter.pass(bytes: 4096)
        list.append(id)
        guard let record = try collectMemory(id, subject, &list), let row = record.row else { continue }
        collectRow(row.row, isLive: true, &list)
      }
    }
  }

  private func collectUser(_ userID: String, _ list: inout PatternList, _ meter: inout WorkMeter) throws {
    let user = reader.userKey(userID)
    list.append(user)
    list.append(userID: userID)
    try forEach(Tables.Timeline.self, user.prefix, &meter) { key, _ in
      list.append(key.id)
      _ = try collectMemory(key.id, .user(userID), &list)
    }
    try forEach(Tables.Contexts.self, user.prefix, &meter) { _, value in try collectContext(value, of: userID, &list) }
    try forEach(Tables.History.self, user.prefix, &meter) { key, value in
      // Versions of memories were collected with their memories.
      if case .context = key { try collectContext(value, of: userID, &list) }
    }
    try forEach(Tables.Blocks.self, user.prefix, &meter) { _, value in
      let block = try BlockRecord(value)
      // The rows of memories that were deleted earlier are in the file as well.
      for slot in 0..<block.used { collectRow(block.firstRow + slot, isLive: block.live >> LiveMask(slot) & 1 != 0, &list) }
    }
    try forEach(Tables.Log.self, Key(), &meter) { _, value in
      let record = try LogRecord(value)
      if let id = record.memoryID, record.userID.hasSameBytes(as: userID) { list.append(id) }
    }
  }

  private func forEach<T: Table>(
    _ table: T.Type, _ prefix: Key, _ meter: inout WorkMeter, _ body: (T.EntryKey, RawSpan) throws -> Void
  ) throws {
    try reader.walk(table, prefix: prefix) { key, value in
      try body(key, value)
      // An entry may lead to a record or to a block of rows.
      try meter.pass(bytes: 4096)
      return true
    }
  }

  /// Takes patterns from a memory, expired or not. Nil, and nothing is taken, if it does not exist or does not belong to the subject.
  private func collectMemory(_ id: MemoryID, _ subject: ErasureSubject, _ list: inout PatternList) throws -> MemoryRecord? {
    guard let value = try reader.value(id, in: Tables.Memories.self) else { return nil }
    let record = try MemoryRecord(value, id: id)
    guard subject.contains(record.memory) else { return nil }
    if record.memory.text.utf8.count < PatternList.textPieceBytes { list.countUnsearchable(.text) }
    try RecordCoding.decode(value, "memory \(id)") { reader throws(CBORError) in try Self.collectStrings(&reader, &list) }
    try collectWords(record, &list)
    // Texts that only an earlier version has, and words that were kept of it.
    try reader.forEachVersion(of: record.memory) { key, value in
      let version = try MemoryRecord(value, id: id)
      if version.memory.text.utf8.count < PatternList.textPieceBytes { list.countUnsearchable(.text) }
      try collectWords(version, &list)
      try RecordCoding.decode(value, "version \(key.version) of memory \(id)") { reader throws(CBORError) in
        try Self.collectStrings(&reader, &list)
      }
      return true
    }
    return record
  }

  private func collectWords(_ record: MemoryRecord, _ list: inout PatternList) throws {
    guard try reader.has(Tables.Words.self) else { return }
    let entry = try reader.generation.termReaders.withReader { WordsEntry(record, session: 0, $0) }
    list.append(terms: entry.terms.map(\.term))
  }

  private func collectContext(_ value: RawSpan, of userID: String, _ list: inout PatternList) throws {
    try ContextEnvelope.read(value) { header, reader in
      guard header.userID.hasSameBytes(as: userID) else { return }
      do throws(CBORError) {
        try Self.collectStrings(&reader, &list)
      } catch {
        throw StoreError(.corrupted, "a context of '\(userID)' does not decode", cause: error)
      }
    }
  }

  private static func collectStrings(_ reader: inout CBORReader, _ list: inout PatternList) throws(CBORError) {
    // SAFETY: each string is copied while the reader lends it.
    try unsafe reader.forEachString { string in unsafe list.append(text: Array(string)) }
  }

  private func collectRow(_ row: Int, isLive: Bool, _ list: inout PatternList) {
    let hasPieces = rows?.withRow(row) { row in
      // SAFETY: the row is copied while it is lent.
      list.append(row: unsafe row.withUnsafeBytes { unsafe Array($0) })
    }
    if hasPieces != true, isLive { list.countUnsearchable(.embedding) }
    for code in codes?.codes(of: row) ?? [] { list.append(code: code) }
  }
}
