import Files
import Foundation
import Logging
import Synchronization
import VectorSearch

/// Makes the codes of the live generation once it has enough rows, and flushes those that commits have written: both on a thread of their
/// own. Only the rows of the last commits are encoded and flushed in the transaction that names the codes.
extension StoreCore {
  /// So many rows may be without flushed codes. After a power failure, or in a process that opens the store, they are compared by their
  /// floats, and the first search reads their entries of the log.
  static var unflushedRowLimit: Int { 2048 }
  /// As many commits, because the log does not keep the changes of more for ever.
  static var unflushedCommitLimit: UInt64 { 1024 }

  /// Called on the writer thread after each batch.
  func flushCodesIfMany() {
    guard let codes = generation.codes, codes.unflushedRows.load(ordering: .relaxed) >= Self.unflushedRowLimit else { return }
    beginCodesWork { core in try await core.flushCodes() }
  }

  /// Called once a second by the maintenance.
  func maintainCodes(_ state: StateRecord) {
    guard let coordinator, coordinator.poison == nil, let codes = generation.codes, codes.damage == nil else { return }
    if state.codesThrough == 0 {
      if !state.hasLostCodes, state.rowsLive >= options.leastCodedRows { beginCodesWork { core in try await core.buildCodes() } }
    } else if needsCodesFlush(codes, state) {
      beginCodesWork { core in
        try await core.flushCodes()
        try await core.nameFlushedCodes()
      }
    }
  }

  private func needsCodesFlush(_ codes: GenerationCodes, _ state: StateRecord) -> Bool {
    // The last flush may have come after the last commit.
    if codes.unnamedRows.load(ordering: .relaxed) + codes.unflushedRows.load(ordering: .relaxed) >= Self.unflushedRowLimit { return true }
    // An error of the disk must not stay unnoticed for long.
    if codes.unflushedRows.load(ordering: .relaxed) > 0, isTime(lastCodesFlush, every: .seconds(60)) { return true }
    let flushed = max(codes.flushedThrough.load(ordering: .relaxed), state.codesThrough)
    if state.batchSequence > flushed + Self.unflushedCommitLimit { return true }
    return (try? live.read { try codes.needsEncoding($0, $0.state()) }) ?? false
  }

  /// Begins `body`, unless such work is under way, or has failed a short time ago.
  private func beginCodesWork(_ body: @escaping @Sendable (StoreCore) async throws -> Void) {
    guard codesRetry.withLock({ $0.isTime(at: .now) }),
      isWorkingOnCodes.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged
    else { return }
    Task { [weak self] in
      guard let self else { return }
      do {
        try await body(self)
        self.codesRetry.withLock { $0.succeeded() }
      } catch let error as StoreError where error.code == .closed {
      } catch is CancellationError {
      } catch {
        // Searches use the floats of the rows meanwhile.
        self.codesRetry.withLock { $0.failed(at: .now) }
        self.options.logger.warning("the codes of the embeddings cannot be written yet", metadata: ["error": "\(error)"])
      }
      self.isWorkingOnCodes.store(false, ordering: .releasing)
    }
  }

  // MARK: Flushing

  /// Flushes the codes of all batches so far. The next commit names the last of them.
  func flushCodes() async throws {
    let failed = try await background("the codes of the embeddings cannot be flushed") { core, check in try core.flushCodes(check) }
    if let failed { try await loseCodes(of: failed) }
  }

  /// Ends the use of codes in a generation by all processes.
  private func loseCodes(of generation: Generation, atMost limit: Duration? = nil) async throws {
    try await coordinator?.write(runsAlone: true, atMost: limit) { transaction in
      if transaction.batch.generation === generation { transaction.batch.state.loseCodes() }
    }
  }

  /// - Returns: The generation whose codes could not be flushed: the kernel may have dropped some. Nil if all are on the disk.
  private func flushCodes(_ check: @escaping () throws -> Void) throws -> Generation? {
    let found = try live.read { reader -> (Generation, UInt64, DistrustedRows, [CodeBuild.LiveRun])? in
      let state = try reader.state()
      guard state.codesThrough > 0, let codes = reader.generation.codes, codes.file() != nil else { return nil }
      _ = try reader.rows()
      let distrusted = codes.distrusted(reader, state)
      let live = if case .all = distrusted { try CodeBuild.liveRows(reader) } else { [CodeBuild.LiveRun]() }
      return (reader.generation, state.batchSequence, distrusted, live)
    }
    guard let (generation, sequence, distrusted, live) = found, let build = CodeBuild(generation, check: check),
      let file = build.codes.file()
    else { return nil }
    switch distrusted {
    case .all: try build.encode(live, into: file)
    case .rows(let rows): try build.encode(rows, into: file)
    }
    let rows = build.codes.unflushedRows.exchange(0, ordering: .relaxed)
    do throws(FileError) {
      try file.synchronize()
    } catch {
      options.logger.critical("the codes of the embeddings are not used any more", metadata: ["error": "\(error)"])
      build.codes.giveUp(error)
      return generation
    }
    build.codes.trustAll(at: sequence)
    build.codes.unnamedRows.add(rows, ordering: .relaxed)
    build.codes.flushedThrough.max(sequence, ordering: .releasing)
    return nil
  }

