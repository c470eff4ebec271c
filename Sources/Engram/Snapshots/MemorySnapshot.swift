import LMDB
import VectorSearch

/// Everything in the store at one instant: records, embeddings, and the time by which expiry is judged.
///
/// Snapshots and writers do not wait for each other. A held snapshot pins the pages of its instant and makes the file grow. It is released
/// after ``StoreOptions/snapshotMaxAge``, and if a commit fails half-way and the store must be opened again; further access then throws
/// `.snapshotExpired`. Used by one task at a time.
public struct MemorySnapshot: ~Copyable {
  private let live: LiveGeneration
  private let pool: SnapshotPool
  private let reader: PooledReader
  let generation: Generation

  init(_ live: LiveGeneration) throws {
    self.live = live
    let taken = try live.take()
    pool = taken.pooled.pool
    generation = taken.pooled.generation
    reader = taken.reader
  }

  deinit { pool.give(reader) }

  /// Ends the snapshot before this value is destroyed: its pages can be reused, and its reader slot is free. Further access throws
  /// `.snapshotExpired`.
  ///
  /// Ending it again does nothing. Must not be called from a closure that one of the snapshot's own methods runs.
  public func end() { reader.finish() }

  func read<Value>(_ body: (RecordReader) throws -> Value) throws -> Value {
    do {
      return try reader.read(body)
    } catch {
      throw live.surfacing(error, "reading failed")
    }
  }

  /// The number of the commit that the snapshot shows: one more with every commit of any process.
  public var batchSequence: UInt64 {
    get throws { try read { try $0.state().batchSequence } }
  }
}

@available(*, unavailable)
extension MemorySnapshot: Sendable {}
