import Files
import Formats
import Foundation
import LMDB
import Logging
import Synchronization

/// Builds the next generation and makes it the live one, for compaction, erasure and the move to another embedder.
///
/// Readers are not disturbed, and writers wait during the last round only. If more is committed during each of two attempts than the log
/// keeps, writers wait during the whole third attempt, unless the rebuild is automatic. A crash before the commit that names the new
/// generation leaves a directory that the next opener removes; a crash after it leaves a store that opens with the new generation. Blocks:
/// runs on a thread of its own.
struct StoreRebuild {
  let live: LiveGeneration
  /// Nil in a store that was opened read-only: the successor cannot be named then.
  let coordinator: WriteCoordinator?
  let paths: StorePaths
  /// Called once `rebuild.lock` is held: another process may have done the rebuild meanwhile.
  var isWanted: (StateRecord) -> Bool = { _ in true }
  let space: RebuildSpace
  /// Vectors of another embedder for the next generation; nil: the present vectors are copied.
  var vectors: ReembeddedVectors?
  /// Called now and then; an error that it throws ends the rebuild, and nothing has changed.
  let check: () throws -> Void
  let progress: (OperationProgress) -> Void
  /// Called when the new generation is the live one.
  let onSwitch: () -> Void

  /// What a rebuild did.
  struct Outcome: Sendable {
    let old: UInt64
    let new: UInt64
    /// Disk blocks in use by each generation's files.
    let bytesBefore: Int
    let bytesAfter: Int
    /// The commit that the copy began with: data that was hidden by then never reached the copy.
    let firstSequence: UInt64
    let rowsBefore: Int
    let rowsAfter: Int
    let state: StateRecord
    let writerPause: Duration
  }

  /// Builds the next generation and makes it the live one, after a rebuild of another process has ended.
  ///
  /// - Throws: ``StoreError`` `.corrupted` if a record does not match its checksum or the counts; `.diskFull`; `.closed`. The store is
  ///   as it was, unless the code is `.inDoubt` or `.poisoned`, or a committed `.storeMoved`.
  /// - Returns: Nil if the rebuild was not wanted any more.
  func run() throws -> Outcome? {
    try live.requireInPlace(live.generation)
    let building = try FileLock(path: paths.rebuildLock)
    try building.lock(.exclusive, atMost: Self.patience, check: check)
    guard isWanted(try live.read { try $0.state() }) else { return nil }
    var attempt = 0
    while true {
      attempt += 1
      do {
        let outcome = try build(excludingWriters: attempt > 2 && !space.isAutomatic)
        vectors?.removeWork()
        return outcome
      } catch is CopyOutdated {
        // An automatic rebuild is tried again when there are fewer writes, instead of making writers wait.
        if attempt > 2, space.isAutomatic {
          throw StoreError(
            .storeBusy, "more was committed during each of \(attempt) attempts to compact than the log keeps")
        }
        live.options.logger.debug(
          "more was committed during a rebuild than the log keeps, a commit failed half-way, or a writer was killed: it starts again")
        try check()
        // Makes most vectors for what was committed meanwhile, before writers may have to wait.
        try vectors?.embedAll(holdsRebuildLock: true)
      }
    }
  }

  private func build(excludingWriters: Bool) throws -> Outcome {
    if let poison = coordinator?.poison { throw poison }
    let writerLock = try FileLock(path: paths.writerLock)
    if excludingWriters { try takeTurn(writerLock) }
    // Read with `rebuild.lock` held: no other process can supersede it now. With the writers excluded, it is not opened again either.
    let source = try live.read { $0.generation }
    try live.requireInPlace(source)
    var started = ContinuousClock.now
    let (rowsBefore, need) = try live.read { (try $0.state().rowsHigh, try RebuildSpace.need($0, embeddedFor: vectors?.target)) }
    try space.require(need)
    let target = try makeTarget(after: source)
    var isNamed = false
    do {
      var copy = GenerationCopy(from: source, to: target, vectors: vectors) { [check, progress, space] step in
        progress(step)
        try check()
        try space.requireReserve()
      }
      try copy.copyAll()
      try copy.encodeRows(ifAtLeast: live.options.leastCodedRows) { [check, space] in
        try check()
        try space.requireReserve()
      }
      try target.trim()
      // Data that was hidden before the copy began leaves all files with this rebuild, also the file of vectors.
      if vectors == nil {
        try live.read { try EmbeddingWork.scrub(paths, RecordReader($0.view, $0.generation, now: .min)) }
      }
      try catchUp(&copy)
      if !excludingWriters {
        started = try takeLastTurn(writerLock, &copy)
      }
      // The note only lets other processes name this one.
      try? writerLock.writeNote("\(MachineIdentity.processID)")
      let state = try copy.finish()
      try nameSuccessor(of: source, at: state, target, &isNamed)
      let pause = ContinuousClock.now - started
      try writerLock.unlock()
      let rowsAfter = try live.read { try $0.state().rowsHigh }
      return Outcome(
        old: source.number, new: target.number, bytesBefore: Self.allocatedBytes(paths.generation(source.number)),
        bytesAfter: Self.allocatedBytes(paths.generation(target.number)), firstSequence: copy.firstSequence, rowsBefore: rowsBefore,
        rowsAfter: rowsAfter,
        state: state, writerPause: pause)
    } catch {
      if !isNamed { discard(target) }
      throw StoreError.wrapping(error, "the store's next generation cannot be built")
    }
  }

