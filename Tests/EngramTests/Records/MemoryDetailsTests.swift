import Files
import Foundation
import LMDB
import TestSupport
import Testing

@testable import Engram

/// Tags, captions, validity, sources, trust, origins and replacement: the fields of the second version of records and columns.
@Suite(.serialized) struct MemoryDetailsTests {
  private let place = TestStore()

  private func detailed(_ number: Int = 1) -> MemoryDraft {
    var draft = TestStore.draft("u", number)
    draft.tags = ["travel", "food", "travel"]
    draft.caption = "a ticket to Lisbon, second class"
    draft.validFrom = Date(timeIntervalSince1970: 1_000.0004)
    draft.validUntil = Date(timeIntervalSince1970: 2_000)
    draft.source = "https://example.org/mail/17"
    draft.trust = .medium
    draft.derivedFrom = [MemoryID(high: 5, low: 6), MemoryID(high: 1, low: 2)]
    return draft
  }

  private func expectDetails(_ memory: Memory?, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let memory = try #require(memory, sourceLocation: sourceLocation)
    #expect(memory.tags == ["food", "travel"], sourceLocation: sourceLocation)
    #expect(memory.caption == "a ticket to Lisbon, second class", sourceLocation: sourceLocation)
    #expect(memory.validFrom == Date(timeIntervalSince1970: 1_000), sourceLocation: sourceLocation)
    #expect(memory.validUntil == Date(timeIntervalSince1970: 2_000), sourceLocation: sourceLocation)
    #expect(memory.source == "https://example.org/mail/17" && memory.trust == .medium, sourceLocation: sourceLocation)
    #expect(memory.derivedFrom == [MemoryID(high: 5, low: 6), MemoryID(high: 1, low: 2)], sourceLocation: sourceLocation)
  }

  private func announced(_ store: MemoryStore) throws -> UInt64 {
    try store.core.live.read { reader in
      guard let value = try reader.value(.store, in: Tables.Meta.self) else { return .max }
      return try StoreRecord(value).features.incompatible
    }
  }

  private func ids(_ store: MemoryStore, _ query: SearchQuery) throws -> Set<MemoryID> { Set(try store.search(query).map(\.memory.id)) }

  @Test(.timeLimit(.minutes(5))) func everyFieldComesBackByEveryWay() async throws {
    let store = try await place.open()
    let id = try await store.add(detailed()).id
    try expectDetails(try store.memory(id, for: "u"))
    try expectDetails(try store.memories(for: "u").first)
    try expectDetails(try store.search(SearchQuery(embedding: TestStore.vector(1), scope: .user("u"))).first?.memory)
    try await store.write { try expectDetails($0.memory(id, for: "u")) }
    // An update keeps the fields that it does not name.
    try await store.update(id, for: "u") { $0.with(kind: .some("k")) }
    try expectDetails(try store.memory(id, for: "u"))
    try await store.close()
    let again = try await place.open()
    try expectDetails(try again.memory(id, for: "u"))
    try await again.compact()
    try expectDetails(try again.memory(id, for: "u"))
    let backup = place.directory.path("backup")
    try await again.backup(to: URL(fileURLWithPath: backup))
    #expect(try await again.verify().problems == [])
    let changed = try await again.update(id, for: "u") {
      $0.with(
        tags: [], caption: .some(nil), validFrom: .some(nil), validUntil: .some(nil), source: .some(nil), trust: .some(nil), derivedFrom: []
      )
    }
    #expect(try changed == again.memories(for: "u").first)
    #expect(!changed.hasDetails)
    #expect(try await again.verify().problems == [])
    try await again.close()
    let copy = try await MemoryStore.open(at: URL(fileURLWithPath: backup))
    try expectDetails(try copy.memory(id, for: "u"))
    try await copy.close()
  }

