import LMDB

extension StoreSalvage {
  /// Reports as losses what the commit had and the stage does not have.
  func tellLosses(_ outcome: SalvagePass.Outcome, _ stage: inout RepairStage) throws {
    try tellLostMemories(&stage)
    try stage.read { reader in
      try tellLostContexts(reader)
      try tellLostVersions(outcome, reader)
      tell(plan.state?.tokens, tokens + damage.tokens, "token of a write", "tokens of writes")
    }
  }

  private func tell(_ expected: Int?, _ found: Int, _ singular: String, _ plural: String) {
    guard let expected, expected > found else { return }
    let count = expected - found
    notes.lose("\(count) \(count == 1 ? "\(singular) is" : "\(plural) are") lost with pages that cannot be read")
  }

  // MARK: Memories

  private func tellLostMemories(_ stage: inout RepairStage) throws {
    for (id, problem) in damage.memories.sorted(by: { $0.key < $1.key }) where try !stage.contains(id) {
      notes.lose("memory \(id): its record \(problem)")
    }
    let kept = try stage.read { try $0.state().memories }
    if kept != plan.state?.memories || !stage.lostPageMemories.isEmpty { try compareWithTimeline(&stage) }
  }

  /// The timeline names every memory: it shows which ones are lost, and which ones of lost pages had been deleted.
  private func compareWithTimeline(_ stage: inout RepairStage) throws {
    var entries = 0
    var unnamed = stage.lostPageMemories
    var told = Set(damage.memories.keys)
    _ = try pass(plan.commit).run(visit: { entry, isOrphan in
      guard case .timeline(let user, let id) = entry else { return }
      // A lost page of the timeline may be as old as the lost page of a memory, and proves nothing about it.
      if !isOrphan {
        entries += 1
        unnamed.remove(id)
      }
      guard try !stage.contains(id), told.insert(id).inserted else { return }
      let owner = try stage.ownerSuffix(user)
      notes.lose("memory \(id)\(owner) is lost with a page that cannot be read")
    })
    if let state = plan.state, entries == state.memories, !unnamed.isEmpty {
      let deleted = unnamed.sorted()
      try stage.change { stage, transaction in
        for id in deleted { try stage.remove(id, &transaction) }
      }
      notes.note("\(deleted.count) memories of lost pages are left out: the timeline, which is whole, does not name them")
    }
    let kept = try stage.read { try $0.state().memories }
    let absent = try told.count { try !stage.contains($0) }
    tell(plan.state?.memories, kept + absent, "memory", "memories")
  }

  // MARK: Contexts

  private func tellLostContexts(_ reader: borrowing RecordReader) throws {
    var absent = 0
    for (name, problem) in damage.contexts {
      if try reader.contains(name, in: Tables.Contexts.self) { continue }
      absent += 1
      let user = try reader.userName(name.user)
      notes.lose("the \(name.recordType) of \(user) is lost: its record \(problem)")
    }
    tell(plan.state?.contexts, try reader.state().contexts + absent, "context", "contexts")
  }

  private func tellLostVersions(_ outcome: SalvagePass.Outcome, _ reader: borrowing RecordReader) throws {
    var absent = 0
    for (version, problem) in damage.versions {
      if try reader.contains(version, in: Tables.History.self) { continue }
      absent += 1
      let what =
        switch version {
        case .context(let key): "the \(key.context.recordType) of \(try reader.userName(key.context.user))"
        case .memory(let key): "memory \(key.memory.id)"
        }
      notes.lose("version \(version.version) of \(what) is lost: its record \(problem)")
    }
    guard let recorded = outcome.recordedEntries[Tables.History.name] else { return }
    let kept = max(try reader.entryCount(of: Tables.History.self), versions)
    if let recorded {
      tell(recorded, kept + absent, "earlier version", "earlier versions")
    } else if kept == 0 || !outcome.searchedLostPages {
      notes.lose("whether earlier versions are lost is not known: their database cannot be reached")
    }
  }
}

extension RecordReader {
  /// The name of the user with a key, for messages.
  fileprivate func userName(_ key: UserKey) throws -> String {
    guard let value = try value(key, in: Tables.Users.self) else { return "a user of whom nothing else is left" }
    return "'\(try UserRecord(value).userID)'"
  }
}

extension RepairStage {
  /// Whether the memory is stored in the stage.
  func contains(_ id: MemoryID) throws -> Bool {
    try read { reader in try reader.contains(id, in: Tables.Memories.self) }
  }

  fileprivate func ownerSuffix(_ user: UserKey) throws -> String {
    try read { reader in
      guard let value = try reader.value(user, in: Tables.Users.self) else { return "" }
      return " of '\(try UserRecord(value).userID)'"
    }
  }
}