  /// The longest wait for a rebuild or a backup of another process. Either may take minutes.
  static var patience: Duration { .seconds(600) }

  /// Takes the lock of the writers. They take it again and again, so it is tried at short intervals, to get it between two of them.
  private func takeTurn(_ writerLock: borrowing FileLock) throws {
    try writerLock.lock(.exclusive, atMost: .seconds(60), longestPause: 500, check: check)
  }

  /// Takes the lock of the writers when the copy is so close behind them that the last round is short.
  ///
  /// Much may be committed while this waits for the lock, so the distance is measured once the lock is held. If it is too long, the lock is
  /// released, the copy catches up, and it is tried again.
  ///
  /// - Returns: Since when the lock is held.
  /// - Throws: ``StoreError`` `.storeBusy` if the copy never gets close enough and the rebuild is automatic.
  private func takeLastTurn(_ writerLock: borrowing FileLock, _ copy: inout GenerationCopy) throws -> ContinuousClock.Instant {
    for _ in 0..<Self.turns {
      try takeTurn(writerLock)
      let started = ContinuousClock.now
      let limit = vectors == nil ? Self.longestRoundEntries : ReembeddedVectors.fewTexts
      if try copy.entriesBehind(atMost: limit) != nil, try needsNoEmbedder(&copy) { return started }
      try writerLock.unlock()
      live.options.logger.debug("a rebuild gives the lock of the writers back: its last round would be too long")
      try catchUp(&copy)
    }
    if space.isAutomatic {
      throw StoreError(
        .storeBusy,
        "more than \(Self.longestRoundEntries) changes were committed before each of \(Self.turns) attempts to end a compaction: it is tried again later"
      )
    }
    try takeTurn(writerLock)
    return .now
  }

  /// Whether the last round has nothing to embed: writers do not wait for an embedder, unless they are faster than it in each turn.
  private func needsNoEmbedder(_ copy: inout GenerationCopy) throws -> Bool {
    guard let vectors else { return true }
    try copy.catchUp()
    return vectors.lacking.isEmpty
  }

  /// Replays the log in rounds. Each is shorter than the one before, unless writers are as fast as the copy.
  private func catchUp(_ copy: inout GenerationCopy) throws {
    for _ in 0..<16 {
      let replayed = try copy.catchUp()
      try copy.embedLacking()
      if replayed <= (vectors == nil ? Self.lastRoundEntries : ReembeddedVectors.fewTexts) { return }
    }
  }

  /// With at most so many entries of the log to replay, another round beside the writers is not worth it.
  static var lastRoundEntries: Int { 256 }
  /// Entries of the log that the last round may replay while writers wait: as many as the largest batch of writes has, for which they wait
  /// as well.
  static var longestRoundEntries: Int { 4096 }
  /// How often the lock of the writers is taken and given back because the last round would be longer.
  static var turns: Int { 8 }

  static func allocatedBytes(_ directory: FilePlace) -> Int {
    let names = (try? Directories.entries(directory)) ?? []
    return names.reduce(0) { $0 + ((try? Directories.status(directory.appending($1)))??.allocatedBytes ?? 0) }
  }

  // MARK: The new generation

