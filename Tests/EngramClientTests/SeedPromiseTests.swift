import Engram
import Foundation
import TestSupport
import Testing

/// The promises of the system that Engram replaces, tested by a program that sees only the public surface.
@Suite struct SeedPromiseTests {
  private let directory = TemporaryDirectory()
  private var url: URL { URL(fileURLWithPath: directory.path("bot.memory")) }

  private func open() async throws -> MemoryStore {
    try await MemoryStore.open(at: url, options: StoreOptions(embedder: HashingEmbedder(dimension: 64)))
  }

  /// A personality: a context of a type that the program defines.
  struct Personality: ContextRecord, Equatable {
    let userID: String
    let traits: [String: Double]
  }

  /// Frozen contexts: a context that was read stays as it was, and a change is a copy.
  @Test func aContextIsFrozen() async throws {
    let store = try await open()
    let first = try await store.updateContext(for: "ada", message: "Hi", response: "Hello!")
    let read = try #require(try store.context(for: "ada"))
    let changed = try await store.updateContext(for: "ada") { $0.with(friendshipLevel: 7, topics: ["tea"]) }
    #expect(read == first && read.friendshipLevel == 0 && read.topics.isEmpty && read.lastMessage == "Hi")
    #expect(changed.friendshipLevel == 7 && changed.conversationsCount == 1)
    #expect(try store.context(for: "ada") == changed)
    #expect(try store.history(for: "ada").map(\.context) == [read])
    try await store.close()
  }

  /// `get_user_context`: a synchronous read, also while a write is under way; it sees committed data only.
  @Test(.timeLimit(.minutes(5))) func readsAreSynchronousAndWaitForNoWriter() async throws {
    let store = try await open()
    try await store.updateContext(for: "ada") { $0.with(friendshipLevel: 1) }
    let duringWrite = try await store.updateContext(for: "ada") { context in
      // On the writer thread, in the middle of the write.
      let seen = try store.context(for: "ada")?.friendshipLevel ?? -1
      return context.with(friendshipLevel: 2, topics: ["saw \(seen)"])
    }
    #expect(duringWrite.topics == ["saw 1"])
    #expect(try store.context(for: "ada")?.friendshipLevel == 2)
    #expect(try store.context(for: "nobody") == nil)
    try await store.close()
  }

  /// `update_context`: each update is atomic, none is lost, and one that throws changes nothing.
  @Test(.timeLimit(.minutes(5))) func noUpdateIsLost() async throws {
    struct Refused: Error {}
    let store = try await open()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<100 {
        group.addTask { try await store.updateContext(for: "ada", message: "\(number)", response: "") }
      }
      try await group.waitForAll()
    }
    await #expect(throws: Refused.self) { try await store.updateContext(for: "ada") { _ in throw Refused() } }
    #expect(try store.context(for: "ada")?.conversationsCount == 100)
    try await store.close()
  }

  /// `save_memory`: record and embedding in one commit, so a reader that sees one finds the other.
  @Test func aMemoryIsSavedInOneCommit() async throws {
    let store = try await open()
    let before = try store.status.batchSequence
    try await store.add(MemoryDraft(userID: "ada", text: "loves ramen", kind: "preference"))
    #expect(try store.status.batchSequence == before + 1)
    try store.read { snapshot in
      let memory = try #require(try snapshot.memories(for: "ada").first)
      let embedding = HashingEmbedder(dimension: 64).embedding(of: "loves ramen")
      let hits = try snapshot.search(SearchQuery(embedding: embedding, scope: .user("ada")))
      #expect(hits.map(\.memory) == [memory] && memory.text == "loves ramen" && memory.kind == "preference")
    }
    try await store.close()
  }

  /// `retrieve_memory`: of one user or of all users, exact.
  @Test func memoriesAreRetrievedPerUserOrOverAll() async throws {
    let store = try await open()
    try await store.add(
      (0..<40).map { MemoryDraft(userID: $0 % 2 == 0 ? "ada" : "bob", text: "note \($0) about tea number \($0 % 5)") })
    let query = HashingEmbedder(dimension: 64).embedding(of: "tea number 3").values
    let mine = try await store.search("tea number 3", scope: .user("ada"), mode: .dense, limit: 100)
    let all = try await store.search("tea number 3", scope: .all, mode: .dense, limit: 100)
    #expect(mine.count == 20 && mine.allSatisfy { $0.memory.userID == "ada" } && all.count == 40)
    // The results of the user are among those of all users, in the same order with the same scores.
    #expect(all.filter { $0.memory.userID == "ada" }.map(\.memory.text) == mine.map(\.memory.text))
    let embedder = HashingEmbedder(dimension: 64)
    func score(_ text: String) -> Float { zip(embedder.embedding(of: text).values, query).reduce(0) { $0 + $1.0 * $1.1 } }
    #expect(all.allSatisfy { abs($0.score - score($0.memory.text)) < 1e-5 })
    #expect(zip(all, all.dropFirst()).allSatisfy { ($1.score, $0.memory.id) < ($0.score, $1.memory.id) })
    #expect(try await store.search("tea", scope: .user("nobody")).isEmpty)
    try await store.close()
  }

  /// Auto-save: an acknowledged write is in the files without a call that saves it, as a copy of the files shows.
  @Test func whatWasAcknowledgedIsOnDisk() async throws {
    let store = try await open()
    try await store.updateContext(for: "ada", message: "Hi", response: "Hello!")
    try await store.add(MemoryDraft(userID: "ada", text: "loves ramen"))
    let copied = URL(fileURLWithPath: directory.path("copy.memory"))
    // The state of the files after a crash: the store is still open, and nothing writes.
    try FileManager.default.copyItem(at: url, to: copied)
    let copy = try await MemoryStore.open(at: copied)
    #expect(try copy.context(for: "ada")?.lastResponse == "Hello!")
    #expect(try copy.memories(for: "ada").map(\.text) == ["loves ramen"])
    #expect(try await copy.verify(deep: true).isIntact)
    try await copy.close()
    try await store.close()
  }

  /// Personality contexts: the program defines the type, and an export has the whole record.
  @Test func aContextOfAnyTypeIsStoredAndExported() async throws {
    let store = try await open()
    let personality = Personality(userID: "ada", traits: ["warm": 0.75])
    try await store.put(personality)
    #expect(try store.context(Personality.self, for: "ada") == personality)
    let file = URL(fileURLWithPath: directory.path("all.jsonl"))
    #expect(try await store.export(to: file, options: ExportOptions(contextsOnly: true)).contexts == 1)
    let copy = try await MemoryStore.open(at: URL(fileURLWithPath: directory.path("copy.memory")))
    #expect(try await copy.importJSONLines(from: [file]).contexts == 1)
    #expect(try copy.context(Personality.self, for: "ada") == personality)
    try await copy.close()
    try await store.close()
  }

  /// Lock status: counts, queue and last commit.
  @Test func theStatusTellsWhatTheStoreHoldsAndDoes() async throws {
    let store = try await open()
    let begin = Date(timeIntervalSinceNow: -1)
    try await store.updateContext(for: "ada", message: "Hi", response: "Hello!")
    try await store.add([MemoryDraft(userID: "ada", text: "a"), MemoryDraft(userID: "bob", text: "b")])
    let status = try store.status
    #expect(status.memories == 2 && status.contexts == 1 && status.users == 2 && status.dimension == 64 && status.metric == .cosine)
    #expect(status.queueDepth == 0 && !status.isCommitting && status.rowsLive == 2 && status.batchSequence == 2)
    #expect(try #require(status.lastCommit) > begin)
    try await store.close()
  }
}
