import VectorSearch

/// Decides which memories a search finds as of now or an earlier time, by when they were created and replaced.
///
/// A memory exists from its `createdAt` on. It is superseded from the `createdAt` of its successor on; if the successor does not exist any
/// more, from the time at which the mark was stored, as far as the kept versions show it: see `markTime`. Superseded memories are rare, so
/// a search as of an earlier time reads their records and those of their successors.
struct SearchMoment: Equatable {
  let includesSuperseded: Bool
  /// Milliseconds since 1970; nil: now.
  let asOf: Int64?

  init(_ query: TextQuery) { self.init(includesSuperseded: query.includesSuperseded, asOf: query.asOf?.milliseconds) }

  init(_ query: SearchQuery) { self.init(includesSuperseded: query.includesSuperseded, asOf: query.asOf?.milliseconds) }

  private init(includesSuperseded: Bool, asOf: Int64?) {
    self.includesSuperseded = includesSuperseded
    self.asOf = asOf
  }

  /// Whether a memory that has not expired may be found.
  func includes(_ memory: Memory, _ reader: borrowing RecordReader) throws -> Bool {
    guard let asOf else { return includesSuperseded || memory.supersededBy == nil }
    guard memory.createdAt.milliseconds <= asOf else { return false }
    return try includesSuperseded || !Self.isSuperseded(memory, by: asOf, reader)
  }

  /// The same for an entry of `words`.
  ///
  /// - Throws: ``StoreError`` `.corrupted` if the entry and the record disagree.
  func includes(_ block: borrowing WordsView, _ slot: Int, _ reader: borrowing RecordReader) throws -> Bool {
    guard let asOf else { return includesSuperseded || !block.isSuperseded(slot) }
    guard block.createdAt(slot) <= asOf else { return false }
    return try includesSuperseded || !block.isSuperseded(slot) || !Self.isSuperseded(block.id(slot), by: asOf, reader)
  }

  /// The same for the slots of a block: those of `live` that may be found.
  ///
  /// - Throws: As for an entry of `words`.
  func included(_ live: LiveMask, _ columns: borrowing ColumnsView, _ reader: borrowing RecordReader) throws -> LiveMask {
    guard let asOf else { return includesSuperseded ? live : live & ~columns.superseded }
    let superseded = includesSuperseded ? 0 : columns.superseded
    var included = live
    for slot in 0..<columns.count {
      let bit: LiveMask = 1 << LiveMask(slot)
      guard live & bit != 0 else { continue }
      if try columns.createdAt(slot) > asOf || superseded & bit != 0 && Self.isSuperseded(columns.id(slot), by: asOf, reader) {
        included &= ~bit
      }
    }
    return included
  }

  // MARK: Superseded memories

  private static func isSuperseded(_ id: MemoryID, by time: Int64, _ reader: borrowing RecordReader) throws -> Bool {
    guard let memory = try reader.memoryRecord(id)?.memory, memory.supersededBy != nil else {
      throw StoreError(.corrupted, "memory \(id) is marked as superseded, and its record is missing or names no successor")
    }
    return try isSuperseded(memory, by: time, reader)
  }

  private static func isSuperseded(_ memory: Memory, by time: Int64, _ reader: borrowing RecordReader) throws -> Bool {
    guard let successor = memory.supersededBy else { return false }
    // The successor counts even if it has expired, so that the answer is the same before and after its expiry.
    if let record = try reader.memoryRecord(successor, of: memory.userID) { return record.memory.createdAt.milliseconds <= time }
    return try markTime(of: memory, reader) <= time
  }

  /// When the mark of a superseded memory was stored: the time of the earliest kept version since which the mark has been the same. If
  /// versions are missing, it is later than the mark. A memory that was imported with its mark counts as superseded since its creation.
  private static func markTime(of memory: Memory, _ reader: borrowing RecordReader) throws -> Int64 {
    var time = memory.updatedAt.milliseconds
    try reader.forEachVersion(of: memory, newestFirst: true) { _, value in
      let version = try MemoryRecord(value, id: memory.id).memory
      guard version.supersededBy == memory.supersededBy else { return false }
      time = version.updatedAt.milliseconds
      return true
    }
    return time
  }
}