  private func makeTarget(after source: Generation) throws -> Generation {
    // After a directory that an unfinished rebuild may have left, which the sweep will remove.
    let number = max(source.number, try GenerationSweep.numbers(paths).max() ?? 0) + 1
    guard number <= StorePaths.lastGeneration else {
      throw StoreError(
        .unexpectedFile,
        "no generation can follow \(paths.generation(StorePaths.lastGeneration)), which has the largest number: remove it if it is not the store's own"
      )
    }
    let opening = try live.openLock()
    let store = (vectors?.target ?? source.store).inGeneration(number)
    let made = try StoreCreation.createGeneration(in: paths.generation(number), store)
    do {
      try paths.root.synchronize()
      try opening.lock(.exclusive)
      return try StoreOpening.openGeneration(paths, number: number, options: live.options).0
    } catch {
      try? Directories.removeTreeWithOthers(made, named: paths.generation(number))
      throw error
    }
  }

  private func discard(_ target: Generation) {
    do {
      let opening = try live.openLock()
      try opening.lock(.exclusive)
      _ = target.close()
      // If the content of the store's directory was exchanged, the name may be that of another store's generation.
      guard try Directories.status(paths.generation(target.number))?.id == target.files.directory else { return }
      try GenerationSweep.setAside(target.number, paths) { try live.requireInPlace(live.generation) }
      try opening.unlock()
      try GenerationSweep.removeSetAside(paths)
    } catch {
      // The next sweep will remove it.
      live.options.logger.warning("an unfinished generation cannot be removed", metadata: ["error": "\(error)"])
    }
  }

  // MARK: The switch

  /// Commits the last transaction of the old generation, which names its successor, then writes `current`. The caller holds `writer.lock`.
  ///
  /// - Parameters:
  ///   - copied: The source's state that the target shows.
  ///   - isNamed: Set to true once the new generation may be the live one; it must not be removed then, even if this throws.
  /// - Throws: ``CopyOutdated`` if there is a later commit, of a writer that was killed before readers could see it; ``StoreError``,
  ///   `LMDBError`.
  private func nameSuccessor(
    of source: Generation, at copied: StateRecord, _ target: Generation, _ isNamed: inout Bool
  ) throws {
    let isDeferred = if case .eventual = live.options.durability { true } else { false }
    if isDeferred { try target.environment.synchronize() }
    guard let coordinator else { throw StoreError(.readOnly, "the store was opened read-only") }
    if let poison = coordinator.poison { throw poison }
    let pooled = live.current
    try live.requireInPlace(source)
    let hasRoom = source.growDataFile(by: 0)
    var transaction = try EnvironmentTransaction(source.environment)
    let lastState = try RecordReader(transaction.view, source, now: .min).state()
    guard lastState.supersededBy == 0, lastState.batchSequence == copied.batchSequence else { throw CopyOutdated() }
    var state = lastState
    state.supersededBy = target.number
    var writer = CBORWriter()
    state.encode(into: &writer)
    try transaction.put(MetaKey.state.encoded, writer.bytes, in: source.schema[Tables.Meta.self])
    live.prepare(target)
    do throws(LMDBError) {
      try transaction.commit()
    } catch {
      let outcome = coordinator.outcome(of: error, in: pooled, hasRoom: hasRoom, lastState: lastState) { found in
        found.batchSequence != lastState.batchSequence ? nil : found.supersededBy == target.number
      }
      switch outcome {
      case .happened: break
      case .didNotHappen(let failure):
        live.withdraw()
        throw failure
      case .unknown(let failure):
        isNamed = true
        throw failure
      }
    }
    isNamed = true
    if isDeferred {
      do throws(LMDBError) {
        // Not `source`, which may have been opened again.
        try live.generation.environment.synchronize()
      } catch {
        throw coordinator.poisoned(by: error)
      }
    }
    let moved = live.moveAfterCommit(to: target)
    do {
      // Not if the store was moved: the file may be another store's by now.
      if moved == nil { try StoreOpening.setCurrent(target.number, paths) { try live.requireInPlace(target) } }
    } catch {
      // Openers follow the commit; the process that removes the old generation writes the name first.
      live.options.logger.warning("the file 'current' cannot be written yet", metadata: ["error": "\(error)"])
    }
    live.adoptPrepared()
    onSwitch()
    if let moved {
      coordinator.makeReadOnly(moved.error(committed: false))
      throw moved.error(committed: true)
    }
  }
}
