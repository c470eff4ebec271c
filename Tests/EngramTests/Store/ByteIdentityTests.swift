import Formats
import Foundation
import Testing
import TestSupport

@testable import Engram

/// Strings are identified by their bytes: pairs of strings that Swift considers equal are passed to every public call, and none is taken
/// for the other.
///
/// Bug: if two memories of a user had the kind é, composed and decomposed, `verify` reported damage, and `backup` and `repair` refused.
/// Cause: the columns of a block kept only one of two kinds that are canonically equal, and a record had the other. Filters, updates, the
/// log, the audit and every `==` of a public type compared in the same way. Fix: one rule in one file, `ByteIdentity`.
@Suite(.serialized) struct ByteIdentityTests {
  private let scratch = ScratchStore()

  struct Pair: Sendable, CustomStringConvertible {
    let first: String
    let second: String
    var both: [String] { [first, second] }
    var description: String { "\(Array(first.utf8)) \(Array(second.utf8))" }
  }

  static let pairs = [
    Pair(first: "caf\u{E9}", second: "cafe\u{301}"),
    Pair(first: "\u{AC00}\u{11A8}", second: "\u{1100}\u{1161}\u{11A8}"),
    Pair(first: "a\u{323}\u{307}", second: "a\u{307}\u{323}"),
    Pair(first: "\u{C5}", second: "\u{212B}"),
    Pair(first: "K;`", second: "\u{212A}\u{37E}\u{1FEF}"),
  ]

  @Test(arguments: pairs) func swiftTakesThePairForEqual(_ pair: Pair) {
    #expect(pair.first == pair.second)
    #expect(!pair.first.hasSameBytes(as: pair.second))
    #expect(Set(pair.both.map { Exact($0) }).count == 2)
    #expect(pair.first.precedesInBytes(pair.second) != pair.second.precedesInBytes(pair.first))
  }

  private func memory(
    user: String = "u", text: String = "t", kind: String? = nil, session: String? = nil, speaker: String? = nil, dedupe: String? = nil,
    metadata: [String: MetadataValue] = [:]
  ) -> Memory {
    Memory(
      id: MemoryID(high: 1, low: 1), userID: user, text: text, kind: kind, sessionID: session, speaker: speaker,
      createdAt: Date(milliseconds: 0), importance: 0.5, expiresAt: nil, dedupeKey: dedupe, metadata: metadata)
  }

