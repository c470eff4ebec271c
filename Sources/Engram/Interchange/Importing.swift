import Formats
public import Foundation
import Synchronization

extension MemoryStore {
  /// Reads files of JSON Lines into the store, in one transaction: all lines, or with ``ImportOptions/skipsInvalid`` those that are right.
  ///
  /// <doc:Interchange> has the format. A memory whose line has no key `embedding` is embedded by the store's embedder, if it was opened
  /// with one.
  ///
  /// - Parameters:
  ///   - files: In the order in which they are read. A pipe or a device is copied to a temporary file first.
  ///   - options: How to handle lines that are at fault, or whose content exists already.
  ///   - progress: Called now and then: checking, embedding, writing. See ``OperationProgress``.
  /// - Returns: The counts of what was imported, and the first faults.
  /// - Throws: ``StoreError`` whose message begins with the file and the line if a line is at fault; with several faults its cause is
  ///   ``ImportFaults``. `CancellationError`, until the transaction is committed. Nothing was changed, unless
  ///   ``StoreError/isCommitted`` is true: then ``ImportOptions/rejectsFile`` could not be finished, which is done after the commit.
  /// - Complexity: O(bytes), read twice; keeps the texts that are to be embedded, their vectors, and under 100 bytes for each line that
  ///   names an id or a dedupe key.
  @discardableResult
  public func importJSONLines(
    from files: [URL], options: ImportOptions = ImportOptions(), progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> ImportSummary {
    let sources = try await onBlockingThread { try files.map { try ImportSource.file($0) } }
    return try await importJSONLines(from: sources, options: options, progress: progress)
  }

  /// Reads lines from files or other sources: see ``importJSONLines(from:options:progress:)-([URL],_,_)``.
  @discardableResult
  public func importJSONLines(
    from sources: [ImportSource], options: ImportOptions = ImportOptions(),
    progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> ImportSummary {
    do {
      return try await importLines(from: sources, options, embedder: hasEmbedder ? try requireEmbedder() : nil, progress: progress)
    } catch {
      throw StoreError.surfacing(error, "the import failed")
    }
  }

  /// As ``importLines(from:_:embedder:progress:)``, with all lines or none.
  package func importLines(
    from sources: [ImportSource], onConflict policy: ImportPolicy, embedder: (any Embedder)? = nil, isDryRun: Bool = false,
    progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> ImportSummary {
    try await importLines(from: sources, ImportOptions(onConflict: policy, isDryRun: isDryRun), embedder: embedder, progress: progress)
  }

  /// Reads lines into the store. The first pass checks every line, then missing embeddings are made; the second pass writes all lines in
  /// one transaction.
  ///
  /// - Parameters:
  ///   - embedder: Makes the embeddings of memories whose line has no key `embedding`; nil leaves them without.
  ///   - progress: Called on several threads, one call at a time.
  /// - Throws: As ``importJSONLines(from:options:progress:)``.
  package func importLines(
    from sources: [ImportSource], _ options: ImportOptions, embedder: (any Embedder)? = nil,
    progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> ImportSummary {
    let writer = try options.isDryRun ? nil : writer()
    let collectsTexts = embedder != nil && !options.isDryRun
    let basis = embedder == nil ? nil : core.generation.embedding
    let rejects = try options.rejectsFile.map { try RejectedLines($0, of: self) }
    let checked = try await onCancellableThread { check in
      var options = options
      if let rejects {
        let rejectsToo = options.rejects
        options.rejects = { line in
          try rejects.append(line)
          try rejectsToo?(line)
        }
      }
      return try ImportCheck(self, sources, options, collectsTexts: collectsTexts, reporting(progress, check)).run()
    }
    guard let writer else {
      try rejects?.commit()
      return checked.summary
    }
    let vectors = try await Self.vectors(checked.texts, embedder, progress)
    let stop = StopFlag()
    let summary = try await withTaskCancellationHandler {
      try await writer.write(runsAlone: true) { transaction in
        let importer = Importer(sources, options, vectors: vectors, leavingOut: checked.leftOut) { step in
          progress(step)
          if stop.isSet { throw CancellationError() }
        }
        if let basis, !vectors.isEmpty { try transaction.batch.reader.require(basis) }
        var summary = checked.summary
        try importer.write(&transaction, &summary)
        return summary
      }
    } onCancel: {
      stop.set()
    }
    do {
      try rejects?.commit()
    } catch {
      let cause = StoreError.surfacing(error, "the file of the lines that were left out") as? StoreError
      throw StoreError(
        cause?.code ?? .inputOutput,
        "all other lines were imported, but not all that were left out were written: \(cause?.message ?? "\(error)")",
        isCommitted: true, cause: error)
    }
    return summary
  }

  private static func vectors(
    _ texts: [(index: Int, text: String)], _ embedder: (any Embedder)?, _ progress: @Sendable (OperationProgress) -> Void
  ) async throws -> [Int: Embedding] {
    var vectors: [Int: Embedding] = [:]
    guard let embedder else { return vectors }
    vectors.reserveCapacity(texts.count)
    for start in stride(from: 0, to: texts.count, by: 256) {
      try Task.checkCancellation()
      let batch = texts[start..<min(start + 256, texts.count)]
      let made = try await embedder.embedChecked(batch.map(\.text))
      for (text, vector) in zip(batch, made) { vectors[text.index] = vector }
      progress(OperationProgress(phase: .embedding, done: batch.endIndex, total: texts.count, count: batch.endIndex))
    }
    return vectors
  }
}

/// The file for lines that are left out. Only the thread of the import writes it.
private final class RejectedLines: Sendable {
  private let file: Mutex<ExportFile?>

  init(_ url: URL, of store: MemoryStore) throws {
    guard url.isFileURL else { throw StoreError(.invalidArgument, "\(url) is not a file URL") }
    file = Mutex(try ExportFile(path: url.path, of: store))
  }

  func append(_ line: [UInt8]) throws { try file.withLock { try $0?.append(line + [0x0A]) } }

  /// The file exists from now on, empty if no line was left out.
  func commit() throws { try file.withLock { try $0?.commit() } }
}

/// The second pass: writes every line in one transaction. ``ParsedLines`` parses them, and a thread of its own prepares them, ahead of the writer.
private struct Importer: Sendable {
  private let sources: [ImportSource]
  private let options: ImportOptions
  private var policy: ImportPolicy { options.onConflict }
  private let vectors: [Int: Embedding]
  /// Lines at fault, by their number among all.
  private let leftOut: Set<Int>
  private let progress: @Sendable (OperationProgress) throws -> Void

  /// A line that is ready to be written.
  private struct Step {
    let place: ImportLedger.Line
    let content: Result<Content, any Error>
  }

  private enum Content {
    case store(StoreLine)
    case context(ContextLine)
    case memory(PreparedDraft)
  }

  /// Bounds of the lines that are passed to the writer at once.
  private static let linesAtOnce = 256
  private static let bytesAtOnce = 1 << 20

  init(
    _ sources: [ImportSource], _ options: ImportOptions, vectors: [Int: Embedding], leavingOut leftOut: Set<Int>,
    _ progress: @escaping @Sendable (OperationProgress) throws -> Void
  ) {
    self.sources = sources
    self.options = options
    self.vectors = vectors
    self.leftOut = leftOut
    self.progress = progress
  }

  /// - Parameter summary: The summary of the first pass; this pass replaces its counts of what is written.
  func write(_ transaction: inout WriteTransaction, _ summary: inout ImportSummary) throws {
    (summary.memories, summary.contexts, summary.skipped, summary.replaced) = (0, 0, 0, 0)
    let (store, readers) = (transaction.batch.store, transaction.batch.generation.termReaders)
    let steps = try ReadAhead<Step> { pass in try readers.withReader { try prepare(store, readers, $0, pass) } }
    defer { steps.finish() }
    while let part = try steps.next() {
      for step in part {
        try ImportWalk.naming(step.place, of: sources) {
          switch try step.content.get() {
          // Checked again: the store may have moved to another embedder since the first pass.
          case .store(let line): try line.check(store)
          case .context(let context): try put(context, &transaction, &summary)
          case .memory(let draft): try add(draft, &transaction, &summary)
          }
        }
      }
    }
  }

  /// Reads all lines, and prepares them as far as is possible without the transaction.
  private func prepare(_ store: StoreRecord, _ readers: TermReaders, _ reader: TermReader, _ pass: ([Step]) throws -> Void) throws {
    var walk = ImportWalk(sources, dimension: store.dimension, isLossy: options.isLossy, phase: .writing, progress)
    var steps: [Step] = []
    var bytes = 0
    while let step = try walk.next() {
      if leftOut.contains(step.index) { continue }
      let content = Result { () throws -> Content in
        switch try step.content.get() {
        case .store(let line): return .store(line)
        case .context(let context):
          bytes += context.record.count
          return .context(context)
        case .memory(var memory):
          if memory.wantsEmbedding { memory.draft.embedding = vectors[step.index] }
          var draft = try PreparedDraft(memory.draft, store: store)
          draft.makeWords(reader, of: readers)
          bytes += draft.sizeBytes
          return .memory(draft)
        }
      }
      steps.append(Step(place: step.place, content: content))
      if steps.count < Self.linesAtOnce, bytes < Self.bytesAtOnce { continue }
      try pass(steps)
      steps.removeAll(keepingCapacity: true)
      bytes = 0
    }
    try pass(steps)
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

  private func add(_ draft: PreparedDraft, _ transaction: inout WriteTransaction, _ summary: inout ImportSummary) throws {
    let rivals = try rivals(of: draft.draft, transaction)
    if rivals.isEmpty {
      summary.memories += 1
    } else {
      switch policy {
      case .fail: throw StoreError(.conflict, "the store has a memory with the same id or dedupe key already (\(rivals[0]))")
      case .skip:
        summary.skipped += 1
        return
      case .replace:
        for id in rivals { try transaction.remove(id) }
        summary.replaced += 1
      }
    }
    // `requireEmbedding` is not asked: a line decides itself whether its memory gets an embedding.
    _ = try transaction.add(draft, marksReplaced: false)
  }

  /// The live memories that have the draft's id or dedupe key.
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
