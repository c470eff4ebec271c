import Files
import LMDB
import Logging

/// Bounds of one call of an embedder for memories that are stored.
enum EmbeddingBatch {
  static let memories = 256
  static let textBytes = 1 << 20
}

/// The vectors of another embedder for all memories of a store: made ahead of the rebuild that moves the store to it, and kept in
/// ``EmbeddingWork``. Architecture.md ("Another embedder") has the steps. Used by one thread.
final class ReembeddedVectors {
  /// The store's record with the other embedder.
  let target: StoreRecord
  private let live: LiveGeneration
  private let paths: StorePaths
  private let work: EmbeddingWork
  private let space: RebuildSpace
  private let embed: ([String]) throws -> [Embedding]
  private let check: () throws -> Void
  private let progress: (OperationProgress) -> Void
  /// Memories that the copy has without a vector, because they were added or changed after the vectors were made.
  var lacking: Set<MemoryID> = []
  /// The number of vectors that this object has made, and of those that existed before.
  private(set) var embedded = 0
  let reused: Int

  /// The most changes for whose vectors writers may have to wait.
  static let fewTexts = 64
  /// Memories that are looked at in one snapshot.
  private static let walkedAtOnce = 10_000
  /// The most walks over all memories: writers may be as fast as the embedder.
  private static let rounds = 16

  /// - Parameters:
  ///   - embed: Returns a vector for each text.
  ///   - check: Called now and then; an error that it throws ends the work, and the vectors made so far stay in the file.
  /// - Throws: As ``EmbeddingWork/init(_:_:check:)``.
  init(
    _ embedder: EmbedderIdentity, live: LiveGeneration, paths: StorePaths, space: RebuildSpace,
    embed: @escaping ([String]) throws -> [Embedding], check: @escaping () throws -> Void, progress: @escaping (OperationProgress) -> Void
  ) throws {
    self.live = live
    self.paths = paths
    self.space = space
    self.embed = embed
    self.check = check
    self.progress = progress
    target = live.generation.store.embedded(by: embedder)
    work = try EmbeddingWork(paths, target, check: check)
    reused = work.count
  }

  // MARK: Ahead of the copy

  /// Makes the vectors of all memories that have none in the file, until a walk over all memories finds few.
  ///
  /// - Parameter holdsRebuildLock: Whether the caller holds `rebuild.lock`.
  /// - Throws: ``StoreError`` `.diskFull`; what the embedder throws. The vectors made so far stay in the file.
  func embedAll(holdsRebuildLock: Bool = false) throws {
    try requireRoom()
    for round in 0..<Self.rounds { if try embedRound(isFirst: round == 0, holdsRebuildLock) <= Self.fewTexts { return } }
  }

  /// Requires disk space for the file of vectors and for the next generation, which exist at the same time.
  private func requireRoom() throws {
    var (need, memories) = try live.read { (try RebuildSpace.need($0, embeddedFor: target), try $0.state().memories) }
    need.rowBytes += max(0, memories - work.count) * work.entryBytes
    try space.require(need)
  }

  /// - Returns: How many vectors it made.
  private func embedRound(isFirst: Bool, _ holdsRebuildLock: Bool) throws -> Int {
    var (cursor, made, seen) = (MemoryID?.none, 0, 0)
    while true {
      try check()
      try live.requireInPlace()
      let batch = try live.read { try nextBatch(after: cursor, RecordReader($0.view, $0.generation, now: .min)) }
      if !batch.texts.isEmpty {
        try space.requireReserve()
        let entries = try entries(batch.texts)
        try put(entries, holdsRebuildLock)
        made += entries.count
      }
      seen += batch.seen
      if isFirst {
        progress(OperationProgress(phase: .embedding, done: min(seen, batch.total), total: batch.total, count: embedded))
      }
      guard let last = batch.last else { return made }
      cursor = last
    }
  }

  private struct Batch {
    var texts: [(id: MemoryID, text: String, hash: UserKey)] = []
    var seen = 0
    /// Memories of the store.
    var total = 0
    /// The last memory that was looked at; nil at the end.
    var last: MemoryID?
  }

  private func nextBatch(after cursor: MemoryID?, _ reader: RecordReader) throws -> Batch {
    var batch = Batch()
    var bytes = 0
    batch.total = try reader.state().memories
    try reader.forEachMemory(after: cursor) { record in
      batch.seen += 1
      let text = target.template.text(of: record.memory)
      let hash = EmbeddingWork.hash(text, reader)
      if !work.contains(record.memory.id, hash) {
        batch.texts.append((record.memory.id, text, hash))
        bytes += text.utf8.count
      }
      let goesOn = batch.texts.count < EmbeddingBatch.memories && bytes < EmbeddingBatch.textBytes && batch.seen < Self.walkedAtOnce
      batch.last = goesOn ? nil : record.memory.id
      return goesOn
    }
    return batch
  }

  private func entries(_ texts: [(id: MemoryID, text: String, hash: UserKey)]) throws -> [EmbeddingWork.Entry] {
    let vectors = try embed(texts.map(\.text))
    embedded += vectors.count
    return try zip(texts, vectors).map { text, vector in
      do throws(StoreError) {
        return EmbeddingWork.Entry(id: text.id, hash: text.hash, components: try PreparedDraft.components(vector, store: target))
      } catch {
        throw StoreError(
          error.code, "the embedder made a vector of memory \(text.id) that cannot be stored: \(error.message)", cause: error)
      }
    }
  }

  /// Stores the vectors of memories that still have the same texts. Holds `rebuild.lock` shared, so that no vector is added after an
  /// erasure has scrubbed the file.
  private func put(_ entries: [EmbeddingWork.Entry], _ holdsRebuildLock: Bool) throws {
    let building = try FileLock(path: paths.rebuildLock)
    if !holdsRebuildLock { try building.lock(.shared, atMost: StoreRebuild.patience, check: check) }
    let kept = try live.read { reader in
      try entries.filter { entry in
        guard let memory = try reader.memoryRecord(entry.id)?.memory else { return false }
        return EmbeddingWork.hash(target.template.text(of: memory), reader) == entry.hash
      }
    }
    try work.put(kept)
  }

  // MARK: For the copy

  /// The vector of a memory that is copied; nil, and the memory is added to ``lacking``, if there is none.
  func components(of memory: Memory, _ reader: RecordReader) throws -> [Float]? {
    let components = try work.components(memory.id, EmbeddingWork.hash(target.template.text(of: memory), reader))
    if components == nil { lacking.insert(memory.id) }
    return components
  }

  /// Makes the vectors of memories of the copy. The caller holds `rebuild.lock`.
  ///
  /// - Returns: An entry for each memory that still exists.
  func embed(_ ids: some Sequence<MemoryID>, in copy: Generation) throws -> [EmbeddingWork.Entry] {
    let snapshot = try EnvironmentSnapshot(copy.environment)
    let reader = RecordReader(snapshot.view, copy, now: .min)
    let texts = try ids.compactMap { id -> (id: MemoryID, text: String, hash: UserKey)? in
      guard let memory = try reader.memoryRecord(id)?.memory else { return nil }
      let text = target.template.text(of: memory)
      return (id, text, EmbeddingWork.hash(text, reader))
    }
    if texts.isEmpty { return [] }
    let entries = try entries(texts)
    try work.put(entries)
    return entries
  }

  /// Removes the file of vectors once the next generation has them. If that fails, the next opening for writing removes it.
  func removeWork() {
    do {
      try work.remove()
    } catch {
      live.options.logger.warning("the vectors of a finished move to another embedder cannot be removed", metadata: ["error": "\(error)"])
    }
  }
}
