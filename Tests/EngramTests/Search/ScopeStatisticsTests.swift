import Foundation
import TestSupport
import Testing

@testable import Engram

/// The statistics of a search by text come from the whole scope and from nothing else.
@Suite(.serialized) struct ScopeStatisticsTests {
  private let place = TestStore()

  private static let texts = [
    "loves ramen with egg", "rides a bicycle to work", "ramen again on Friday", "plays the guitar", "has an egg allergy? no",
    "met Lena in Oslo",
  ]

  private func draft(_ user: String, _ number: Int) -> MemoryDraft {
    var draft = MemoryDraft(userID: user, text: Self.texts[number % Self.texts.count], embedding: TestStore.vector(number))
    draft.createdAt = Date(timeIntervalSince1970: Double(1_700_000_000 + number))
    draft.sessionID = "s\(number / 3)"
    draft.speaker = number % 2 == 0 ? "Ada" : "Bob"
    return draft
  }

  private func scores(_ store: MemoryStore, _ scope: SearchScope = .user("u"), filter: Filter? = nil) throws -> [String: [Float]] {
    var scores: [String: [Float]] = [:]
    for mode in [SearchMode.lexical, .hybrid] {
      for hit in try store.search(
        TextQuery("does Ada like ramen with egg?", embedding: TestStore.vector(3), scope: scope, mode: mode, limit: 100, filter: filter))
      {
        scores[hit.memory.text, default: []].append(hit.score)
      }
    }
    return scores
  }

  /// The bug: a session whose memories have all expired or been replaced counted among the sessions if the index was used, but not if the
  /// records were read. The cause: a record of words names its sessions, and each was counted. The fix: a session counts only if one of its
  /// memories counts.
  @Test(.timeLimit(.minutes(5))) func aSessionWithoutCurrentMemoriesCountsNowhere() async throws {
    let store = try await place.open()
    try await store.add((0..<6).map { draft("u", $0) })
    let before = try scores(store)
    var (expired, replaced) = (draft("u", 1), draft("u", 1))
    (expired.sessionID, expired.expiresAt) = ("expired", Date(timeIntervalSinceNow: -10))
    (replaced.sessionID, replaced.text) = ("replaced", "an egg")
    try await store.add(expired)
    let id = try await store.add(replaced).id
    try await store.update(id, for: "u") { $0.with(supersededBy: MemoryID()) }
    #expect(try scores(store) == before)
    try await store.close()
  }

  /// Other users' memories, and those that have expired or were replaced, change no score.
  @Test(.timeLimit(.minutes(5))) func onlyCurrentMemoriesOfTheScopeCount() async throws {
    let store = try await place.open()
    try await store.add((0..<6).map { draft("u", $0) })
    let before = try scores(store)
    #expect(before.count == 6)
    try await store.add((0..<200).map { draft("v", $0) })
    #expect(try scores(store) == before)
    var expired = draft("u", 2)
    expired.expiresAt = Date(timeIntervalSinceNow: -10)
    try await store.add(expired)
    #expect(try scores(store) == before)
    // Replaced by a copy of itself: the scores stay the same, although there are more memories.
    var copy = draft("u", 5)
    copy.replaces = try #require(try store.memories(for: "u").first { $0.text == Self.texts[5] }).id
    try await store.add(copy)
    #expect(try scores(store) == before)
    // Memories that the filter excludes still count, and `.users` of one user is the same scope as `.user`.
    let filtered = try scores(store, filter: .speaker("Ada"))
    #expect(filtered.count == 3 && filtered.allSatisfy { before[$0.key] == $0.value })
    #expect(try scores(store, .users(["u"])) == before)
    // With the other user's memories the statistics differ.
    #expect(try scores(store, .users(["u", "v"])) != before && scores(store, .all) != before)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func sessionsOfTheSameNameAreTheUsersOwn() async throws {
    let store = try await place.open()
    // Another user's session of the same name has the word: its neighbours there gain from that, but not this user's memory.
    try await store.add(
      [("u", "quiet"), ("v", "ramen"), ("v", "loud")].enumerated().map { number, entry in
        var draft = MemoryDraft(userID: entry.0, text: entry.1)
        (draft.sessionID, draft.createdAt) = ("s", Date(timeIntervalSince1970: Double(1000 + number)))
        return draft
      })
    for scope in [SearchScope.all, .users(["u", "v"])] {
      let found = try store.search(TextQuery("ramen", scope: scope, mode: .lexical)).map(\.memory.text)
      #expect(found == ["ramen", "loud"])
    }
    try await store.close()
  }

