/// What becomes of a line whose memory id, dedupe key or context the store has already.
package enum ImportPolicy: String, Sendable, CaseIterable {
  case fail, skip, replace
}

/// What an import did, or would do.
package struct ImportSummary: Sendable, Equatable {
  /// New ones.
  package var memories = 0
  package var contexts = 0
  package var skipped = 0
  /// Memories and contexts.
  package var replaced = 0
  /// Keys that this version does not know, and the first few of them.
  package var unknownKeyCount = 0
  package var unknownKeys: [String] = []
}

extension MemoryStore {
  /// Reads files of JSON Lines into the store: all of them or nothing.
  ///
  /// Every line is checked, and embedded where it wants to be, before a transaction begins; a second pass then writes them in one.
  /// - Parameters:
  ///   - embedder: Makes the embeddings of memories whose line has no key `embedding`; nil leaves them without.
  ///   - isDryRun: Checks and counts only.
  ///   - progress: Called on several threads, never at once.
  /// - Throws: ``StoreError`` whose message begins with the file and the line; nothing was changed.
  package func importLines(
    from sources: [ImportSource], onConflict policy: ImportPolicy, embedder: (any Embedder)? = nil, isDryRun: Bool = false,
    progress: @escaping @Sendable (Interchange.Progress) -> Void = { _ in }
  ) async throws -> ImportSummary {
    let writer = try isDryRun ? nil : writer()
    let embeds = embedder != nil
    let checked = try await onBlockingThread { try self.check(sources, policy, collectsTexts: embeds && !isDryRun, progress) }
    guard let writer else { return checked.summary }
    let vectors = try await Self.vectors(checked.texts, embedder, progress)
    var summary = try await writer.write(runsAlone: true) { transaction in
      try Importer(sources, policy, vectors: vectors, progress).write(&transaction)
    }
    summary.unknownKeyCount = checked.summary.unknownKeyCount
    summary.unknownKeys = checked.summary.unknownKeys
    return summary
  }

  /// The first pass.
  ///
  /// - Returns: What the second one will do, and the texts that want an embedding with the number of their line among all.
  private func check(
    _ sources: [ImportSource], _ policy: ImportPolicy, collectsTexts: Bool, _ progress: @escaping @Sendable (Interchange.Progress) -> Void
  ) throws -> (summary: ImportSummary, texts: [(index: Int, text: String)]) {
    var texts: [(index: Int, text: String)] = []
    var ledger = ImportLedger(policy)
    var walk = ImportWalk(sources, dimension: core.generation.store.dimension, phase: .checking, progress)
    try readOnce { reader in
      let describe = { (line: ImportLedger.Line) in "\(sources[line.file].name):\(line.number)" }
      while let (line, place, index) = try walk.next() {
        try walk.naming(place) {
          switch line {
          case .store(let store): try store.check(reader.store)
          case .context(let context): try ledger.add(context, at: place, reader, describe)
          case .memory(let memory):
            _ = try PreparedDraft(memory.draft, store: reader.store)
            try ledger.add(memory.draft, at: place, reader, describe)
            if collectsTexts, memory.wantsEmbedding { texts.append((index, memory.draft.text)) }
          }
        }
      }
    }
    var summary = ledger.summary
    summary.unknownKeyCount = walk.unknownKeyCount
    summary.unknownKeys = walk.unknownKeys
    return (summary, texts)
  }

  private static func vectors(
    _ texts: [(index: Int, text: String)], _ embedder: (any Embedder)?, _ progress: @Sendable (Interchange.Progress) -> Void
  ) async throws -> [Int: Embedding] {
    var vectors: [Int: Embedding] = [:]
    guard let embedder else { return vectors }
    vectors.reserveCapacity(texts.count)
    for start in stride(from: 0, to: texts.count, by: 256) {
      let batch = texts[start..<min(start + 256, texts.count)]
      let made = try await embedder.embed(batch.map(\.text))
      guard made.count == batch.count else {
        throw StoreError(.embedderMismatch, "the embedder '\(embedder.identity)' returned \(made.count) vectors for \(batch.count) texts")
      }
      for (text, vector) in zip(batch, made) { vectors[text.index] = vector }
      progress(Interchange.Progress(phase: .embedding, done: batch.endIndex, total: texts.count, count: batch.endIndex))
    }
    return vectors
  }
}

/// Walks over the lines of all files, in order.
private struct ImportWalk {
  private let sources: [ImportSource]
  private let phase: Interchange.Progress.Phase
  private let progress: @Sendable (Interchange.Progress) -> Void
  private let totalBytes: Int
  private var parser: LineParser
  private var reader: LineReader?
  private var file = -1
  private var finishedBytes = 0
  private var isFirstOfFile = true
  private var lines = 0

  init(
    _ sources: [ImportSource], dimension: Int?, phase: Interchange.Progress.Phase,
    _ progress: @escaping @Sendable (Interchange.Progress) -> Void
  ) {
    self.sources = sources
    self.phase = phase
    self.progress = progress
    totalBytes = sources.reduce(0) { $0 + $1.sizeBytes }
    parser = LineParser(dimension: dimension)
  }

  var unknownKeyCount: Int { parser.unknownKeyCount }
  var unknownKeys: [String] { parser.unknownKeys }