  @Test(arguments: pairs) func valuesThatDifferInBytesDiffer(_ pair: Pair) {
    func differ<Value: Hashable>(_ make: (String) -> Value, sourceLocation: SourceLocation = #_sourceLocation) {
      #expect(make(pair.first) != make(pair.second), sourceLocation: sourceLocation)
      #expect(make(pair.first) == make(pair.first), sourceLocation: sourceLocation)
      #expect(make(pair.second).hashValue == make(pair.second).hashValue, sourceLocation: sourceLocation)
      #expect(Set([make(pair.first), make(pair.second), make(pair.first)]).count == 2, sourceLocation: sourceLocation)
    }
    differ { memory(user: $0) }
    differ { memory(text: $0) }
    differ { memory(kind: $0) }
    differ { memory(session: $0) }
    differ { memory(speaker: $0) }
    differ { memory(dedupe: $0) }
    differ { memory(metadata: [$0: 1, "other": 2]) }
    differ { memory(metadata: ["key": .string($0)]) }
    differ { MemoryDraft(userID: $0, text: "") }
    differ { MemoryDraft(userID: "", text: $0) }
    differ { MemoryDraft(userID: "", text: "", kind: $0) }
    differ { MemoryDraft(userID: "", text: "", sessionID: $0) }
    differ { MemoryDraft(userID: "", text: "", speaker: $0) }
    differ { MemoryDraft(userID: "", text: "", dedupeKey: $0) }
    differ { MemoryDraft(userID: "", text: "", metadata: [$0: true]) }
    differ { MetadataValue.string($0) }
    differ { Filter.kind($0) }
    differ { Filter.session($0) }
    differ { Filter.speaker($0) }
    differ { Filter.hasMetadata($0) }
    differ { Filter.metadata($0, equals: 1) }
    differ { Filter.metadata("k", equals: .string($0)) }
    differ { Filter.metadataRange($0, from: 1, to: nil) }
    differ { Filter.metadataRange("k", from: .string($0), to: nil) }
    differ { Filter.not(.and([.or([.kind($0)])])) }
    differ { SearchScope.user($0) }
    differ { SearchQuery(embedding: [1], scope: .user($0)) }
    differ { AuditOptions(scope: .user($0)) }
    differ { UserContext(userID: $0, firstSeen: .distantPast) }
    differ { UserContext(userID: "", preferences: [$0: "v"], firstSeen: .distantPast) }
    differ { UserContext(userID: "", preferences: ["k": $0], firstSeen: .distantPast) }
    differ { UserContext(userID: "", topics: [$0], firstSeen: .distantPast) }
    differ { UserContext(userID: "", lastMessage: $0, firstSeen: .distantPast) }
    differ { UserContext(userID: "", lastResponse: $0, firstSeen: .distantPast) }
    differ { UserSummary(UserRecord(userID: $0)) }
    differ { StoreChange(batchSequence: 1, userID: $0, kind: .lagged) }
    differ { EmbedderIdentity(name: $0, dimension: 1, version: "1") }
    differ { EmbedderIdentity(name: "n", dimension: 1, version: $0) }
    differ { ErasureReceipt.Subject.user($0) }
    differ { AuditReport.Name(name: $0, count: 1) }
    differ { AuditReport.User(userID: $0, memories: 1, contexts: 1, embeddings: 1, textBytes: 1) }
    differ { AuditReport.Group(userID: $0, count: 1, ids: [], excerpt: "") }
    differ { AuditReport.Group(userID: "", count: 1, ids: [], excerpt: $0) }
    differ { AuditReport.Partial(userID: $0, embeddings: 1, compared: 1, possible: 1) }
    differ { AuditReport.Constant(count: 1, users: 1, texts: 1, ids: [], excerpt: $0) }
    #expect(CBORValue.text(pair.first) != .text(pair.second))
    #expect(JSONValue.string(pair.first) != .string(pair.second))
  }

  /// One memory for each string of the pair in every field, all with rows in one block.
  private func fill(_ store: MemoryStore, _ pair: Pair, user: String) async throws -> [MemoryID] {
    try await store.add(
      pair.both.flatMap { name in
        [
          MemoryDraft(userID: user, text: "kind", embedding: [1, 0], kind: name, metadata: ["field": .string(name)]),
          MemoryDraft(userID: user, text: "session", embedding: [1, 0], sessionID: name, metadata: [name: 1]),
          MemoryDraft(userID: user, text: name, embedding: [0, 1], speaker: name, dedupeKey: name),
        ]
      }
    ).map(\.id)
  }

