import Formats
import LMDB
import VectorSearch

public import Foundation

/// What is exported, and how: see ``MemoryStore/export(to:options:progress:)``.
public struct ExportOptions: Sendable {
  /// The format of the file.
  public enum Format: String, Sendable, CaseIterable {
    /// JSON Lines, which ``MemoryStore/importJSONLines(from:options:progress:)-([URL],_,_)`` reads back without loss. See
    /// <doc:Interchange>.
    case jsonLines = "jsonl"
    /// Comma-separated values: the memories without embeddings, a row each. No import reads this format.
    case csv
    /// A NumPy array of the embeddings: float32, a row for each memory that has one, in ascending order of ids.
    case array = "npy"
  }

  public var format: Format
  /// Nil: all users.
  public var userID: String?
  /// Only memories with `createdAt` at or after this; nil: all. Contexts are exported in any case.
  public var since: Date?
  /// No memories; with ``Format/jsonLines`` only.
  public var contextsOnly: Bool
  /// How JSON Lines represent embeddings; other formats ignore it.
  public var vectors: Interchange.Vectors

  public init(
    format: Format = .jsonLines, userID: String? = nil, since: Date? = nil, contextsOnly: Bool = false,
    vectors: Interchange.Vectors = .base64
  ) {
    self.format = format
    self.userID = userID
    self.since = since
    self.contextsOnly = contextsOnly
    self.vectors = vectors
  }

  /// - Throws: ``StoreError`` `.invalidArgument`, `.invalidUserID`.
  func check() throws(StoreError) {
    if contextsOnly, format != .jsonLines {
      throw StoreError(.invalidArgument, "contexts can be exported as JSON Lines only, not as \(format.rawValue)")
    }
    if let userID { try Limits.checkUserID(userID) }
    try Limits.check(since, "since")
  }

  var selection: ExportSelection {
    ExportSelection(userID: userID, since: since?.milliseconds, contextsOnly: contextsOnly)
  }
}

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
public struct ExportSummary: Sendable, Equatable, Codable {
  /// Memories; with ``ExportOptions/Format/array`` those that have an embedding.
  public internal(set) var memories = 0
  /// The number of contexts; 0 unless the format is ``ExportOptions/Format/jsonLines``.
  public internal(set) var contexts = 0
}

/// Walks over what an export holds, in an order that depends on the content alone and not on the store: contexts by userID and type,
/// memories by id. Memories that have expired are left out.
struct ExportWalk: ~Escapable {
  private let reader: RecordReader
  private let selection: ExportSelection
  private let progress: (OperationProgress) throws -> Void
  /// How many there are to walk over.
  private let contexts: Int
  private let memories: Int

  /// - Parameter progress: Called now and then; an error that it throws ends the walk.
  @_lifetime(copy reader)
  init(_ reader: RecordReader, _ selection: ExportSelection, _ progress: @escaping (OperationProgress) throws -> Void) throws {
    self.reader = reader
    self.selection = selection
    self.progress = progress
    if let userID = selection.userID {
      try Limits.checkUserID(userID)
      guard let user = try reader.user(reader.userKey(userID), userID) else {
        throw StoreError(.notFound, "the store has no user '\(userID)'")
      }
      (contexts, memories) = (user.contexts, user.memories)
    } else {
      let state = try reader.state()
      (contexts, memories) = (state.contexts, state.memories)
    }
  }

  private func meter(_ phase: OperationProgress.Phase = .exporting) -> WorkMeter {
    WorkMeter(phase, total: contexts + (selection.contextsOnly ? 0 : memories), progress)
  }

  /// - Complexity: O(n log n) in the contexts; their names are kept in memory, their records are not.
  func forEachContext(_ body: (ContextEnvelope.Header, _ recordType: String, UnsafeRawBufferPointer) throws -> Void) throws {
    var names: [(userID: String, recordType: String)] = []
    var meter = meter()
    try reader.walk(Tables.Contexts.self, prefix: selection.userID.map { reader.userKey($0).prefix } ?? Key()) { key, value in
      names.append((try ContextEnvelope.read(value) { header, _ in header.userID }, key.recordType))
      try meter.pass()
      return true
    }
    try names.sort(by: Self.precedes, &meter)
    for name in names {
      let key = ContextKey(user: reader.userKey(name.userID), recordType: name.recordType)
      guard let value = try reader.value(key, in: Tables.Contexts.self) else {
        throw StoreError(.corrupted, "a \(name.recordType) has the key of another user")
      }
      try meter.add(bytes: value.byteCount)
      unsafe try ContextEnvelope.decode(value) { header, record in unsafe try body(header, name.recordType, record) }
    }
  }

  /// Compares byte by byte: Swift's own order treats differently composed forms of a name as equal.
  private static func precedes(_ left: (userID: String, recordType: String), _ right: (userID: String, recordType: String)) -> Bool {
    if !left.userID.hasSameBytes(as: right.userID) { return left.userID.precedesInBytes(right.userID) }
    return left.recordType.precedesInBytes(right.recordType)
  }

  /// - Complexity: O(memories in scope); for one user O(n log n), and the ids are kept in memory.
  func forEachMemory(_ phase: OperationProgress.Phase = .exporting, _ body: (MemoryRecord) throws -> Void) throws {
    var meter = meter(phase)
    if selection.contextsOnly { return try meter.finish() }
    try meter.add(contexts)
    guard let userID = selection.userID else {
      try reader.forEachMemory(after: nil) { record in
        if isSelected(record) { try body(record) }
        try meter.add(bytes: record.memory.text.utf8.count)
        return true
      }
      return try meter.finish()
    }
    var ids: [MemoryID] = []
    try reader.forEachMemory(of: userID, newestFirst: false, after: nil) { record in
      if isSelected(record) { ids.append(record.memory.id) }
      try meter.pass(bytes: record.memory.text.utf8.count)
      return true
    }
    try ids.sort(by: <, &meter)
    for id in ids {
      try meter.add()
      guard let record = try reader.memoryRecord(id) else {
        throw StoreError(.corrupted, "the timeline names memory \(id), which has no record")
      }
      try body(record)
    }
    try meter.finish()
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