  /// Commits the number of the last batch whose codes were flushed, if that is worth a commit.
  private func nameFlushedCodes(atMost limit: Duration? = nil) async throws {
    guard let codes = generation.codes, codes.unnamedRows.load(ordering: .relaxed) >= Self.unflushedRowLimit / 2 else { return }
    try await coordinator?.write(runsAlone: true, atMost: limit) { $0.batch.adoptFlushedCodes() }
  }

  /// The same when the store is being closed, so that the next process need not read the log.
  func settleCodes() async throws {
    guard let coordinator, coordinator.poison == nil, let codes = generation.codes, codes.damage == nil,
      codes.unnamedRows.load(ordering: .relaxed) + codes.unflushedRows.load(ordering: .relaxed) >= Self.unflushedRowLimit / 2,
      case .rows = try live.read({ try codes.distrusted($0, $0.state()) })
    else {
      // Encoding all rows again may take long.
      return
    }
    let failed = try await onBlockingThread { try self.flushCodes {} }
    // Closing must not wait for the writers of other processes.
    guard try FileLock(path: paths.writerLock).tryLock(.exclusive) else { return }
    if let failed { return try await loseCodes(of: failed, atMost: .seconds(1)) }
    try await nameFlushedCodes(atMost: .seconds(1))
  }

  // MARK: Building

  /// Writes the codes of all live rows, then those of the rows that were committed meanwhile, and at last names them in a commit.
  func buildCodes() async throws {
    let encoded = try await background("the codes of the embeddings cannot be written") { core, check in try core.encodeRows(check) }
    guard let (generation, last) = encoded else { return }
    try await coordinator?.write(runsAlone: true) { transaction in try transaction.batch.nameCodes(of: generation, encodedThrough: last) }
    options.logger.debug("the embeddings have codes", metadata: ["generation": "\(generation.number)"])
  }

  /// - Returns: The generation, and the last batch whose rows have codes on the disk; nil if the generation is to have none.
  private func encodeRows(_ check: @escaping () throws -> Void) throws -> (Generation, UInt64)? {
    let generation = live.generation
    guard let build = CodeBuild(generation, check: check) else { return nil }
    // For the making of the file: two processes that encode the same rows write the same bytes.
    let maker = try FileLock(Directory(generation.place))
    guard try maker.tryLock(.exclusive) else { return nil }
    var seen = UInt64(0)
    while true {
      let found = try live.read { reader -> (UInt64, Int, [CodeBuild.LiveRun])? in
        let state = try reader.state()
        guard reader.generation === generation, state.codesThrough == 0, !state.hasLostCodes, state.rowsLive >= options.leastCodedRows
        else { return nil }
        _ = try reader.rows()
        var live: [CodeBuild.LiveRun] = []
        if seen > 0, try GenerationCodes.forEachRow(after: seen, reader, state, { live.append(.init(first: $0, live: 1)) }) {
          return (state.batchSequence, state.rowsHigh, live)
        }
        return (state.batchSequence, state.rowsHigh, try CodeBuild.liveRows(reader))
      }
      guard let (sequence, rowCount, live) = found else { return nil }
      let file = try build.openFile(live)
      try requireRoom(for: file, rowCount: rowCount)
      try build.encode(live, into: file)
      seen = sequence
      if live.reduce(0, { $0 + $1.live.nonzeroBitCount }) > Self.lastRows { continue }
      try file.synchronize()
      return (generation, seen)
    }
  }

  /// Makes room for the codes before the work begins. It can wait, so it leaves other programs as much as an automatic rebuild does.
  ///
  /// - Throws: ``StoreError`` `.diskFull`, `FileError`: no code was written.
  private func requireRoom(for file: CodeFile, rowCount: Int) throws {
    let (space, needed) = (try DiskSpace(of: paths.root), CodeFile.sizeBytes(file.header, rowCount: rowCount))
    guard try space.availableBytes + file.status.sizeBytes >= needed + space.reserveBytes else {
      throw StoreError(
        .diskFull,
        "the codes need \(needed >> 10) KiB, \(space.reserveBytes >> 10) KiB must stay free for other programs, "
          + "and \(space.availableBytes >> 10) KiB are free in \(live.directory): searches read all embeddings until there is room")
    }
    try file.reserve(rowCount: rowCount)
  }

  /// The most rows that are left for the transaction, for which other writers wait.
  private static var lastRows: Int { 512 }
}

extension WriteBatch {
  /// Makes the codes of a generation count, once those of the last batches are written as well.
  ///
  /// - Parameter last: The last batch whose rows have codes on the disk.
  fileprivate mutating func nameCodes(of other: Generation, encodedThrough last: UInt64) throws {
    guard generation === other, state.codesThrough == 0, !state.hasLostCodes, let build = CodeBuild(generation) else { return }
    var live: [CodeBuild.LiveRun] = []
    // If the log does not have all of them, the next round of the maintenance begins again.
    guard try GenerationCodes.forEachRow(after: last, reader, state, { live.append(.init(first: $0, live: 1)) }) else { return }
    // Not made here: it would have the mean of these few rows.
    guard let file = build.codes.file() else { return }
    try build.rows.cover(rowCount: state.rowsHigh)
    try build.encode(live, into: file)
    if !live.isEmpty { try file.synchronize() }
    state.codesThrough = state.batchSequence
  }
}
