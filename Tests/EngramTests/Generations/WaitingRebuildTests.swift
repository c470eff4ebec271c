import Files
import Foundation
import TestSupport
import Testing

@testable import Engram

/// A call that waits while another process rebuilds the store can be cancelled.
///
/// The bug: the call waited in `flock` without a deadline, so a cancelled compaction, backup or erasure, and the closing of the store with
/// it, waited until the other process released the lock. The fix: the lock is tried again and again.
@Suite(.serialized) struct WaitingRebuildTests {
  private let place = TestStore()

  /// Starts a process that holds the lock, as one that rebuilds does.
  private func holder() async throws -> ChildProcess {
    let child = try ChildProcess(
      executable: try TestProcess.executable("TestChild"), ["hold-lock", StorePaths(path: place.path).rebuildLock.path])
    #expect(try await child.readLine() == "locked")
    return child
  }

  private func filled() async throws -> MemoryStore {
    let store = try await place.open()
    try await store.add((0..<20).map { TestStore.draft("u\($0 % 2)", $0) })
    return store
  }

  /// Cancels `body`, which cannot go on, while it waits.
  private func expectCancelled(_ body: @escaping @Sendable () async throws -> Void) async throws {
    let task = Task { try await body() }
    // Usually long enough for `body` to wait; if it does not wait yet, it must notice the cancellation all the same.
    try await Task.sleep(for: .milliseconds(100))
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test(.timeLimit(.minutes(5))) func aWaitingCompactionIsCancelled() async throws {
    let store = try await filled()
    let holder = try await holder()
    try await expectCancelled { try await store.compact() }
    #expect(try store.status.generation == 1)
    try await holder.finish()
    #expect(try await store.compact().generation == 2)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aWaitingBackupIsCancelled() async throws {
    let store = try await filled()
    let holder = try await holder()
    let copy = URL(fileURLWithPath: place.directory.path("copy"))
    try await expectCancelled { try await store.backup(to: copy) }
    #expect(try Directories.entries(place.directory.path) == ["store"])
    try await holder.finish()
    #expect(try await store.backup(to: copy).memories == 20)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aWaitingErasureIsCancelledAndGoesOnLater() async throws {
    let store = try await filled()
    let holder = try await holder()
    let forgetting = Task { try await store.forget(userID: "u1") }
    try await waitUntil { try store.count(scope: .user("u1")) == 0 }
    forgetting.cancel()
    await #expect(throws: CancellationError.self) { try await forgetting.value }
    #expect(try store.status.generation == 1 && store.count() == 10)
    try await holder.finish()
    let receipt = try await store.forget(userID: "u1")
    #expect(receipt.isComplete && receipt.generation >= 2)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func closingEndsTheWaiting() async throws {
    let store = try await filled()
    let holder = try await holder()
    let compacting = Task { try await store.compact() }
    try await Task.sleep(for: .milliseconds(100))
    try await store.close()
    await expectCode(.closed) { _ = try await compacting.value }
    try await holder.finish()
  }

  /// A call that is not cancelled gets the lock when the other process releases it.
  @Test(.timeLimit(.minutes(5))) func theWaitingEndsWithTheOthersRebuild() async throws {
    let store = try await filled()
    let holder = try await holder()
    let compacting = Task { try await store.compact().generation }
    try await Task.sleep(for: .milliseconds(100))
    try await holder.finish()
    #expect(try await compacting.value == 2)
    try await store.close()
  }
}
