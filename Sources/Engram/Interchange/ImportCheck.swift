/// The first pass of an import: checks every line, and changes nothing.
struct ImportCheck {
  /// What the second pass will do.
  struct Outcome: Sendable {
    var summary = ImportSummary()
    /// The texts to embed, each with the number of its line among all.
    var texts: [(index: Int, text: String)] = []
    /// Lines at fault, by their number among all.
    var leftOut: Set<Int> = []
  }

  private let store: MemoryStore
  private let sources: [ImportSource]
  private let options: ImportOptions
  private let collectsTexts: Bool
  private let progress: (OperationProgress) throws -> Void

  init(
    _ store: MemoryStore, _ sources: [ImportSource], _ options: ImportOptions, collectsTexts: Bool,
    _ progress: @escaping (OperationProgress) throws -> Void
  ) {
    self.store = store
    self.sources = sources
    self.options = options
    self.collectsTexts = collectsTexts
    self.progress = progress
  }

  /// - Throws: ``StoreError`` of the first line at fault, unless such lines are left out; ``ImportFaults`` is its cause if there are more.
  func run() throws -> Outcome {
    var outcome = Outcome()
    var faults = ImportFaults()
    var firstFault: StoreError.Code?
    var ledger = ImportLedger(options.onConflict)
    var walk = ImportWalk(
      sources, dimension: store.core.generation.store.dimension, isLossy: options.isLossy, phase: .checking, progress)
    try store.readOnce { reader in
      while let step = try walk.next() {
        do {
          try check(step, reader, &ledger, &outcome)
        } catch {
          // A store line describes all other lines of its file: it is never left out.
          if case .success(.store) = step.content { throw walk.named(error, step.place) }
          guard let fault = walk.fault(error, step.place) else { throw walk.named(error, step.place) }
          if firstFault == nil { firstFault = (error as? StoreError)?.code ?? .invalidImport }
          faults.add(fault)
          guard options.skipsInvalid else { continue }
          outcome.leftOut.insert(step.index)
          try options.rejects?(walk.lastLine)
        }
      }
    }
    if !options.skipsInvalid, let firstFault, let first = faults.first.first {
      throw StoreError(firstFault, first.description, cause: faults.count > 1 ? faults : nil)
    }
    outcome.summary = ledger.summary
    walk.addCounts(to: &outcome.summary)
    (outcome.summary.invalid, outcome.summary.faults) = (faults.count, faults.first)
    return outcome
  }

  private func check(_ step: ImportWalk.Step, _ reader: RecordReader, _ ledger: inout ImportLedger, _ outcome: inout Outcome) throws {
    let describe = { (line: ImportLedger.Line) in "\(sources[line.file].name):\(line.number)" }
    switch try step.content.get() {
    case .store(let store): try store.check(reader.store)
    case .context(let context): try ledger.add(context, at: step.place, reader, describe)
    case .memory(let memory):
      _ = try PreparedDraft(memory.draft, store: reader.store)
      try ledger.add(memory.draft, at: step.place, reader, describe)
      if collectsTexts, memory.wantsEmbedding { outcome.texts.append((step.index, store.core.generation.template.text(of: memory.draft))) }
    }
  }
}