  /// The language of a store is fixed, and decides which words are the same.
  @Test(.timeLimit(.minutes(5))) func aStoreHasOneLanguage() async throws {
    var store = try await place.open(StoreOptions(dimension: 8, language: .german))
    try await store.add([MemoryDraft(userID: "u", text: "viele Häuser"), MemoryDraft(userID: "u", text: "the of and")])
    #expect(try store.search(TextQuery("des Hauses", scope: .user("u"))).map(\.memory.text) == ["viele Häuser"])
    // The language is German, so English stop words are ordinary words.
    #expect(try store.search(TextQuery("the", scope: .user("u"))).map(\.memory.text) == ["the of and"])
    #expect(store.identity.language == .german)
    await expectCode(.storeMismatch) { _ = try await place.open(StoreOptions(language: .english)) }
    try await store.compact()
    #expect(try await store.verify().problems == [])
    try await store.close()
    await expectCode(.storeMismatch) { _ = try await place.open(StoreOptions(language: .english)) }
    store = try await place.open(StoreOptions())
    #expect(try store.search(TextQuery("des Hauses", scope: .user("u"))).count == 1 && store.identity.language == .german)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func thresholdsFiltersAndLimitsApplyToTheRightThings() async throws {
    let store = try await place.open()
    try await store.add((0..<6).map { draft("u", $0) })
    try await store.add(MemoryDraft(userID: "u", text: "ramen without an embedding"))
    var query = TextQuery("ramen", embedding: TestStore.vector(2), scope: .user("u"), limit: 100, includesExplanation: true)
    let all = try store.search(query)
    #expect(all.count == 7 && all.contains { $0.explanation?.row == nil && $0.explanation?.parts?.similarity == nil })
    let similarities = all.compactMap { $0.explanation?.parts?.similarity }.sorted()
    query.threshold = similarities[3]
    #expect(try store.search(query).count == similarities.count { $0 >= similarities[3] })
    query.threshold = nil
    query.minimumFusedScore = all[2].score
    #expect(try store.search(query).map(\.memory.id) == all.prefix(3).map(\.memory.id))
    query.minimumFusedScore = nil
    query.limit = 2
    #expect(try store.search(query).map(\.memory.id) == all.prefix(2).map(\.memory.id))
    query.filter = .session("none")
    #expect(try store.search(query).isEmpty)
    // A search in one snapshot, with a query that was decoded from JSON, gives the same.
    query.filter = nil
    let json = try JSONDecoder().decode(TextQuery.self, from: JSONEncoder().encode(query))
    #expect(json == query)
    let read = try store.read { snapshot in try snapshot.search(json) }
    #expect(read.map(\.memory.id) == all.prefix(2).map(\.memory.id))
    let least = try JSONDecoder().decode(TextQuery.self, from: Data(#"{"text": "ramen", "scope": {"user": "u"}}"#.utf8))
    #expect(least == TextQuery("ramen", scope: .user("u")))
    await expectCode(.invalidArgument) { _ = try store.search(TextQuery("x", scope: .all, limit: 0)) }
    await expectCode(.invalidArgument) { _ = try store.search(TextQuery("x", scope: .all, threshold: .nan)) }
    await expectCode(.invalidArgument) { _ = try store.search(TextQuery("x", scope: .all, minimumFusedScore: .infinity)) }
    await expectCode(.invalidUserID) { _ = try store.search(TextQuery("x", scope: .user(""))) }
    await expectCode(.valueTooLarge) { _ = try store.search(TextQuery(String(repeating: "x", count: 2 << 20), scope: .all)) }
    #expect(try store.search(TextQuery("ramen", scope: .user("nobody"))).isEmpty)
    #expect(try store.search(TextQuery("", scope: .user("u"), mode: .lexical)).isEmpty)
    try await store.close()
  }

  /// The embedder gets the speaker and the caption when a memory is added, imported or changed. A store that was pinned to an embedder by
  /// an earlier version goes on with the texts alone.
  @Test(.timeLimit(.minutes(5))) func theEmbedderGetsWhoSaysItAndWhatIsShown() async throws {
    let embedder = HashingEmbedder(dimension: 64)
    let store = try await place.open(StoreOptions(embedder: embedder))
    var draft = MemoryDraft(userID: "u", text: "look at this", speaker: "Ada", caption: "a red bicycle")
    draft.dedupeKey = "k"
    let id = try await store.add(draft).id
    func embedded(_ text: String) throws -> Bool {
      let (stored, made) = (try store.embedding(of: id, for: "u"), embedder.embedding(of: text))
      return try zip(#require(stored).values, made.values).allSatisfy { abs($0 - $1) < 1e-6 }
    }
    #expect(try embedded("Ada: look at this [shares a red bicycle]"))
    try await store.update(id, for: "u") { $0.with(speaker: .some("Bob")) }
    #expect(try embedded("Bob: look at this [shares a red bicycle]"))
    try await store.update(id, for: "u") { $0.with(caption: .some(nil)) }
    #expect(try embedded("Bob: look at this"))
    // Inside a write, a change of a field that the embedder does not get needs no new embedding; a change of the others does.
    try await store.write { _ = try $0.update(id, for: "u") { $0.with(kind: .some("k")) } }
    await expectCode(.embeddingRequired) { try await store.write { _ = try $0.update(id, for: "u") { $0.with(speaker: .some("Cleo")) } } }
    draft.speaker = "Dora"
    try await store.upsert(draft)
    #expect(try embedded("Dora: look at this [shares a red bicycle]"))
    try await store.delete(id, for: "u")
    let line = #"{"type": "memory", "id": "\#(id)", "userID": "u", "text": "hello", "speaker": "Eve"}"#
    let file = URL(fileURLWithPath: place.directory.path("lines.jsonl"))
    try Data(line.utf8).write(to: file)
    _ = try await store.importJSONLines(from: [file])
    #expect(try embedded("Eve: hello"))
    try await store.compact()
    #expect(try embedded("Eve: hello"))
    try await store.update(id, for: "u") { $0.with(text: "bye") }
    #expect(try embedded("Eve: bye"))
    try await store.close()
    let fixture = try FormatFixtureTests.unpack("format-1", in: place.directory)
    let old = try await MemoryStore.open(at: fixture)
    #expect(old.core.generation.template == .text)
    try await old.close()
  }
}
