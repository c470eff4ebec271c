import Formats

/// Computes, line by line, what an import would do: finds conflicts with the store and within the files before anything is written.
///
/// Exists during the first pass, in one snapshot. Keeps the ids, dedupe keys and contexts that the lines name, no texts and no vectors.
struct ImportLedger {
  /// A place in the files.
  struct Line: Sendable, Equatable {
    let file: Int
    let number: Int
  }

  private struct Added {
    let line: Line
    let user: UserKey
    var dedupe: DedupeName?
  }

  private struct DedupeName: Hashable {
    let user: UserKey
    let key: UserKey
  }

  private struct ContextName: Hashable {
    let user: UserKey
    let recordType: String
  }

  private let policy: ImportPolicy
  private var memories: [MemoryID: Added] = [:]
  private var dedupe: [DedupeName: MemoryID] = [:]
  private var contexts: [ContextName: Line] = [:]
  /// Memories of the store that a line has replaced.
  private var replaced: Set<MemoryID> = []
  private(set) var summary = ImportSummary()

  init(_ policy: ImportPolicy) { self.policy = policy }

  /// - Parameter describe: Names an earlier line, for a message about two lines.
  /// - Throws: ``StoreError`` `.conflict`.
  mutating func add(_ draft: MemoryDraft, at line: Line, _ reader: borrowing RecordReader, _ describe: (Line) -> String) throws {
    let user = reader.userKey(draft.userID)
    let name = draft.dedupeKey.map { DedupeName(user: user, key: reader.userKey($0)) }
    var rivals: [MemoryID] = []
    if let id = draft.id {
      if let earlier = memories[id] {
        try refuse("the id \(id) is in \(describe(earlier.line)) too")
        try checkOwner(id, earlier.user == user)
        rivals.append(id)
      } else if !replaced.contains(id), let record = try reader.liveMemoryRecord(id) {
        try refuse("the store has a memory with the id \(id) already")
        try checkOwner(id, record.memory.userID.hasSameBytes(as: draft.userID))
        rivals.append(id)
      }
    }
    if let name, let dedupeKey = draft.dedupeKey {
      if let earlier = dedupe[name], let added = memories[earlier] {
        try refuse("the dedupe key '\(dedupeKey)' of '\(draft.userID)' is in \(describe(added.line)) too")
        if !rivals.contains(earlier) { rivals.append(earlier) }
      } else if let id = try reader.dedupe(draft.userID, dedupeKey), !replaced.contains(id), try reader.liveMemoryRecord(id) != nil {
        try refuse("the store has a memory of '\(draft.userID)' with the dedupe key '\(dedupeKey)' already")
        if !rivals.contains(id) { rivals.append(id) }
      }
    }
    if policy == .skip, !rivals.isEmpty {
      summary.skipped += 1
      return
    }
    for id in rivals { remove(id) }
    if rivals.isEmpty { summary.memories += 1 } else { summary.replaced += 1 }
    // An expired memory does not occupy its id or its key.
    guard draft.id != nil || name != nil, !reader.hasPassed(draft.expiresAt) else { return }
    let id = draft.id ?? MemoryID()
    memories[id] = Added(line: line, user: user, dedupe: name)
    if let name { dedupe[name] = id }
  }

  private mutating func remove(_ id: MemoryID) {
    if let added = memories.removeValue(forKey: id) {
      if let name = added.dedupe { dedupe[name] = nil }
    } else {
      replaced.insert(id)
    }
  }

  mutating func add(_ context: ContextLine, at line: Line, _ reader: borrowing RecordReader, _ describe: (Line) -> String) throws {
    let name = ContextName(user: reader.userKey(context.userID), recordType: context.recordType)
    var isTaken = false
    if let earlier = contexts[name] {
      try refuse("the \(context.recordType) of '\(context.userID)' is in \(describe(earlier)) too")
      isTaken = true
    } else if try reader.hasContext(context.recordType, context.userID) {
      try refuse("the store has a \(context.recordType) of '\(context.userID)' already")
      isTaken = true
    }
    if isTaken, policy == .skip {
      summary.skipped += 1
      return
    }
    if isTaken { summary.replaced += 1 } else { summary.contexts += 1 }
    contexts[name] = line
  }

  private func refuse(_ what: @autoclosure () -> String) throws(StoreError) {
    guard policy == .fail else { return }
    throw StoreError(.conflict, "\(what()): skip or replace it")
  }

  /// A memory never changes its user: replacing the memory of another user would delete that user's data.
  private func checkOwner(_ id: MemoryID, _ isOwn: Bool) throws(StoreError) {
    guard policy == .replace, !isOwn else { return }
    throw StoreError(.conflict, "the id \(id) belongs to a memory of another user, which is not replaced")
  }
}

extension RecordReader {
  func hasContext(_ recordType: String, _ userID: String) throws -> Bool {
    try context(recordType, userID) { _, _ in true } ?? false
  }
}
