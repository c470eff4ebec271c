import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Engram

/// The result of adding each draft, and what happens if the embedder fails.
@Suite(.serialized) struct AddedTests {
  private let scratch = ScratchStore()

  /// Fails in the way that the test chose.
  private final class BrokenEmbedder: Embedder {
    enum Fault: CaseIterable, Sendable { case throwing, tooFew, oneWithoutDirection, otherDimension }
    struct Failure: Error {}

    let identity = EmbedderIdentity(name: "broken", dimension: 2, version: "1")
    let fault: Mutex<Fault?>

    init(_ fault: Fault?) { self.fault = Mutex(fault) }

    func embed(_ texts: [String]) async throws -> [Embedding] {
      switch fault.withLock({ $0 }) {
      case nil: texts.map { _ in [1, 0] }
      case .throwing: throw Failure()
      case .tooFew: texts.dropFirst().map { _ in [1, 0] }
      case .oneWithoutDirection: texts.indices.map { $0 == 0 ? [0, 0] : [1, 0] }
      case .otherDimension: texts.map { _ in [1, 0, 0] }
      }
    }
  }

  /// Waits until its task is cancelled, and then throws an error of its own.
  private struct CancelledEmbedder: Embedder {
    let identity = EmbedderIdentity(name: "waiting", dimension: 2, version: "1")
    let begun: AsyncStream<Void>.Continuation

    func embed(_ texts: [String]) async throws -> [Embedding] {
      begun.finish()
      try? await Task.sleep(for: .seconds(300))
      throw BrokenEmbedder.Failure()
    }
  }

  @Test func eachDraftHasItsOutcome() async throws {
    let store = try await scratch.open(dimension: 2)
    let past = Date(timeIntervalSince1970: 1)
    let drafts = [
      MemoryDraft(userID: "u", text: "a", embedding: [1, 0], dedupeKey: "k"), MemoryDraft(userID: "u", text: "b", dedupeKey: "k"),
      MemoryDraft(userID: "v", text: "c", dedupeKey: "k"), MemoryDraft(userID: "v", text: "d", embedding: [1, 0], dedupeKey: "k"),
      MemoryDraft(userID: "u", text: "e", embedding: [1, 0], expiresAt: past), MemoryDraft(userID: "u", text: "f", expiresAt: past),
    ]
    let sequence = try store.status.batchSequence
    let added = try await store.add(drafts)
    #expect(added.map(\.outcome) == [.added, .existing, .added, .existing, .expired, .expired])
    // For a memory that existed already, `isEmbedded` says whether the existing one has an embedding.
    #expect(added.map(\.isEmbedded) == [true, true, false, false, true, false])
    #expect(added[1].id == added[0].id && added[3].id == added[2].id && Set(added.map(\.id)).count == 4)
    #expect(try store.status.batchSequence == sequence + 1)
    let again = try await store.add(drafts[1])
    #expect(again == added[1])
    let inTransaction = try await store.write { transaction in
      (try transaction.add(drafts[0]), try transaction.add([drafts[1], drafts[2]]))
    }
    #expect(inTransaction.0 == Added(id: added[0].id, outcome: .existing, isEmbedded: true))
    #expect(inTransaction.1.map(\.outcome) == [.existing, .existing])
    try await store.close()
  }

  @Test func anEmbedderEmbedsWhatHasNoEmbedding() async throws {
    let store = try await scratch.open(embedder: BrokenEmbedder(nil))
    let added = try await store.add([
      MemoryDraft(userID: "u", text: "a"), MemoryDraft(userID: "u", text: "b", isTextOnly: true),
      MemoryDraft(userID: "u", text: "c", embedding: [0, 1]),
    ])
    #expect(added.map(\.isEmbedded) == [true, false, true])
    #expect(try store.users().map(\.embeddings) == [2])
    try await store.close()
  }

  @Test(arguments: BrokenEmbedder.Fault.allCases) private func aFailureOfTheEmbedderThrowsOrKeepsTheTexts(
    _ fault: BrokenEmbedder.Fault
  ) async throws {
    let store = try await scratch.open(embedder: BrokenEmbedder(fault))
    let drafts = [
      MemoryDraft(userID: "u", text: "a"), MemoryDraft(userID: "u", text: "b"), MemoryDraft(userID: "u", text: "c", embedding: [0, 1]),
    ]
    let sequence = try store.status.batchSequence
    for body in [{ _ = try await store.add(drafts) }, { _ = try await store.add(drafts, onEmbeddingFailure: .throw) }]
      as [@Sendable () async throws -> Void]
    {
      await #expect(throws: (any Error).self) { try await body() }
    }
    await #expect(throws: (any Error).self) { try await store.add(drafts[0]) }
    #expect(try store.count() == 0 && store.status.batchSequence == sequence)
    let added = try await store.add(drafts, onEmbeddingFailure: .keepText)
    // Only the invalid vector is left out; the others are stored.
    #expect(added.map(\.isEmbedded) == [false, fault == .oneWithoutDirection, true], "\(fault)")
    #expect(added.allSatisfy { $0.outcome == .added })
    for (draft, added) in zip(drafts, added) {
      #expect(try store.memory(added.id, for: "u")?.text == draft.text)
      #expect(try (store.embedding(of: added.id, for: "u") != nil) == added.isEmbedded)
    }
    #expect(try await store.add(MemoryDraft(userID: "u", text: "d"), onEmbeddingFailure: .keepText).isEmbedded == false)
    #expect(try await store.verify(deep: true).isIntact)
    try await store.close()
  }

  /// An invalid draft is refused whatever the embedder does.
  @Test func theTextsOfABadDraftAreNotKept() async throws {
    let store = try await scratch.open(embedder: BrokenEmbedder(.throwing))
    for draft in [
      MemoryDraft(userID: "", text: "a"), MemoryDraft(userID: "u", text: "a", importance: 2),
      MemoryDraft(userID: "u", text: "a", embedding: [1, 0, 0]),
    ] {
      await #expect(throws: StoreError.self) { try await store.add(draft, onEmbeddingFailure: .keepText) }
    }
    #expect(try store.count() == 0)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5)), arguments: [EmbeddingFailurePolicy.throw, .keepText])
  func aCancelledTaskAddsNothing(_ policy: EmbeddingFailurePolicy) async throws {
    let (begun, beginning) = AsyncStream<Void>.makeStream()
    let store = try await scratch.open(embedder: CancelledEmbedder(begun: beginning))
    let task = Task { try await store.add(MemoryDraft(userID: "u", text: "a"), onEmbeddingFailure: policy) }
    for await _ in begun {}
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try store.count() == 0)
    try await store.close()
  }
}