  /// The next line, its place, and its number among all lines of all files.
  ///
  /// - Throws: ``StoreError`` that begins with the place.
  mutating func next() throws -> (line: InterchangeLine, place: ImportLedger.Line, index: Int)? {
    while true {
      if reader == nil {
        guard file + 1 < sources.count else {
          report()
          return nil
        }
        file += 1
        reader = LineReader(sources[file])
        isFirstOfFile = true
      }
      var line: InterchangeLine?
      do {
        line = unsafe try reader?.next { bytes in unsafe try parser.parse(bytes) }
        if case .store? = line, !isFirstOfFile { throw StoreError(.invalidImport, "a store line must be the first of its file") }
      } catch {
        throw named(error, ImportLedger.Line(file: file, number: reader?.lineNumber ?? 0))
      }
      isFirstOfFile = false
      if let line, let reader {
        lines += 1
        if lines & 1023 == 0 { report() }
        return (line, ImportLedger.Line(file: file, number: reader.lineNumber), lines)
      }
      finishedBytes += sources[file].sizeBytes
      reader = nil
    }
  }

  private func report() {
    progress(.init(phase: phase, done: finishedBytes + (reader?.consumedBytes ?? 0), total: totalBytes, count: lines))
  }

  /// Runs `body` and puts the place before the message of what it throws.
  func naming<Value>(_ place: ImportLedger.Line, _ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch {
      throw named(error, place)
    }
  }

  private func named(_ error: any Error, _ place: ImportLedger.Line) -> any Error {
    // What LMDB or the disk says is about the store, not about the line.
    guard let error = StoreError.wrapping(error, "the import failed") as? StoreError, Self.isAboutLine(error.code) else { return error }
    return StoreError(error.code, "\(sources[place.file].name):\(place.number): \(error.message)", cause: error.cause)
  }

  private static func isAboutLine(_ code: StoreError.Code) -> Bool {
    switch code {
    case .corrupted, .diskFull, .permissionDenied, .readOnlyFileSystem, .tooManyReaders, .outOfResources, .storeBusy, .inputOutput,
      .reopening, .inDoubt:
      false
    default: true
    }
  }
}

/// The second pass: writes every line in one transaction.
private struct Importer {
  private let sources: [ImportSource]
  private let policy: ImportPolicy
  private let vectors: [Int: Embedding]
  private let progress: @Sendable (Interchange.Progress) -> Void

  init(
    _ sources: [ImportSource], _ policy: ImportPolicy, vectors: [Int: Embedding],
    _ progress: @escaping @Sendable (Interchange.Progress) -> Void
  ) {
    self.sources = sources
    self.policy = policy
    self.vectors = vectors
    self.progress = progress
  }

  func write(_ transaction: inout WriteTransaction) throws -> ImportSummary {
    var summary = ImportSummary()
    var walk = ImportWalk(sources, dimension: transaction.batch.store.dimension, phase: .writing, progress)
    while let (line, place, index) = try walk.next() {
      switch line {
      case .store: continue
      case .context(let context): try walk.naming(place) { try put(context, &transaction, &summary) }
      case .memory(var memory):
        if memory.wantsEmbedding { memory.draft.embedding = vectors[index] }
        try walk.naming(place) { try add(memory.draft, &transaction, &summary) }
      }
    }
    return summary
  }

  private func put(_ context: ContextLine, _ transaction: inout WriteTransaction, _ summary: inout ImportSummary) throws {
    let isTaken = try transaction.batch.reader.hasContext(context.recordType, context.userID)
    if isTaken {
      switch policy {
      case .fail: throw StoreError(.conflict, "the store has a \(context.recordType) of '\(context.userID)' already")
      case .skip:
        summary.skipped += 1
        return
      case .replace: summary.replaced += 1
      }
    } else {
      summary.contexts += 1
    }
    try transaction.putContext(context.recordType, schemaVersion: context.schema, userID: context.userID, record: context.record)
  }

  private func add(_ draft: MemoryDraft, _ transaction: inout WriteTransaction, _ summary: inout ImportSummary) throws {
    let rivals = try rivals(of: draft, transaction)
    if rivals.isEmpty {
      summary.memories += 1
    } else {
      switch policy {
      case .fail: throw StoreError(.conflict, "the store has a memory with the same id or dedupe key already (\(rivals[0]))")
      case .skip:
        summary.skipped += 1
        return
      case .replace:
        for id in rivals { try transaction.delete(id) }
        summary.replaced += 1
      }
    }
    try transaction.add(draft)
  }

  /// The live memories that stand in the draft's place.
  private func rivals(of draft: MemoryDraft, _ transaction: borrowing WriteTransaction) throws -> [MemoryID] {
    let reader = transaction.batch.reader
    var ids: [MemoryID] = []
    if let id = draft.id, let record = try reader.liveMemoryRecord(id) {
      if policy == .replace, !record.memory.userID.hasSameBytes(as: draft.userID) {
        throw StoreError(.conflict, "the id \(id) belongs to a memory of another user, which is not replaced")
      }
      ids.append(id)
    }
    if let dedupeKey = draft.dedupeKey, let id = try reader.dedupe(draft.userID, dedupeKey), !ids.contains(id),
      try reader.liveMemoryRecord(id) != nil
    {
      ids.append(id)
    }
    return ids
  }
}
