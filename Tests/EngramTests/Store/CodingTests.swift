import Foundation
import TestSupport
import Testing

@testable import Engram

/// Values that leave a process as JSON and are read again, and the descriptions for a log.
@Suite(.serialized) struct CodingTests {
  private let scratch = ScratchStore()
  private let directory = TemporaryDirectory()

  private static func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  private static func value<Value: Decodable>(_ json: String, _ type: Value.Type = Value.self) throws -> Value {
    try JSONDecoder().decode(type, from: Data(json.utf8))
  }

  /// Encodes and decodes a value as JSON, and expects that encoding the result gives the same JSON.
  @discardableResult
  private func roundTrip<Value: Codable>(_ value: Value, sourceLocation: SourceLocation = #_sourceLocation) throws -> Value {
    let json = try Self.json(value)
    let back = try Self.value(json, Value.self)
    #expect(try Self.json(back) == json, sourceLocation: sourceLocation)
    return back
  }

  @Test func scopesAndFiltersHaveOneKey() throws {
    let scopes: [(SearchScope, String)] = [
      (.user("ada"), #"{"user":"ada"}"#), (.users(["ada", "bob"]), #"{"users":["ada","bob"]}"#), (.all, #"{"all":true}"#),
    ]
    for (scope, json) in scopes { #expect(try Self.json(scope) == json && Self.value(json) == scope) }
    for damaged in ["{}", #"{"user":"a","all":true}"#, #"{"all":false}"#, #"{"everybody":true}"#, #""all""#] {
      #expect(throws: DecodingError.self) { try Self.value(damaged, SearchScope.self) }
    }
    let filter = Filter.kind("fact") && !.metadata("city", equals: "Rome") || .importance(atLeast: 0.5)
    let json = #"{"or":[{"and":[{"kind":"fact"},{"not":{"metadata":{"equals":"Rome","key":"city"}}}]},{"importance":{"atLeast":0.5}}]}"#
    #expect(try Self.json(filter) == json && Self.value(json) == filter)
    for damaged in ["{}", #"{"kind":"a","session":"b"}"#, #"{"color":"red"}"#, #"{"and":{"kind":"a"}}"#] {
      #expect(throws: DecodingError.self) { try Self.value(damaged, Filter.self) }
    }
  }

  @Test func everyFilterComesBackAsItWas() throws {
    var random = SeededGenerator(seed: 91)
    let ids = (0..<30).map { _ in MemoryID() }
    for sort in 0..<RandomFilter.leafCount {
      // A double that is a whole number is decoded as an integer, because JSON does not distinguish them.
      for _ in 0..<40 { try roundTrip(RandomFilter.leaf(sort, ids, &random)) }
    }
    for _ in 0..<200 { try roundTrip(RandomFilter.tree(ids, &random)) }
    let filter = Filter.created(from: Date(timeIntervalSince1970: 1.25), to: nil) && .ids(Set(ids)) && .metadataRange("n", from: 2, to: 3.5)
    #expect(try roundTrip(filter) == filter)
  }

  /// Otherwise a comparison after a round trip would not notice a lost field.
  @Test func draftsDifferIfAnyFieldDoes() {
    let changes: [String: (inout MemoryDraft) -> Void] = [
      "id": { $0.id = MemoryID() }, "userID": { $0.userID = "bob" }, "text": { $0.text = "u" }, "embedding": { $0.embedding = [1] },
      "kind": { $0.kind = "k" }, "sessionID": { $0.sessionID = "s" }, "speaker": { $0.speaker = "Ada" },
      "createdAt": { $0.createdAt = .distantPast },
      "importance": { $0.importance = 0.75 }, "expiresAt": { $0.expiresAt = .distantFuture }, "dedupeKey": { $0.dedupeKey = "d" },
      "metadata": { $0.metadata = ["a": 1] }, "details": { $0.tags = ["t"] }, "isTextOnly": { $0.isTextOnly = true },
      "supersedesOrigins": { $0.supersedesOrigins = true },
    ]
    let draft = MemoryDraft(userID: "ada", text: "t")
    #expect(Set(Mirror(reflecting: draft).children.compactMap(\.label)) == Set(changes.keys), "a field was added: change it here, too")
    for (field, change) in changes {
      var other = draft
      change(&other)
      #expect(other != draft, "\(field)")
    }
  }

  @Test func memoriesAndDraftsComeBackAsTheyWere() throws {
    var random = SeededGenerator(seed: 92)
    for number in 0..<100 {
      var draft = RandomFilter.draft(user: "ada", embedding: number % 2 == 0 ? [1, 2] : nil, &random)
      RandomFilter.addDetails(to: &draft, &random)
      draft.replaces = number % 3 == 0 ? MemoryID(high: 3, low: 4) : nil
      draft.isTextOnly = number % 5 == 0
      draft.metadata = draft.metadata.mapValues { if case .double = $0 { .double(0.25) } else { $0 } }
      #expect(try roundTrip(draft) == draft)
      var reference = ReferenceStore()
      reference.add(draft, id: MemoryID(high: 1, low: 2), createdAt: Date(timeIntervalSince1970: 1.5))
      let memory = try #require(reference.entries.values.first).memory.with(supersededBy: number % 7 == 0 ? .some(MemoryID()) : nil)
      #expect(try roundTrip(memory) == memory)
    }
    let least = #"{"userID":"ada","text":"t"}"#
    #expect(try Self.value(least) == MemoryDraft(userID: "ada", text: "t"))
    #expect(throws: DecodingError.self) { try Self.value(least, Memory.self) }
    #expect(throws: DecodingError.self) { try Self.value(#"{"userID":"ada","text":"t","trust":"total"}"#, MemoryDraft.self) }
  }

  @Test func aQueryNeedsOnlyAnEmbeddingAndAScope() throws {
    let query = SearchQuery(embedding: [1, 0.5], scope: .user("ada"))
    #expect(try Self.value(#"{"embedding":[1,0.5],"scope":{"user":"ada"}}"#) == query)
    let full = SearchQuery(
      embedding: [0.1, -3], scope: .users(["a", "b"]), limit: 3, threshold: 0.25, filter: .kind("fact"),
      asOf: Date(timeIntervalSince1970: 1_700_000_000.5), includesSuperseded: true,
      includesExplanation: true)
    #expect(try roundTrip(full) == full)
    #expect(throws: DecodingError.self) { try Self.value(#"{"embedding":[1,0.5]}"#, SearchQuery.self) }
  }

  @Test func statusAndReportsComeBackAsTheyWere() async throws {
    let store = try await scratch.open(dimension: 2)
    let id = try await store.add(MemoryDraft(userID: "ada", text: "one", embedding: [1, 0])).id
    try await store.add(MemoryDraft(userID: "bob", text: "two", embedding: [1, 0]))
    try await store.put(UserContext(userID: "ada", preferences: ["tea": "green"]))
    let status = try store.read { _ in try roundTrip(try store.status) }
    #expect(status.memories == 2 && status.snapshots.count == 1 && status.poison == nil && status.durability == .immediate)
    let audit = try await store.audit(AuditOptions(scope: .users(["ada", "bob"])))
    #expect(try roundTrip(audit) == audit)
    let verification = try await store.verify(deep: true)
    #expect(try roundTrip(verification) == verification)
    try roundTrip(try await store.backup(to: URL(fileURLWithPath: directory.path("backup"))))
    try roundTrip(try await store.compact())
    #expect(try roundTrip(try store.users()) == store.users())
    let page = try store.memories(scope: .users(["ada", "bob"]), limit: 1)
    #expect(page.next != nil && page.count == 1)
    #expect(try roundTrip(page) == page)
    let results = try store.search(SearchQuery(embedding: [1, 0], scope: .all, includesExplanation: true))
    #expect(results.count == 2 && results[0].explanation != nil)
    #expect(try roundTrip(results) == results)
    let inspection = try roundTrip(try store.inspection())
    #expect(inspection.identity.dimension == 2 && !inspection.files.isEmpty && !inspection.databases.isEmpty)
    let user = try roundTrip(try #require(try store.inspection(of: "ada")))
    #expect(user.newest.map(\.id) == [id] && user.contexts.map(\.recordType) == ["UserContext"])
    #expect(try roundTrip(try #require(try store.recordInspection(of: id))).row?.isIntact == true)
    let context = try #require(try store.context(for: "ada"))
    #expect(try roundTrip(context) == context)
    let receipt = try roundTrip(try await store.erase([id], for: "ada", verifiesErasure: true))
    #expect(
      receipt.subject == .memories([id], userID: "ada") && receipt.scanBefore?.hits[.memoryID] ?? 0 > 0 && receipt.scan?.isClean == true)
    #expect(try Self.json(ErasureReceipt(.user("ada"))).contains(#""subject":{"user":"ada"}"#))
    try await store.close()
    let repaired = URL(fileURLWithPath: directory.path("repaired"))
    #expect(try roundTrip(try await MemoryStore.repair(scratch.url, into: repaired)).commit == .last)
  }

  @Test func anErrorComesBackWithoutItsCause() throws {
    let error = StoreError(.storeBusy, "held", holder: 17, cause: StoreError(.inputOutput, "below"))
    let json = try Self.json(error)
    #expect(json == #"{"code":"storeBusy","holder":17,"isCommitted":false,"message":"held"}"#)
    let back = try Self.value(json, StoreError.self)
    #expect(back.code == .storeBusy && back.holder == 17 && !back.isCommitted && back.cause == nil)
    #expect(try Self.value(try Self.json(StoreError(.storeMoved, "x", isCommitted: true)), StoreError.self).isCommitted)
  }

  @Test func descriptionsAreShortLinesThatNoTextBreaks() async throws {
    let store = try await scratch.open(dimension: 2)
    let text = "line\nbreak \u{1B}[2J" + String(repeating: "x", count: 100)
    let draft = MemoryDraft(userID: "a\u{202E}da", text: text, embedding: [1, 0])
    let id = try await store.add(draft).id
    let shown = #"a\u{202E}da: line\u{A}break \u{1B}[2J"# + String(repeating: "x", count: 45) + "…"
    #expect("\(draft)" == "draft of \(shown)")
    let memory = try #require(try store.memory(id, for: draft.userID))
    #expect("\(memory)" == "\(id) of \(shown)")
    let result = try store.search(SearchQuery(embedding: [1, 0], scope: .all))[0]
    #expect("\(result)" == "1.0 \(id) of \(shown)")
    let status = try store.status
    #expect("\(status)" == "commit 1, generation 1: memories 1, contexts 0, users 1, rows 1 of \(status.rowsAllocated)")
    try await store.close()
  }
}