  /// As long as no memory uses the new fields, an earlier version can read the store. The commit that first uses one announces the new
  /// format.
  @Test(.timeLimit(.minutes(5))) func theFirstUseAnnouncesTheFormat() async throws {
    let store = try await place.open()
    let plain = try await store.add(TestStore.draft("u", 1)).id
    #expect(try announced(store) == 0)
    // A body that fails does not announce the format.
    await #expect(throws: CancellationError.self) {
      try await store.write { transaction in
        try transaction.add(detailed())
        throw CancellationError()
      }
    }
    #expect(try announced(store) == 0 && store.count() == 1)
    try await store.update(plain, for: "u") { $0.with(tags: ["x"]) }
    #expect(try announced(store) == StoreRecord.Features.memoryDetails | StoreRecord.Features.memoryVersions)
    for generation in [2, 3] as [UInt64] {
      #expect(try await store.compact().generation == generation)
      #expect(try announced(store) == StoreRecord.Features.memoryDetails | StoreRecord.Features.memoryVersions)
    }
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func whatAnUnannouncedStoreHoldsIsAProblem() async throws {
    let store = try await place.open()
    try await store.add(detailed())
    try await store.write { transaction in
      var record = try transaction.batch.storeRecord()
      record.features.incompatible = 0
      try transaction.batch.put(.store, record.encoded(), in: Tables.Meta.self)
      // A batch that changes nothing else is not committed.
      try transaction.add(TestStore.draft("u", 2))
    }
    let problems = try await store.verify().problems
    #expect(problems.count == 1 && problems[0].contains("does not announce"), "\(problems)")
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func columnsThatContradictTheRecordAreAProblem() async throws {
    for change in 0..<5 {
      let place = TestStore()
      let store = try await place.open()
      let id = try await store.add(detailed()).id
      try await store.write { transaction in
        let key = BlockKey(user: transaction.batch.reader.userKey("u"), number: 0)
        var block = try transaction.batch.block(key)
        #expect(block.columns.slots[0].id == id)
        switch change {
        case 0: block.columns.slots[0].details?.tags = ["food"]
        case 1: block.columns.slots[0].details?.trust = 3
        case 2: block.columns.slots[0].details?.validFrom = 0
        case 3: block.columns.slots[0].details?.validUntil = 0
        default:
          block.columns.slots[0].details?.isSuperseded = true
          block.markBySlots()
        }
        try transaction.batch.setBlock(key, block)
      }
      let problems = try await store.verify().problems
      #expect(problems.count == 1 && problems[0].contains("is not what memory \(id) says"), "\(change): \(problems)")
      try await store.close()
    }
  }

  @Test(.timeLimit(.minutes(5))) func whatIsOutOfBoundsIsRefusedByName() async throws {
    let store = try await place.open()
    let id = try await store.add(TestStore.draft("u", 1)).id
    let long = String(repeating: "x", count: 1025)
    let cases: [(String, StoreError.Code, (inout MemoryDraft) -> Void)] = [
      ("33 tags", .valueTooLarge, { $0.tags = (0..<33).map { "t\($0)" } }),
      ("the tag ''", .invalidArgument, { $0.tags = [""] }),
      ("129 UTF-8 bytes", .invalidArgument, { $0.tags = [String(repeating: "t", count: 129)] }),
      ("source", .valueTooLarge, { $0.source = long }),
      ("the caption", .valueTooLarge, { $0.caption = String(repeating: "x", count: 65_537) }),
      ("validUntil lies before", .invalidArgument, { ($0.validFrom, $0.validUntil) = (Date(), Date() - 1) }),
      ("validFrom", .invalidArgument, { $0.validFrom = Date(timeIntervalSince1970: .nan) }),
      ("validUntil", .invalidArgument, { $0.validUntil = .distantFuture.addingTimeInterval(1e12) }),
      ("65 others", .valueTooLarge, { $0.derivedFrom = (0..<65).map { MemoryID(high: $0, low: 0) } }),
      ("itself", .invalidArgument, { ($0.id, $0.derivedFrom) = (MemoryID(high: 9, low: 9), [MemoryID(high: 9, low: 9)]) }),
      ("no memory", .notFound, { $0.replaces = MemoryID(high: 9, low: 9) }),
    ]
    for (words, code, change) in cases {
      var draft = TestStore.draft("u", 2)
      change(&draft)
      let error = await #expect(throws: StoreError.self, "\(words)") { _ = try await store.add(draft) }
      #expect(error?.code == code && error?.message.contains(words) == true, "\(words): \(String(describing: error))")
    }
    await expectCode(.invalidArgument) {
      _ = try await store.update(id, for: "u") { $0.with(validFrom: .some(Date()), validUntil: .some(Date() - 1)) }
    }
    #expect(try store.count() == 1)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aReplacementHidesWhatItReplaces() async throws {
    let store = try await place.open()
    let old = try await store.add(TestStore.draft("u", 1)).id
    let other = try await store.add(TestStore.draft("w", 1)).id
    var draft = TestStore.draft("u", 2)
    draft.replaces = old
    let new = try await store.add(draft).id
    #expect(try store.memory(old, for: "u")?.supersededBy == new)
    #expect(try store.memory(new, for: "u")?.replaces == old)
    var query = SearchQuery(embedding: TestStore.vector(1), scope: .user("u"), includesExplanation: true)
    let hit = try #require(try store.search(query).first)
    #expect(hit.memory.id == new && hit.explanation?.rowsInScope == 1)
    query.includesSuperseded = true
    #expect(try ids(store, query) == [old, new])
    #expect(try ids(store, SearchQuery(embedding: TestStore.vector(1), scope: .all)) == [new, other])
    // In a batch of queries, each query decides for itself.
    let batch = try store.search(batch: [query, SearchQuery(embedding: TestStore.vector(1), scope: .user("u"))])
    #expect(batch.map(\.count) == [2, 1])
    // All other calls show the superseded memory.
    #expect(try store.count() == 3 && store.memories(for: "u").count == 2)
    #expect(try store.memories(for: "u", filter: !.superseded).map(\.id) == [new])

    var second = TestStore.draft("u", 3)
    second.replaces = old
    await expectCode(.conflict) { _ = try await store.add(second) }
    // A memory of another user counts as missing.
    second.replaces = other
    await expectCode(.notFound) { _ = try await store.add(second) }
    #expect(try store.memory(other, for: "w")?.supersededBy == nil)
    // The mark remains when the memory that set it is deleted; an update can remove it.
    try await store.delete(new, for: "u")
    #expect(try ids(store, SearchQuery(embedding: TestStore.vector(1), scope: .user("u"))) == [])
    try await store.update(old, for: "u") { $0.with(supersededBy: .some(nil)) }
    #expect(try ids(store, SearchQuery(embedding: TestStore.vector(1), scope: .user("u"))) == [old])
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func nothingOfThemIsLeftAfterAnErasure() async throws {
    let store = try await place.open()
    let kept = try await store.add(TestStore.draft("w", 1)).id
    try await store.add((0..<50).map { detailed($0) })
    let receipt = try await store.forget(userID: "u", verifiesErasure: true)
    #expect(receipt.isComplete && receipt.scan?.isClean == true, "\(receipt)")
    for name in try Directories.entries("\(place.path)/gen-2") {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(place.path)/gen-2/\(name)"))
      #expect(bytes.range(of: Data("a ticket to Lisbon".utf8)) == nil && bytes.range(of: Data("example.org/mail".utf8)) == nil, "\(name)")
    }
    #expect(try store.memory(kept, for: "w") != nil)
    try await store.close()
  }

  private func parse(_ line: [UInt8]) throws {
    var parser = LineParser(dimension: nil)
    _ = try unsafe line.withUnsafeBytes { unsafe try parser.parse($0) }
  }

  @Test(.timeLimit(.minutes(5))) func anExportIsTakenBackWithoutLoss() async throws {
    let store = try await place.open()
    let old = try await store.add(TestStore.draft("u", 1)).id
    var draft = detailed(2)
    draft.replaces = old
    try await store.add([draft, TestStore.draft("u", 3)])
    var lines: [UInt8] = []
    _ = try store.exportLines { lines += $0 }
    try await store.close()
    let file = place.directory.path("lines.jsonl")
    try Data(lines).write(to: URL(fileURLWithPath: file))
    let copy = try await MemoryStore.open(at: URL(fileURLWithPath: place.directory.path("copy")), options: StoreOptions(dimension: 8))
    _ = try await copy.importJSONLines(from: [URL(fileURLWithPath: file)])
    var again: [UInt8] = []
    _ = try copy.exportLines { again += $0 }
    #expect(String(decoding: again, as: UTF8.self) == String(decoding: lines, as: UTF8.self))
    #expect(try await copy.verify().problems == [])
    try await copy.close()
    for (line, words) in [
      (#""tags": "x""#, "tags"), (#""trust": "total""#, "low, medium, high"), (#""derivedFrom": ["x"]"#, "derivedFrom"),
      (#""tags": ["a"], "tags": ["b"]"#, "twice"),
    ] {
      let text = Array(#"{"type": "memory", "userID": "u", "text": "t", \#(line)}"#.utf8)
      let error = #expect(throws: StoreError.self) { try parse(text) }
      #expect(error?.code == .invalidImport && error?.message.contains(words) == true, "\(String(describing: error))")
    }
  }
}
