public import Foundation

/// What a store is doing right now, as this process sees it.
public struct StoreStatus: Sendable, Codable {
  public let memories: Int
  public let contexts: Int
  public let users: Int
  public let dimension: Int?
  public let metric: Metric
  public let embedder: EmbedderIdentity?
  public let generation: UInt64
  /// Commits so far, of all processes.
  public let batchSequence: UInt64
  /// Nil before the first commit.
  public let lastCommit: Date?
  /// How far the wall clock has moved since the last commit relative to the machine's boot clock, which cannot be set; nil if that is at most
  /// an hour, or if the machine has been restarted since. The wall clock was wrong then or is wrong now: memories may seem to have expired.
  public let clockJump: Duration?
  public let durability: StoreOptions.Durability
  /// Rows that are searched, and those that the row file holds in all.
  public let rowsLive: Int
  public let rowsAllocated: Int
  /// Rows of embeddings that were deleted or replaced, which the next compaction leaves out. The other rows that are not searched are
  /// reserved for new embeddings.
  public let rowsDead: Int
  /// Writes of this process that wait, at most ``StoreOptions/queueLimit``.
  public let queueDepth: Int
  /// Callers of `write` that are suspended because the queue is full.
  public let suspendedWriters: Int
  public let isCommitting: Bool
  /// Whether this process waits for another one's write.
  public let isWaitingForWriter: Bool
  /// Batches that this process committed, and the writes in them.
  public let batches: Int
  public let writes: Int
  /// Whether reads wait because a commit failed half-way and the store is being opened again. The counts are then those of the commit
  /// before, memories that have expired included, and ``readers`` is empty.
  public let isReopening: Bool
  /// The error after which this process writes no more; nil while it may write. If it cannot read either, the counts are those of the last
  /// commit.
  public let poison: StoreError?
  /// Whether the store was moved, replaced or removed while this process has it open. The process then goes on reading the files that it
  /// has open, and writes no more. Close the store, and open the one to use.
  public let isMoved: Bool
  /// Snapshots that this process holds, the oldest first.
  public let snapshots: [HeldSnapshot]
  /// The slots of LMDB's reader table, of all processes.
  public let readers: [Reader]

  public struct HeldSnapshot: Sendable, Hashable, Codable {
    public let age: Duration
    /// LMDB's number of the snapshot.
    public let transactionID: Int
  }

  public struct Reader: Sendable, Hashable, Codable {
    public let processID: Int32
    /// Nil for a slot that pins nothing.
    public let transactionID: Int?
  }
}