  @Test(arguments: pairs) func everyEntryOfAStoreTellsThePairApart(_ pair: Pair) async throws {
    let store = try await scratch.open(dimension: 2, metric: .dot)
    var ids: [String: [MemoryID]] = [:]
    let users = [Exact(pair.first): "first", Exact(pair.second): "second"]
    for user in pair.both { ids[try #require(users[Exact(user)])] = try await fill(store, pair, user: user) }
    for (index, user) in pair.both.enumerated() {
      try await store.put(UserContext(userID: user, conversationsCount: index, preferences: [user: user], topics: pair.both))
    }
    // Users, pages and contexts.
    #expect(Set(try store.users().map { Exact($0.userID) }) == Set(pair.both.map { Exact($0) }))
    for (index, user) in pair.both.enumerated() {
      let context = try #require(try store.context(for: user))
      #expect(context.userID.hasSameBytes(as: user) && context.conversationsCount == index)
      #expect(context.topics.hasSameBytes(as: pair.both) && context.preferences.hasSameBytes(as: [user: user]))
      let name = try #require(users[Exact(user)])
      #expect(Set(try store.memories(for: user).map(\.id)) == Set(try #require(ids[name])))
      #expect(try store.count(scope: .user(user)) == 6)
    }
    // Filters: by columns, by records, and in what they delete.
    let scope = SearchScope.user(pair.first)
    let own = try #require(ids["first"])
    for (index, name) in pair.both.enumerated() {
      for (filter, place) in [
        (Filter.kind(name), 0), (.metadata("field", equals: .string(name)), 0), (.session(name), 1), (.hasMetadata(name), 1),
        (.metadata(name, equals: 1), 1), (.metadataRange(name, from: 0, to: 2), 1), (.speaker(name), 2),
      ] {
        let id = own[index * 3 + place]
        #expect(try await store.ids(scope: scope, filter: filter) == [id], "\(filter)")
        #expect(try store.search(SearchQuery(embedding: [1, 1], scope: scope, filter: filter)).map(\.memory.id) == [id], "\(filter)")
        #expect(try store.memories(for: pair.first, filter: filter).map(\.id) == [id])
        let others = try store.search(SearchQuery(embedding: [1, 1], scope: scope, filter: !filter)).map(\.memory.id)
        #expect(Set(others) == Set(own).subtracting([id]), "\(filter)")
      }
      // Dedupe keys and tokens.
      #expect(try await store.add(MemoryDraft(userID: pair.first, text: "again", dedupeKey: name)).id == own[index * 3 + 2])
      try await store.write(token: name) { _ = try $0.put(UserContext(userID: pair.first, conversationsCount: 9)) }
      await expectCode(.conflict) { try await store.write(token: name) { _ = try $0.put(UserContext(userID: pair.first)) } }
    }
    // A range of strings is a range of bytes.
    let low = pair.first.precedesInBytes(pair.second) ? pair.first : pair.second
    let inRange = try await store.ids(scope: scope, filter: .metadataRange("field", from: .string(low), to: .string(low + "\0")))
    #expect(inRange.count == 1)
    // A text that is composed differently is another text, so it needs another embedding.
    await expectCode(.embeddingRequired) { try await store.update(own[2], for: pair.first) { $0.with(text: pair.second) } }
    let second = pair.second
    try await store.update(own[0], for: pair.first) { $0.with(kind: second) }
    #expect(try await store.count(scope: scope, filter: .kind(pair.second)) == 2)
    #expect(try await store.count(scope: scope, filter: .kind(pair.first)) == 0)
    let first = pair.first
    try await store.update(own[0], for: pair.first) { $0.with(kind: first) }
    // Audit.
    let audit = try await store.audit(AuditOptions(scope: scope))
    #expect(audit.kinds.distinct == 2 && audit.metadataKeys.distinct == 3 && audit.sessions == 2)
    let problems = try await store.verify(deep: true).problems
    #expect(problems.isEmpty, "\(problems)")
    // Deleting by a filter, and the changes that report it.
    let changes = try store.changes(for: pair.second)
    try await store.write { transaction in
      _ = try transaction.delete(where: .kind(second), scope: .user(first))
      _ = try transaction.delete(where: .session(first), scope: .user(second))
    }
    #expect(Set(try store.memories(for: pair.first).map(\.id)) == Set(own).subtracting([own[3]]))
    let other = try #require(ids["second"])
    var iterator = changes.makeAsyncIterator()
    #expect(try await iterator.next()?.kind == .memoryDeleted(other[1]))
    #expect(try store.memory(other[0], for: pair.second) != nil)
    // Forgetting one user leaves the other.
    _ = try await store.forget(userID: pair.second)
    #expect(try store.users().count == 1)
    #expect(try store.count(scope: .user(pair.first)) == 5 && store.count(scope: .user(pair.second)) == 0)
    try await store.close()
  }

  @Test(arguments: pairs) func copiesTellThePairApart(_ pair: Pair) async throws {
    let places = TemporaryDirectory()
    let store = try await scratch.open(dimension: 2)
    for user in pair.both {
      _ = try await fill(store, pair, user: user)
      try await store.put(UserContext(userID: user, preferences: [user: user]))
    }
    var exported: [UInt8] = []
    _ = try store.exportLines { exported += $0 }
    _ = try await store.backup(to: URL(filePath: places.path("backup")))
    try await store.compact()
    #expect(try await store.verify(deep: true).isIntact)
    try await store.close()
    _ = try await MemoryStore.repair(scratch.url, into: URL(filePath: places.path("repaired")))
    let lines = places.path("lines.jsonl")
    try Data(exported).write(to: URL(filePath: lines))
    let imported = try await MemoryStore.open(at: URL(filePath: places.path("imported")), options: StoreOptions(dimension: 2))
    _ = try await imported.importLines(from: [try #require(try ImportSource(path: lines))], onConflict: .fail)
    try await imported.close()
    for name in ["backup", "repaired", "imported"] {
      let copy = try await MemoryStore.open(at: URL(filePath: places.path(name)), options: StoreOptions())
      #expect(try await copy.verify(deep: true).isIntact, "\(name)")
      var again: [UInt8] = []
      _ = try copy.exportLines { again += $0 }
      #expect(again == exported, "\(name)")
      try await copy.close()
    }
  }

  /// A dictionary cannot hold both keys, so input that would lose one is refused.
  @Test(arguments: pairs) func keysThatADictionaryCannotHoldBothAreRefused(_ pair: Pair) async throws {
    let places = TemporaryDirectory()
    let store = try await scratch.open()
    func refusal(_ line: String) async throws -> StoreError? {
      let path = places.path("lines.jsonl")
      try Data(line.utf8).write(to: URL(filePath: path))
      let source = try #require(try ImportSource(path: path))
      return await storeError { _ = try await store.importLines(from: [source], onConflict: .fail) }
    }
    let entries = #"{"\#(pair.first)":"1","\#(pair.second)":"2"}"#
    #expect(try await refusal(#"{"type":"memory","userID":"u","text":"t","metadata":\#(entries)}"#)?.code == .invalidImport)
    let context = #"{"type":"context","recordType":"UserContext","userID":"u","value":{"firstSeen":0,"preferences":\#(entries)}}"#
    #expect(try await refusal(context)?.code == .decodingFailed)
    // A record of another type keeps both: only reading it into a dictionary is refused.
    #expect(try await refusal(#"{"type":"context","recordType":"Table","userID":"u","value":{"cells":\#(entries)}}"#) == nil)
    await expectCode(.decodingFailed) { _ = try store.context(Table.self, for: "u") }
    var exported: [UInt8] = []
    _ = try store.exportLines { exported += $0 }
    #expect(String(decoding: exported, as: UTF8.self).utf8.split(separator: 0x0A).count == 2)
    for name in pair.both { #expect(exported.firstRange(of: Array(#""\#(name)":"#.utf8)) != nil) }
    #expect(try store.count() == 0)
    #expect(try await store.verify().isIntact)
    try await store.close()
  }

  private struct Table: ContextRecord {
    let userID: String
    let cells: [String: String]
  }

  @Test func aDictionaryKeepsItsHashWhateverTheOrderOfItsKeys() {
    var random = SeededGenerator(seed: 91)
    let keys = (0..<40).map { "key \($0)" } + Self.pairs.map(\.first)
    var left: [String: MetadataValue] = [:]
    var right: [String: MetadataValue] = [:]
    right.reserveCapacity(1000)
    for key in keys { left[key] = 1 }
    for key in keys.shuffled(using: &random) { right[key] = 1 }
    #expect(Exact(left) == Exact(right) && Exact(left).hashValue == Exact(right).hashValue)
    #expect(left.value(forBytesOf: Self.pairs[0].first) == 1 && left.value(forBytesOf: Self.pairs[0].second) == nil)
    let set = left.setWithoutLoss(2, forKey: Self.pairs[0].second)
    #expect(!set)
  }

  /// A path beside the store whose name is canonically equal to the store's is outside of it; a path below the store is inside even if its
  /// name begins with a combining mark.
  @Test func pathsAreComparedByBytes() async throws {
    #expect("/a/store/\u{301}b/".hasBytePrefix("/a/store/"))
    #expect(!"/a/caf\u{E9}/".hasBytePrefix("/a/cafe\u{301}/"))
    let places = TemporaryDirectory()
    for name in Self.pairs[0].both {
      let store = try await MemoryStore.open(at: URL(filePath: places.path(name)), options: StoreOptions())
      try await store.put(UserContext(userID: name))
      try await store.close()
    }
    for name in Self.pairs[0].both {
      let store = try await MemoryStore.open(at: URL(filePath: places.path(name)), options: StoreOptions())
      #expect(try store.users().map { Exact($0.userID) } == [Exact(name)])
      try await store.close()
    }
  }
}
