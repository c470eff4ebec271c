import Formats
import LMDB
import VectorSearch

/// What an export holds.
package struct ExportSelection: Sendable {
  /// Nil: all users.
  package var userID: String?
  /// Only memories with `createdAt` at or after this, in milliseconds since 1970.
  package var since: Int64?
  /// No memories.
  package var contextsOnly = false

  package init(userID: String? = nil, since: Int64? = nil, contextsOnly: Bool = false) {
    self.userID = userID
    self.since = since
    self.contextsOnly = contextsOnly
  }
}

/// What an export wrote.
package struct ExportSummary: Sendable, Equatable {
  package var memories = 0
  package var contexts = 0
}

/// Walks over what an export holds, in an order that depends on the content alone and not on the store: contexts by userID and type,
/// memories by id. Memories that have expired are left out.
struct ExportWalk: ~Escapable {
  private let reader: RecordReader
  private let selection: ExportSelection
  private let check: () throws -> Void

  /// - Parameter check: Called now and then; what it throws ends the walk.
  @_lifetime(copy reader)
  init(_ reader: RecordReader, _ selection: ExportSelection, check: @escaping () throws -> Void) throws {
    self.reader = reader
    self.selection = selection
    self.check = check
    if let userID = selection.userID {
      try Limits.checkUserID(userID)
      guard try reader.user(reader.userKey(userID), userID) != nil else { throw StoreError(.notFound, "the store has no user '\(userID)'") }
    }
  }

  /// - Complexity: O(n log n) in the contexts; their names are kept in memory, their records are not.
  func forEachContext(_ body: (ContextEnvelope.Header, _ recordType: String, UnsafeRawBufferPointer) throws -> Void) throws {
    var names: [(userID: String, recordType: String)] = []
    var meter = WorkMeter(.comparing, total: 0) { [check] _ in try check() }
    try reader.walk(Tables.Contexts.self, prefix: selection.userID.map { reader.userKey($0).prefix } ?? Key()) { key, value in
      names.append((try ContextEnvelope.read(value) { header, _ in header.userID }, key.recordType))
      try meter.pass()
      return true
    }
    try names.sort(by: Self.precedes, &meter)
    for name in names {
      let key = ContextKey(user: reader.userKey(name.userID), recordType: name.recordType)
      guard let value = try reader.value(key, in: Tables.Contexts.self) else {
        throw StoreError(.corrupted, "a \(name.recordType) stands under the key of another user")
      }
      try meter.pass(bytes: value.byteCount)
      unsafe try ContextEnvelope.decode(value) { header, record in unsafe try body(header, name.recordType, record) }
    }
  }

  /// Byte by byte: Swift's own order takes differently composed names for equal.
  private static func precedes(_ left: (userID: String, recordType: String), _ right: (userID: String, recordType: String)) -> Bool {
    if !left.userID.hasSameBytes(as: right.userID) { return left.userID.precedesInBytes(right.userID) }
    return left.recordType.precedesInBytes(right.recordType)
  }

  /// - Complexity: O(memories in scope); for one user the ids are kept in memory and sorted.
  func forEachMemory(_ body: (MemoryRecord) throws -> Void) throws {
    if selection.contextsOnly { return }
    var meter = WorkMeter(.comparing, total: 0) { [check] _ in try check() }
    guard let userID = selection.userID else {
      try reader.forEachMemory(after: nil) { record in
        if isSelected(record) { try body(record) }
        try meter.pass(bytes: record.memory.text.utf8.count)
        return true
      }
      return
    }
    var ids: [MemoryID] = []
    try reader.forEachMemory(of: userID, newestFirst: false, after: nil) { record in
      if isSelected(record) { ids.append(record.memory.id) }
      try meter.pass(bytes: record.memory.text.utf8.count)
      return true
    }
    try ids.sort(by: <, &meter)
    for id in ids {
      try meter.pass()
      guard let record = try reader.memoryRecord(id) else {
        throw StoreError(.corrupted, "the timeline names memory \(id), which has no record")
      }
      try body(record)
    }
  }

  private func isSelected(_ record: MemoryRecord) -> Bool {
    guard let since = selection.since else { return true }
    return record.memory.createdAt.milliseconds >= since
  }

  /// Lends a row after comparing it with the checksum in its record.
  func withRow<Value>(_ reference: MemoryRecord.RowReference, _ body: (Span<Float>) throws -> Value) throws -> Value {
    try body(reader.row(reference))
  }
}
