import LMDB

/// Records that the last commit did not touch are in the commit before it, too, often in pages of their own.
extension StoreSalvage {
  /// Takes missing records from the earlier commit, if the log proves that the later one has neither changed nor deleted them.
  func fillGaps(_ stage: inout RepairStage) throws {
    guard try stage.read({ try isIncomplete($0) }), let earlier = plan.earlier else { return }
    guard isLogComplete(since: earlier) else {
      notes.note("the commit before the last one is not asked for what is missing: the log does not prove what the last one deleted")
      return
    }
    _ = try pass(earlier).run(visit: { entry, isOrphan in
      if isOrphan { return }
      switch entry {
      case .memory(let record):
        let id = record.memory.id
        // Looked up first, so that the losses of embeddings are reported once.
        if touched.memories.contains(id) { return }
        if try stage.contains(id) { return }
        try stage.add(record.memory, components(of: record), .earlierCommit)
      case .context(let context):
        if !touched.contains(context) { try stage.add(context, .earlierCommit) }
      case .version(let version):
        if !touched.contains(version) { try stage.add(version: version) }
      case .memoryVersion(let memory, let value):
        if !touched.memories.contains(memory.id) { try stage.add(version: memory, value) }
      default: break
      }
    })
    try stage.flush()
    if stage.restored > 0 {
      notes.note("\(stage.restored) records come from the commit before the last one, which did not touch them")
    }
  }

  /// Whether an entry is damaged, or there are fewer records than the state counts.
  private func isIncomplete(_ reader: borrowing RecordReader) throws -> Bool {
    if !damage.memories.isEmpty || !damage.contexts.isEmpty || !damage.versions.isEmpty { return true }
    guard let state = plan.state else { return true }
    let found = try reader.state()
    return found.memories < state.memories || found.contexts < state.contexts
  }

  /// Whether every change after the earlier commit is known.
  private func isLogComplete(since earlier: DamagedGeneration.Commit) -> Bool {
    guard let state = plan.state, let before = earlier.state, before.batchSequence <= state.batchSequence else { return false }
    // The log may not name what an erasure has deleted since.
    return touched.entries == state.logCount && state.logFirst <= before.batchSequence + 1 && !touched.isOverflowing
      && state.pendingErasure <= before.batchSequence
  }
}
