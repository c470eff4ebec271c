import Foundation
import LMDB
import Synchronization

extension MemoryStore {
  /// Counts, queue, last commit, snapshots and readers.
  ///
  /// Does not wait for a store that is being opened again.
  ///
  /// - Throws: ``StoreError`` `.corrupted`, `.tooManyReaders`, `.closed`.
  public var status: StoreStatus {
    get throws {
      try requireOpen()
      let (outage, generation, state, memories) = try counts()
      let table = try core.readerTable().slots.map { StoreStatus.Reader(processID: $0.processID, transactionID: $0.transactionID) }
      let depth = core.coordinator?.queue.depth ?? (queued: 0, suspended: 0)
      let progress = core.coordinator?.progress.withLock { $0 }
      return StoreStatus(
        memories: memories, contexts: state.contexts, users: state.users, dimension: generation.store.dimension,
        metric: generation.store.metric,
        embedder: generation.embedder, generation: generation.number, batchSequence: state.batchSequence,
        lastCommit: state.batchSequence == 0 ? nil : Date(milliseconds: state.lastCommit),
        clockJump: state.clockJump(at: core.options.clock.now).map { .milliseconds($0) }, durability: core.options.durability,
        rowsLive: state.rowsLive, rowsAllocated: state.rowsHigh, rowsDead: state.rowsDead,
        queueDepth: depth.queued, suspendedWriters: depth.suspended,
        isCommitting: progress?.isCommitting ?? false, isWaitingForWriter: progress?.isWaitingForLock ?? false,
        batches: progress?.batches ?? 0, writes: progress?.operations ?? 0, isReopening: outage.map { $0.failure == nil } ?? false,
        poison: progress?.poison, isMoved: (try? core.live.move()) != nil,
        snapshots: core.live.held().map { .init(age: $0.age, transactionID: $0.transactionID) }, readers: table)
    }
  }
}

extension MemoryStore {
  /// The last commit's counts, or those that are known while the store is being opened again.
  private func counts() throws -> (outage: LiveGeneration.Outage?, Generation, StateRecord, memories: Int) {
    while true {
      if let outage = core.live.outage { return (outage, core.generation, outage.lastState, outage.lastState.memories) }
      do {
        return try core.live.read(waits: false) { (nil, $0.generation, try $0.state(), try $0.count(.all)) }
      } catch is EnvironmentLost {
        // An outage has begun since, and may be over.
      }
    }
  }
}

extension StoreCore {
  /// The readers of the live generation.
  func readerTable() throws -> ReaderTable {
    while true {
      let generation = generation
      do {
        return try generation.environment.readerTable()
      } catch {
        // The process left this generation and closed it between the two lines.
        if error.isClosed, self.generation !== generation { continue }
        if error.isClosed, live.outage != nil { return ReaderTable(text: "") }
        throw live.surfacing(error, "the reader table cannot be read")
      }
    }
  }
}
