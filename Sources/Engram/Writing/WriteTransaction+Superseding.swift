/// Memories that take the place of others: a correction of one, or a summary of several.
extension WriteTransaction {
  /// Marks the memories whose place a new memory takes: the one that it ``Memory/replaces``, and with ``MemoryDraft/supersedesOrigins``
  /// those that it is derived from.
  ///
  /// - Parameters:
  ///   - memory: The new memory, which is not stored yet.
  ///   - draft: What it is made of.
  /// - Returns: The memory to store: if it supersedes its origins and the draft has no trust, with the lowest trust of these.
  /// - Throws: ``StoreError`` `.notFound` if the user has no such memory, `.conflict` if another has superseded it before,
  ///   `.invalidArgument` if it is to supersede its origins and has none, or has expired; nothing is changed.
  mutating func supersede(by memory: Memory, _ draft: MemoryDraft) throws -> Memory {
    var ids = memory.replaces.map { [$0] } ?? []
    if draft.supersedesOrigins {
      guard !memory.derivedFrom.isEmpty else {
        throw StoreError(.invalidArgument, "a memory of '\(memory.userID)' supersedes its origins, and has none: name them in derivedFrom")
      }
      ids += memory.derivedFrom
    }
    if draft.supersedesOrigins, batch.reader.isExpired(memory) {
      throw StoreError(.invalidArgument, "a memory of '\(memory.userID)' has expired, so it cannot take the place of its origins")
    }
    var superseded: [MemoryRecord] = []
    var seen: Set<MemoryID> = []
    for id in ids where seen.insert(id).inserted {
      guard let old = try batch.reader.liveMemoryRecord(id, of: memory.userID) else {
        throw StoreError(.notFound, "'\(memory.userID)' has no memory \(id) to be replaced")
      }
      if let other = old.memory.supersededBy, other != memory.id {
        throw StoreError(.conflict, "memory \(id) was replaced by \(other) before")
      }
      superseded.append(old)
    }
    // An upsert may name memories that an earlier version of the same memory superseded.
    for old in superseded where old.memory.supersededBy == nil {
      try exchange(old, by: old.memory.with(supersededBy: memory.id), nil, keepsRow: true)
    }
    guard draft.supersedesOrigins, draft.trust == nil else { return memory }
    let origins = superseded.filter { memory.derivedFrom.contains($0.memory.id) }.map(\.memory.trust)
    return origins.contains(nil) ? memory : memory.with(trust: .some(origins.compactMap(\.self).min()))
  }

  /// Deletes a memory, and makes those that it superseded current again: the reverse of adding it with ``MemoryDraft/replaces`` or
  /// ``MemoryDraft/supersedesOrigins``.
  ///
  /// Each of these memories gets a version more. Those that were deleted since, have expired, or were made current by an update are left
  /// as they are.
  ///
  /// - Parameter version: The version that the memory must have now; nil: any.
  /// - Returns: The memories that are current again: the one that was replaced, then the others in the order of ``Memory/derivedFrom``.
  /// - Throws: ``StoreError`` `.notFound` if the user has no such memory, `.versionMismatch`, and `.conflict` if it supersedes no memory that
  ///   is there: ``delete(_:for:)`` deletes it; the transaction can go on.
  @discardableResult
  public mutating func retract(_ id: MemoryID, for userID: String, ifVersion version: Int? = nil) throws -> [MemoryID] {
    try surfacing(.user(userID)) { transaction in
      try Limits.check(memoryVersion: version)
      guard let memory = try transaction.batch.reader.liveMemoryRecord(id, of: userID)?.memory else {
        throw StoreError.noMemory(id, of: userID)
      }
      if let version, version != memory.version { throw StoreError.versionMismatch(memory, expected: version) }
      var restored: [MemoryID] = []
      for origin in (memory.replaces.map { [$0] } ?? []) + memory.derivedFrom {
        // Read one by one: an id may be named twice.
        guard let old = try transaction.batch.reader.liveMemoryRecord(origin, of: userID), old.memory.supersededBy == id else { continue }
        try transaction.exchange(old, by: old.memory.with(supersededBy: .some(nil)), nil, keepsRow: true)
        restored.append(origin)
      }
      guard !restored.isEmpty else {
        throw StoreError(.conflict, "memory \(id) supersedes no memory that is there, so none can be current again: delete it instead")
      }
      try transaction.remove(id)
      return restored
    }
  }
}
