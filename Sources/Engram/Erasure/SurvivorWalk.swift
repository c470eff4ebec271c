import Formats
import LMDB
import VectorSearch

/// Walks over everything in a snapshot that stays when a subject is erased.
struct SurvivorWalk: ~Escapable {
  private let reader: RecordReader
  private let rows: RowBytes?
  private let codes: CodeBytes?
  private let subject: ErasureSubject
  /// The user who is erased, or whose memories are; nil if memories of any user are erased.
  private let user: UserKey?

  @_lifetime(copy reader)
  init(_ reader: RecordReader, without subject: ErasureSubject) throws {
    self.reader = reader
    rows = try RowBytes(reader)
    codes = try CodeBytes(reader)
    self.subject = subject
    user =
      switch subject {
      case .user(let userID): reader.userKey(userID)
      case .memories(_, let userID): userID.map { reader.userKey($0) }
      }
  }

  /// Lends `body` the bytes of every key, every value, every row and every code that stays.
  ///
  /// - Parameter progress: Called now and then with the entries seen so far; an error that it throws ends the walk.
  /// - Throws: ``StoreError`` `.corrupted` for a damaged entry.
  /// - Complexity: O(size of the store).
  func forEachSpan(progress: @escaping (OperationProgress) throws -> Void, _ body: (RawSpan) -> Void) throws {
    var total = 0
    let tables = reader.schema.tables
    for table in tables { total += try reader.entryCount(of: table) }
    var meter = WorkMeter(.comparing, total: total, progress)
    for table in tables { try forEachSpan(of: table, &meter, body) }
    try meter.finish()
  }

  private func forEachSpan<T: Table>(of table: T.Type, _ meter: inout WorkMeter, _ body: (RawSpan) -> Void) throws {
    try reader.walk(table) { key, value in
      if table == Tables.Memories.self, let id = key as? MemoryID {
        try withMemory(id, value, body)
      } else if !isErased(try table.owner(key, value, secret: reader.generation.secret)) {
        body(key.encoded.bytes)
        body(value)
      }
      try meter.add(bytes: value.byteCount)
      return true
    }
  }

  private func withMemory(_ id: MemoryID, _ value: RawSpan, _ body: (RawSpan) -> Void) throws {
    let record = try MemoryRecord(value, id: id)
    if subject.contains(record.memory) { return }
    body(id.encoded.bytes)
    body(value)
    guard let reference = record.row else { return }
    guard rows?.withRow(reference.row, body) != nil else {
      throw StoreError(.corrupted, "memory \(id) names row \(reference.row), which the store does not have")
    }
    for code in codes?.codes(of: reference.row) ?? [] { body(unsafe code.span.bytes) }
  }

  private func isErased(_ owner: EntryOwner) -> Bool {
    switch subject {
    case .user: owner.user == user
    // Also an entry of several memories, such as the columns of a block: the data of its other memories is in their records as well.
    case .memories(let ids, _):
      (user == nil || owner.user == user)
        && (owner.memory.map { ids.contains($0) } ?? false || owner.memories.contains { ids.contains($0) })
    }
  }
}
