import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Engram

/// Memories whose texts were kept although their embedding failed.
@Suite struct EmbedMissingTests {
  private let place = TestStore()

  private struct Unreachable: Error {}

  /// Fails until it is switched on.
  private final class Switch: Sendable {
    private let isOn = Atomic(false)
    func turnOn() { isOn.store(true, ordering: .relaxed) }
    func check() throws { if !isOn.load(ordering: .relaxed) { throw Unreachable() } }
  }

  private func kept(_ texts: [String], in store: MemoryStore, user: String = "ada") async throws -> [MemoryID] {
    let added = try await store.add(texts.map { MemoryDraft(userID: user, text: $0) }, onEmbeddingFailure: .keepText)
    #expect(added.allSatisfy { !$0.isEmbedded })
    return added.map(\.id)
  }

  @Test(.timeLimit(.minutes(5))) func aKeptTextIsFoundByItsWordsListedAndEmbeddedLater() async throws {
    let power = Switch()
    let embedder = MadeEmbedder { _, _ in try power.check() }
    let store = try await place.open(StoreOptions(embedder: embedder))
    let ids = try await kept(["loves ramen with extra egg", "moves to Lisbon in March"], in: store)
    try await store.add(MemoryDraft(userID: "ben", text: "has a dog", embedding: embedder.vector(of: "has a dog")))
    let lexical = try await store.search("ramen", scope: .user("ada"), mode: .lexical)
    #expect(lexical.map(\.memory.id) == [ids[0]])
    let audit = try await store.audit()
    #expect(audit.unmatched.withoutEmbedding?.count == 2 && audit.unmatched.withoutEmbedding?.first == ids.sorted())
    #expect(try store.inspection().withoutEmbedding == 2)
    #expect(try store.inspection(of: "ada").map { $0.memories - $0.embeddings } == 2)
    await #expect(throws: Unreachable.self) { try await store.embedMissing() }
    power.turnOn()
    let hybrid = try await store.search("ramen", scope: .user("ada"))
    #expect(hybrid.first?.memory.id == ids[0])
    #expect(try await store.search("ramen", scope: .user("ada"), mode: .dense).isEmpty)
    let report = try await store.embedMissing()
    #expect((report.embedded, report.skipped, report.refused) == (2, 0, 0))
    #expect(try isNear(store.embedding(of: ids[1], for: "ada")?.values, embedder.row(of: "moves to Lisbon in March")))
    #expect(try store.memory(ids[0], for: "ada")?.version == 1)
    #expect(try await store.search("moves to Lisbon in March", scope: .all, mode: .dense).first?.memory.id == ids[1])
    #expect(try await store.audit().unmatched.withoutEmbedding?.count == 0)
    #expect(try await store.embedMissing().embedded == 0)
    #expect(try await store.verify(deep: true).problems == [])
    try await store.compact()
    #expect(try isNear(store.embedding(of: ids[1], for: "ada")?.values, embedder.row(of: "moves to Lisbon in March")))
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func onlyTheMemoriesOfTheScopeAreEmbedded() async throws {
    let store = try await place.open(StoreOptions(embedder: MadeEmbedder()))
    try await store.add(["ada", "ben", "cy"].map { MemoryDraft(userID: $0, text: "of \($0)", isTextOnly: true) })
    #expect(try await store.embedMissing(scope: .user("ben")).embedded == 1)
    #expect(try await store.embedMissing(scope: .users(["ben", "cy", "nobody"])).embedded == 1)
    #expect(try store.inspection(of: "ada")?.embeddings == 0)
    #expect(try store.inspection().withoutEmbedding == 1)
    await expectCode(.invalidUserID) { _ = try await store.embedMissing(scope: .user("")) }
    try await store.close()
    let bare = try await place.open(StoreOptions())
    await expectCode(.embedderRequired) { _ = try await bare.embedMissing() }
    try await bare.close()
  }

  /// If a text changes while the old one is embedded, it does not get the old embedding. A memory that is deleted or embedded meanwhile is
  /// skipped, too.
  @Test(.timeLimit(.minutes(5))) func whatChangesMeanwhileIsSkipped() async throws {
    let other = Mutex<(@Sendable () async throws -> Void)?>(nil)
    let embedder = MadeEmbedder { _, _ in try await other.withLock { $0.take() }?() }
    let store = try await place.open(StoreOptions(embedder: embedder))
    let texts = ["stays", "changes", "goes", "is embedded"]
    let ids = try await store.add(texts.map { MemoryDraft(userID: "ada", text: $0, isTextOnly: true) }).map(\.id)
    other.withLock {
      $0 = {
        try await store.write { transaction in
          _ = try transaction.update(ids[1], for: "ada") { $0.with(text: "has changed") }
          _ = try transaction.delete(ids[2], for: "ada")
          _ = try transaction.update(ids[3], for: "ada", embedding: TestStore.vector(3)) { $0 }
        }
      }
    }
    let report = try await store.embedMissing()
    #expect((report.embedded, report.skipped, report.refused) == (1, 3, 0))
    #expect(try isNear(store.embedding(of: ids[0], for: "ada")?.values, embedder.row(of: "stays")))
    #expect(try store.embedding(of: ids[1], for: "ada") == nil)
    let rest = try await store.embedMissing()
    #expect((rest.embedded, rest.skipped) == (1, 0))
    #expect(try isNear(store.embedding(of: ids[1], for: "ada")?.values, embedder.row(of: "has changed")))
    #expect(embedder.texts == [texts, ["has changed"]])
    #expect(try await store.verify(deep: true).problems == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func whatWasDoneBeforeAFailureOrACancellationStays() async throws {
    let (begun, beginning) = AsyncStream<Void>.makeStream()
    let embedder = MadeEmbedder { number, _ in
      if number == 1 { throw Unreachable() }
      if number == 3 {
        beginning.finish()
        try await Task.sleep(for: .seconds(600))
      }
    }
    let store = try await place.open(StoreOptions(embedder: embedder))
    try await store.add((0..<600).map { MemoryDraft(userID: "u\($0 % 3)", text: "number \($0)", isTextOnly: true) })
    let steps = Recorder<Int>()
    await #expect(throws: Unreachable.self) {
      try await store.embedMissing { if $0.phase == .embedding { steps.append($0.done) } }
    }
    #expect(steps.values == [256])
    #expect(try store.inspection().withoutEmbedding == 344)
    let task = Task { try await store.embedMissing() }
    for await _ in begun {}
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try store.inspection().withoutEmbedding == 88)
    #expect(try await store.embedMissing().embedded == 88)
    #expect(embedder.texts.map(\.count) == [256, 256, 256, 88, 88])
    #expect(try await store.verify(deep: true).problems == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aVectorThatCannotBeStoredKeepsNoOtherMemoryFromItsOwn() async throws {
    let store = try await place.open(StoreOptions(embedder: MadeEmbedder(zeros: ["b"])))
    let ids = try await store.add(["a", "b", "c"].map { MemoryDraft(userID: "u", text: $0, isTextOnly: true) }).map(\.id)
    let report = try await store.embedMissing()
    #expect((report.embedded, report.skipped, report.refused) == (2, 0, 1) && report.firstRefused == [ids[1]])
    try await store.close()
  }
}
