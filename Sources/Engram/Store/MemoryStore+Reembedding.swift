import Dispatch
import Files
import Foundation
import Synchronization
import VectorSearch

/// What ``MemoryStore/reembed(with:progress:)`` did.
public struct ReembeddingReport: Sendable, Codable {
  /// The embedder that the store is pinned to now.
  public let embedder: EmbedderIdentity
  /// Number of the generation that is the live one now.
  public let generation: UInt64
  /// False if the store was pinned to the embedder already: nothing was done.
  public let isChanged: Bool
  public let memories: Int
  /// Vectors that the embedder made during this call, including those of memories that changed meanwhile.
  public let embedded: Int
  /// Vectors that were made during an earlier call that was interrupted.
  public let reused: Int
  /// How long writers had to wait for the last round.
  public let writerPause: Duration
  public let duration: Duration
  /// Processes that still have the old generation open, see ``CompactionReport/holders``.
  public let holders: [Int32]
}

extension MemoryStore {
  /// Moves the store to another embedder: embeds every memory with it and builds the next generation with the vectors, while reads and
  /// writes go on.
  ///
  /// The dimension may change; the metric stays. Every memory gets a vector of the embedder, also a memory whose vector a caller has given,
  /// and one that had none. The vectors are kept in the store's directory until all are made: if a call is interrupted, even by a kill, the
  /// next call with the same embedder continues its work. Memories that are added or changed meanwhile are embedded before the switch;
  /// writers wait for the last round only.
  ///
  /// From the switch on the store is pinned to the embedder, and this handle uses it. Other handles, in this and other processes, that were
  /// opened with the former embedder throw `.embedderMismatch` at their next search by text, and at the next call that embeds a text: open
  /// them again. Snapshots that are held show the old vectors.
  ///
  /// - Parameter progress: Called now and then: embedding, then copying. See ``OperationProgress``.
  /// - Throws: ``StoreError`` `.storeBusy` if a move to another embedder is under way, `.invalidArgument` for a dimension out of bounds,
  ///   those of a vector that cannot be stored, and those of ``compact(progress:)``; what the embedder throws; `CancellationError`: the
  ///   store is as it was, and the vectors made so far are kept for the next call. After `.poisoned` and `.inDoubt`, only the next opening
  ///   shows whether the store moved.
  /// - Complexity: O(size of the store) beside the embedder's time. Keeps about 64 bytes for each memory in main memory. Needs disk space
  ///   for the vectors twice and for a second copy of the rest.
  @discardableResult
  public func reembed(
    with embedder: any Embedder, progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> ReembeddingReport {
    _ = try writer()
    let identity = embedder.identity
    guard Limits.dimension.contains(identity.dimension) else {
      throw StoreError(
        .invalidArgument,
        "the embedder '\(identity)' has \(identity.dimension) dimensions, they must lie in 1…\(Limits.dimension.upperBound)")
    }
    let report = try await core.background("the store cannot be embedded anew") { core, check in
      try core.reembed(identity, check: check, progress) { texts in
        try waiting(check) { try await embedder.embedChecked(texts) }
      }
    }
    self.embedder.withLock { $0 = embedder }
    return report
  }
}

extension StoreCore {
  /// - Parameter embed: Returns a vector for each text.
  fileprivate func reembed(
    _ embedder: EmbedderIdentity, check: @escaping @Sendable () throws -> Void,
    _ progress: @escaping @Sendable (OperationProgress) -> Void, embed: @escaping ([String]) throws -> [Embedding]
  ) throws -> ReembeddingReport {
    let started = ContinuousClock.now
    try live.requireInPlace()
    let paths = try paths
    let (basis, memories) = try live.read { (try $0.embeddingBasis(), try $0.state().memories) }
    if basis == EmbeddingBasis(embedder: embedder, template: .speakerAndCaption) {
      return ReembeddingReport(
        embedder: embedder, generation: generation.number, isChanged: false, memories: memories, embedded: 0, reused: 0, writerPause: .zero,
        duration: .now - started, holders: [])
    }
    let space = RebuildSpace(directory: paths.root, isAutomatic: false, remedy: "embed the store anew")
    let vectors = try ReembeddedVectors(
      embedder, live: live, paths: paths, space: space, embed: embed, check: check, progress: progress)
    try vectors.embedAll()
    guard let outcome = try rebuild(vectors: vectors, check: check, progress) else { preconditionFailure("it is always wanted") }
    return ReembeddingReport(
      embedder: embedder, generation: outcome.new, isChanged: true, memories: outcome.state.memories, embedded: vectors.embedded,
      reused: vectors.reused, writerPause: outcome.writerPause, duration: .now - started, holders: holders(of: outcome.old))
  }

  /// Removes the vectors of deleted memories from the vectors that an unfinished move to another embedder has stored. Blocks while the
  /// store's files are rebuilt.
  func scrubEmbeddingWork(_ check: () throws -> Void) throws {
    let paths = try paths
    guard try Directories.status(paths.embeddingWork) != nil else { return }
    let building = try FileLock(path: paths.rebuildLock)
    try building.lock(.exclusive, atMost: StoreRebuild.patience, check: check)
    try live.read { try EmbeddingWork.scrub(paths, RecordReader($0.view, $0.generation, now: .min)) }
  }
}

/// Runs an asynchronous call and blocks the current thread until it ends. The thread must not belong to the cooperative pool.
///
/// - Parameter check: Called every 50 ms. If it throws, the call is cancelled, and this function throws without waiting for it.
private func waiting<Value: Sendable>(
  _ check: () throws -> Void, _ body: @escaping @Sendable () async throws -> Value
) throws -> Value {
  let (outcome, isOver) = (ResultBox<Value>(), DispatchSemaphore(value: 0))
  let task = Task {
    do {
      outcome.value = .success(try await body())
    } catch {
      outcome.value = .failure(error)
    }
    isOver.signal()
  }
  while isOver.wait(timeout: .now() + .milliseconds(50)) == .timedOut {
    do {
      try check()
    } catch {
      task.cancel()
      throw error
    }
  }
  guard let result = outcome.value else { preconditionFailure("a call that is over has an outcome") }
  return try result.get()
}

private final class ResultBox<Value: Sendable>: Sendable {
  private let storage = Mutex<Result<Value, any Error>?>(nil)

  var value: Result<Value, any Error>? {
    get { storage.withLock { $0 } }
    set { storage.withLock { $0 = newValue } }
  }
}
