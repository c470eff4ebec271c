import Formats
import LMDB
import VectorSearch

/// Walks over everything in a snapshot that stays when a subject is erased.
struct SurvivorWalk: ~Escapable {
  private let reader: RecordReader
  private let rows: RowBytes?
  private let subject: ErasureSubject
  private let schema: Schema
  /// What the keys of the user begin with who goes; nil where memories go.
  private let user: Key?

  @_lifetime(copy reader)
  init(_ reader: RecordReader, without subject: ErasureSubject) throws {
    self.reader = reader
    rows = try RowBytes(reader)
    self.subject = subject
    schema = reader.schema
    user = if case .user(let userID) = subject { .user(reader.userKey(userID)) } else { nil }
  }

  /// How the owner of an entry is found.
  private enum Content {
    /// The key begins with the user's key.
    case owned
    case memories, timeline, expiry, dedupe, columns, log
    /// Nobody's.
    case common
  }

  private var databases: [(database: Database, content: Content)] {
    [
      (schema.meta, .common), (schema.users, .owned), (schema.contexts, .owned), (schema.history, .owned), (schema.memories, .memories),
      (schema.timeline, .timeline), (schema.blocks, .owned), (schema.columns, .columns), (schema.expiry, .expiry),
      (schema.dedupe, .dedupe), (schema.tokens, .common), (schema.log, .log),
    ]
  }

  /// Lends `body` the bytes of every key, every value and every row that stays.
  ///
  /// - Parameter progress: Called now and then with the entries seen so far; what it throws ends the walk.
  /// - Throws: ``StoreError`` `.corrupted` for a damaged entry.
  /// - Complexity: O(size of the store).
  func forEachSpan(progress: @escaping (OperationProgress) throws -> Void, _ body: (RawSpan) -> Void) throws {
    var total = 0
    for (database, _) in databases { total += try reader.view.statistics(of: database).entries }
    var meter = WorkMeter(.comparing, total: total, progress)
    for (database, content) in databases {
      var cursor = try reader.view.cursor(in: database)
      var found = try cursor.first()
      while found {
        if content == .memories {
          try withMemory(cursor, body)
        } else if try !isErased(cursor, content) {
          body(cursor.key)
          body(try cursor.value())
        }
        try meter.add(bytes: try cursor.value().byteCount)
        found = try cursor.next()
      }
    }
    try meter.finish()
  }

  private func withMemory(_ cursor: borrowing Cursor, _ body: (RawSpan) -> Void) throws {
    guard cursor.key.byteCount == 16 else { throw StoreError(.corrupted, "a key of memories has \(cursor.key.byteCount) bytes") }
    let value = try cursor.value()
    let record = try MemoryRecord(value, id: MemoryID(cursor.key, at: 0))
    if subject.contains(record.memory) { return }
    body(cursor.key)
    body(value)
    guard let reference = record.row else { return }
    guard rows?.withRow(reference.row, body) != nil else {
      throw StoreError(.corrupted, "memory \(record.memory.id) names row \(reference.row), which the store does not have")
    }
  }

  private func isErased(_ cursor: borrowing Cursor, _ content: Content) throws -> Bool {
    switch (content, subject) {
    case (.common, _), (.memories, _), (.owned, .memories): return false
    case (.owned, .user), (.timeline, .user), (.dedupe, .user), (.columns, .user):
      return user.map { cursor.key.hasPrefix($0.bytes) } ?? false
    case (.expiry, .user):
      let owner = try cursor.value()
      return user.map { owner.equals($0.bytes) } ?? false
    case (.log, .user(let userID)): return try LogRecord(try cursor.value()).userID.hasSameBytes(as: userID)
    case (.log, .memories(let ids)): return try LogRecord(try cursor.value()).memoryID.map { ids.contains($0) } ?? false
    case (.timeline, .memories(let ids)): return cursor.key.byteCount == 40 && ids.contains(MemoryID(cursor.key, at: 24))
    case (.expiry, .memories(let ids)): return cursor.key.byteCount == 24 && ids.contains(MemoryID(cursor.key, at: 8))
    case (.dedupe, .memories(let ids)):
      let value = try cursor.value()
      return value.byteCount == 16 && ids.contains(MemoryID(value, at: 0))
    case (.columns, .memories(let ids)):
      // What its other slots hold stands in the records of memories as well.
      let columns = try ColumnsView(try cursor.value())
      return (0..<columns.count).contains { ids.contains(columns.id($0)) }
    }
  }
}
