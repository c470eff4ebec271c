import Foundation
import LMDB
import Synchronization

extension MemoryStore {
  /// Counts, queue, last commit, snapshots and readers.
  ///
  /// - Throws: ``StoreError`` `.corrupted`, `.tooManyReaders`, `.closed`.
  public var status: StoreStatus {
    get throws {
      let generation = core.generation
      let (state, users, memories) = try readOnce { reader in (try reader.state(), try reader.state().users, try reader.count(.all)) }
      let table: [StoreStatus.Reader]
      do {
        table = try generation.environment.readerTable().slots.map { .init(processID: $0.processID, transactionID: $0.transactionID) }
      } catch {
        throw StoreError.wrapping(error, "the reader table cannot be read")
      }
      let depth = core.coordinator?.queue.depth ?? (queued: 0, suspended: 0)
      let progress = core.coordinator?.progress.withLock { $0 }
      return StoreStatus(
        memories: memories, contexts: state.contexts, users: users, dimension: generation.store.dimension, metric: generation.store.metric,
        embedder: generation.store.embedder, generation: generation.store.generation, batchSequence: state.batchSequence,
        lastCommit: state.batchSequence == 0 ? nil : Date(milliseconds: state.lastCommit), durability: core.options.durability,
        rowsLive: state.rowsLive, rowsAllocated: state.rowsHigh, queueDepth: depth.queued, suspendedWriters: depth.suspended,
        isCommitting: progress?.isCommitting ?? false, isWaitingForWriter: progress?.isWaitingForLock ?? false,
        batches: progress?.batches ?? 0, writes: progress?.operations ?? 0, poison: progress?.poison,
        snapshots: core.pool.held().map { .init(age: $0.age, transactionID: $0.transactionID) }, readers: table)
    }
  }
}
