import Formats
import Foundation
import LMDB
import TestSupport
import Testing

@testable import Engram

/// Versions of memories: an update, an upsert and a successor's mark each make one.
@Suite(.serialized) struct MemoryVersionTests {
  private let place = TestStore()

  private static func options(historyLimit: Int = 16) -> StoreOptions { StoreOptions(dimension: 8, historyLimit: historyLimit) }

  /// Version numbers and texts, the newest first.
  private func history(_ store: MemoryStore, _ id: MemoryID) throws -> [String] {
    try store.history(of: id, for: "u", limit: 100).map { "\($0.version) \($0.text)" }
  }

  private func rewrite(_ store: MemoryStore, _ id: MemoryID, _ number: Int) async throws -> Memory {
    try await store.update(id, for: "u", embedding: TestStore.vector(number)) { $0.with(text: "text \(number)") }
  }

  private func entries(_ store: MemoryStore) throws -> Int { try store.readOnce { try $0.entryCount(of: Tables.History.self) } }

  @Test(.timeLimit(.minutes(5))) func versionsCountFromOneAndAreKept() async throws {
    let store = try await place.open()
    let id = try await store.add(TestStore.draft("u", 1)).id
    let fresh = try #require(try store.memory(id, for: "u"))
    #expect(fresh.version == 1 && fresh.updatedAt == fresh.createdAt && fresh.change == nil)
    #expect(try history(store, id) == [] && entries(store) == 0)
    #expect(try store.readOnce { try $0.storedRecord().features.incompatible } == 0)
    for number in 2...4 {
      let stored = try await rewrite(store, id, number)
      #expect(stored.version == number && abs(stored.updatedAt.timeIntervalSinceNow) < 600)
      let found = try #require(try store.memory(id, for: "u"))
      #expect(found.version == number && found.updatedAt == stored.updatedAt && found.createdAt == fresh.createdAt)
    }
    #expect(try store.readOnce { try $0.storedRecord().features.incompatible } == StoreRecord.Features.memoryVersions)
    let expected = ["3 text 3", "2 text 2", "1 memory 1"]
    #expect(try history(store, id) == expected)
    #expect(try store.history(of: id, for: "u", limit: 2).map(\.version) == [3, 2])
    #expect(try store.history(of: id, for: "u", limit: 0).isEmpty)
    #expect(try store.read { try $0.history(of: id, for: "u").map(\.version) } == [3, 2, 1])
    #expect(try await store.write { try $0.history(of: id, for: "u").map(\.version) } == [3, 2, 1])
    #expect(try store.history(of: id, for: "v").isEmpty && store.history(of: MemoryID(), for: "u").isEmpty)
    await expectCode(.invalidArgument) { _ = try store.history(of: id, for: "u", limit: -1) }
    #expect(try await store.verify().problems == [])
    try await store.compact()
    #expect(try history(store, id) == expected)
    try await store.close()
    let again = try await place.open()
    #expect(try history(again, id) == expected && again.memory(id, for: "u")?.version == 4)
    let backup = URL(fileURLWithPath: place.directory.path("backup"))
    try await again.backup(to: backup)
    // Deleting a memory deletes its versions.
    #expect(try await again.delete(id, for: "u"))
    #expect(try entries(again) == 0)
    #expect(try await again.verify().problems == [])
    try await again.close()
    let copy = try await MemoryStore.open(at: backup)
    #expect(try history(copy, id) == expected)
    #expect(try await copy.verify().problems == [])
    try await copy.close()
  }

  @Test(.timeLimit(.minutes(5)), arguments: [0, 1, 3]) func onlySoManyAreKept(_ limit: Int) async throws {
    let store = try await place.open(Self.options(historyLimit: limit))
    let id = try await store.add(TestStore.draft("u", 1)).id
    for number in 2...9 {
      #expect(try await rewrite(store, id, number).version == number)
      let versions = try store.history(of: id, for: "u").map(\.version)
      #expect(versions == Array((1..<number).suffix(limit).reversed()))
      #expect(try entries(store) == versions.count)
    }
    try await store.close()
    let lower = try await place.open(Self.options(historyLimit: 0))
    try await lower.update(id, for: "u") { $0.with(importance: 1) }
    #expect(try entries(lower) == 0 && lower.memory(id, for: "u")?.version == 10)
    #expect(try await lower.verify().problems == [])
    try await lower.close()
  }

  @Test(.timeLimit(.minutes(5))) func upsertsAndSuccessorsMakeVersions() async throws {
    let store = try await place.open()
    var draft = TestStore.draft("u", 1)
    draft.dedupeKey = "k"
    let id = try await store.add(draft).id
    var changed = TestStore.draft("u", 2)
    changed.dedupeKey = "k"
    let upserted = changed
    try await store.write { _ = try $0.upsert(upserted) }
    #expect(try store.memory(id, for: "u")?.version == 2)
    var successor = TestStore.draft("u", 3)
    successor.replaces = id
    let other = try await store.add(successor).id
    #expect(try store.memory(id, for: "u")?.version == 3 && store.memory(id, for: "u")?.supersededBy == other)
    #expect(try history(store, id) == ["2 memory 2", "1 memory 1"])
    #expect(try store.memory(other, for: "u")?.version == 1)
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aMismatchChangesNothing() async throws {
    let store = try await place.open()
    let id = try await store.add(TestStore.draft("u", 1)).id
    _ = try await rewrite(store, id, 2)
    let sequence = try store.status.batchSequence
    let called = Recorder<Int>()
    for version in [1, 3, Int.max] {
      let error = await storeError {
        try await store.update(id, for: "u", ifVersion: version) {
          called.append(version)
          return $0
        }
      }
      #expect(error?.code == .versionMismatch && error?.message.contains("version \(version), and is version 2") == true, "\(version)")
      await expectCode(.versionMismatch) { try await store.revert(id, for: "u", to: 1, ifVersion: version) }
    }
    await expectCode(.invalidArgument) { try await store.update(id, for: "u", ifVersion: 0) { $0 } }
    await expectCode(.notFound) { try await store.update(id, for: "v", ifVersion: 2) { $0 } }
    #expect(called.values.isEmpty)
    #expect(try store.status.batchSequence == sequence)
    #expect(try await store.update(id, for: "u", ifVersion: 2) { $0.with(importance: 1) }.version == 3)
    try await store.close()
  }

  /// Of several writers that expect the version that they read, one succeeds for each version.
  @Test(.timeLimit(.minutes(5))) func noUpdateIsLost() async throws {
    let store = try await place.open()
    let id = try await store.add(TestStore.draft("u", 1)).id
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          var done = 0
          while done < 10 {
            let memory = try #require(try store.memory(id, for: "u"))
            do {
              try await store.update(id, for: "u", ifVersion: memory.version) { _ in
                memory.with(metadata: ["count": .integer(Int64(memory.version))])
              }
              done += 1
            } catch let error as StoreError where error.code == .versionMismatch {}
          }
        }
      }
      try await group.waitForAll()
    }
    let memory = try #require(try store.memory(id, for: "u"))
    #expect(memory.version == 41 && memory.metadata == ["count": .integer(40)])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func anEarlierVersionComesBack() async throws {
    let store = try await place.open()
    let id = try await store.add(TestStore.draft("u", 1)).id
    try await store.update(id, for: "u") { $0.with(kind: .some("note"), tags: ["x"]) }
    let row = try store.embedding(of: id, for: "u")
    // The text is the same, so the row stays.
    let back = try await store.revert(id, for: "u", to: 1)
    #expect(back.version == 3 && back.kind == nil && back.tags == [] && back.text == "memory 1")
    #expect(try store.embedding(of: id, for: "u") == row)
    _ = try await rewrite(store, id, 2)
    await expectCode(.embeddingRequired) { try await store.revert(id, for: "u", to: 2) }
    let again = try await store.revert(id, for: "u", to: 2, ifVersion: 4, embedding: TestStore.vector(1))
    #expect(again.version == 5 && again.kind == "note" && again.tags == ["x"] && again.text == "memory 1")
    #expect(try store.embedding(of: id, for: "u") == row)
    for version in [-1, 0, 5, 6] {
      let error = await storeError { try await store.revert(id, for: "u", to: version) }
      #expect(error?.code == .notFound && error?.message.contains("no earlier version \(version):") == true)
    }
    await expectCode(.notFound) { try await store.revert(id, for: "v", to: 1) }
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func theEmbedderMakesTheEmbeddingOfAnEarlierText() async throws {
    let embedder = HashingEmbedder(dimension: 64)
    let store = try await place.open(StoreOptions(embedder: embedder))
    let id = try await store.add(MemoryDraft(userID: "u", text: "likes ramen with egg")).id
    let first = try store.embedding(of: id, for: "u")
    try await store.update(id, for: "u") { $0.with(text: "prefers cold soba") }
    #expect(try store.embedding(of: id, for: "u") != first)
    let memory = try await store.revert(id, for: "u", to: 1)
    #expect(memory.text == "likes ramen with egg" && memory.version == 3)
    #expect(try store.embedding(of: id, for: "u") == first)
    await expectCode(.versionMismatch) { try await store.update(id, for: "u", ifVersion: 2) { $0.with(text: "x") } }
    try await store.close()
  }

  // MARK: Copies and erasure

  /// A copy made while memories change has, for each memory, the versions that it has in the end.
  @Test(.timeLimit(.minutes(5))) func aRebuildBesideUpdatesKeepsTheVersions() async throws {
    let store = try await place.open()
    let ids = try await store.add((0..<200).map { TestStore.draft("u", $0) }).map(\.id)
    async let compaction: Void = { for _ in 0..<4 { try await store.compact() } }()
    for round in 1...4 {
      try await store.write { transaction in
        for (index, id) in ids.enumerated() where !(1..<round).contains(index) {
          try transaction.update(id, for: "u") { $0.with(importance: Double(round) / 4) }
        }
      }
      try await store.delete(ids[round], for: "u")
    }
    try await compaction
    try await store.compact()
    for (index, id) in ids.enumerated() {
      let versions = try store.history(of: id, for: "u").map(\.version)
      #expect(versions == ((1...4).contains(index) ? [] : [4, 3, 2, 1]))
    }
    #expect(try entries(store) == 196 * 4)
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  private func files(with needle: String) throws -> [String] {
    let data = Data(needle.utf8)
    return try FileManager.default.subpathsOfDirectory(atPath: place.path).filter { name in
      // Opening LMDB's lock table would drop this process's locks.
      guard !name.hasSuffix("lock.mdb"), let bytes = FileManager.default.contents(atPath: "\(place.path)/\(name)") else { return false }
      return bytes.range(of: data) != nil
    }
  }

  @Test(.timeLimit(.minutes(5)), arguments: [false, true]) func aTextThatOnlyAnEarlierVersionHadIsErased(ofUser: Bool) async throws {
    let store = try await place.open()
    let secret = "the door code is forty-two seventeen"
    let id = try await store.add(MemoryDraft(userID: "u", text: secret, embedding: TestStore.vector(1))).id
    let other = try await store.add(TestStore.draft(ofUser ? "v" : "u", 2)).id
    let owner = ofUser ? "v" : "u"
    try await store.update(other, for: owner) { $0.with(kind: .some("kept")) }
    _ = try await rewrite(store, id, 3)
    try await store.compact()
    #expect(try !files(with: secret).isEmpty)
    let receipt =
      if ofUser {
        try await store.forget(userID: "u", verifiesErasure: true)
      } else {
        try await store.erase([id], for: "u", verifiesErasure: true)
      }
    #expect(receipt.memories == 1 && receipt.versions == 1)
    let (before, after) = (try #require(receipt.scanBefore), try #require(receipt.scan))
    #expect(before.hits[.text] ?? 0 >= 1 && after.isClean && after.searched == before.searched, "\(before) \(after)")
    #expect(try files(with: secret).isEmpty)
    #expect(try store.history(of: other, for: owner).map(\.version) == [1] && entries(store) == 1)
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  // MARK: Verification and repair

  /// Stores a version under any key, so that verification must find the damage; the rest of the commit is valid.
  private func put(_ memory: Memory, under id: MemoryID, _ version: UInt64, of user: String, in store: MemoryStore) async throws {
    try await store.write { transaction in
      let name = MemoryVersions(user: transaction.batch.reader.userKey(user), id: id)
      let value = transaction.batch.encoded { MemoryRecord(memory: memory, row: nil).encode(into: &$0) }
      try transaction.batch.put(.memory(MemoryVersionKey(name, version: version)), value, in: Tables.History.self)
      // A batch that changes nothing else is not committed.
      try transaction.add(TestStore.draft("else", 2))
    }
  }

  @Test(.timeLimit(.minutes(5)), arguments: ["no memory", "present", "number", "user", "owner", "announced"])
  func aVersionInTheWrongPlaceIsFound(_ damage: String) async throws {
    let store = try await place.open()
    let id = try await store.add(TestStore.draft("u", 1)).id
    let second = try await rewrite(store, id, 2)
    let third = try await rewrite(store, id, 3)
    let absent = MemoryID()
    let expected: String
    switch damage {
    case "no memory":
      try await put(second, under: absent, 2, of: "u", in: store)
      expected = "version 2 of memory \(absent) has no present one"
    case "present":
      try await put(third, under: id, 3, of: "u", in: store)
      expected = "version 3 of memory \(id) is not earlier than the present one"
    case "number":
      try await put(third, under: id, 2, of: "u", in: store)
      expected = "version 3 of memory \(id) is under another number"
    case "user":
      try await put(second, under: id, 2, of: "else", in: store)
      expected = "version 2 of memory \(id) is under another user's key"
    case "owner":
      let stolen = Memory(
        id: id, userID: "else", text: "x", kind: nil, sessionID: nil, speaker: nil, createdAt: second.createdAt, importance: 0.5,
        expiresAt: nil, dedupeKey: nil, metadata: [:], change: second.change)
      try await put(stolen, under: id, 2, of: "else", in: store)
      expected = "version 2 of memory \(id) has no present one"
    default:
      try await store.write { transaction in
        var record = try transaction.batch.storeRecord()
        record.features.incompatible = 0
        try transaction.batch.put(.store, record.encoded(), in: Tables.Meta.self)
        try transaction.add(TestStore.draft("else", 2))
      }
      expected = "memory \(id) has a version of a later format, which the store does not announce"
    }
    let problems = try await store.verify().problems
    #expect(problems.count == 1 && problems[0].contains(expected), "\(problems)")
    if damage != "announced", damage != "number" {
      // A rebuild copies only the versions that belong to each memory.
      try await store.compact()
      #expect(try store.history(of: id, for: "u").map(\.version) == [2, 1])
      #expect(try await store.verify().problems == [])
    }
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aRepairKeepsVersionsWithTheirMemory() async throws {
    let store = try await place.open()
    let ids = try await store.add((0..<3).map { TestStore.draft("u", $0) }).map(\.id)
    for id in ids {
      for number in 2...3 { _ = try await rewrite(store, id, number) }
    }
    // A version whose memory does not exist.
    let orphan = try #require(try store.history(of: ids[0], for: "u").first)
    try await put(orphan, under: MemoryID(), 2, of: "u", in: store)
    try await store.close()
    let repaired = URL(fileURLWithPath: place.directory.path("repaired"))
    let report = try await MemoryStore.repair(place.url, into: repaired)
    #expect(report.losses == [] && report.versions == 6, "\(report)")
    let copy = try await MemoryStore.open(at: repaired)
    for id in ids {
      #expect(try copy.history(of: id, for: "u").map(\.version) == [2, 1] && copy.memory(id, for: "u")?.version == 3)
    }
    #expect(try await copy.verify().problems == [])
    try await copy.close()
  }

  /// A lost version is reported, and the versions around it stay: in the new store, a gap is not damage.
  @Test(.timeLimit(.minutes(5))) func aRepairNamesALostVersion() async throws {
    let store = try await place.open()
    let id = try await store.add(TestStore.draft("u", 1)).id
    for number in 2...4 { _ = try await rewrite(store, id, number) }
    try await store.close()
    let data = URL(fileURLWithPath: "\(place.path)/gen-1/data.mdb")
    var image = DataFileImage(bytes: Array(try Data(contentsOf: data)))
    let node = try #require(image.leaves(of: "history").flatMap(\.nodes).dropFirst().first)
    image.bytes[image.value(node).lowerBound + 20] ^= 4
    try Data(image.bytes).write(to: data)
    let repaired = URL(fileURLWithPath: place.directory.path("repaired"))
    let report = try await MemoryStore.repair(place.url, into: repaired)
    #expect(report.losses == ["version 2 of memory \(id) is lost: its record does not match its checksum"] && report.versions == 2)
    let copy = try await MemoryStore.open(at: repaired)
    #expect(try history(copy, id) == ["3 text 3", "1 memory 1"])
    await expectCode(.notFound) { try await copy.revert(id, for: "u", to: 2, embedding: TestStore.vector(2)) }
    #expect(try await copy.update(id, for: "u") { $0.with(importance: 1) }.version == 5)
    #expect(try await copy.verify().problems == [])
    try await copy.close()
  }

  // MARK: Records and keys

  @Test func aRecordKeepsItsVersionAndEqualityDoesNotSeeIt() throws {
    let id = MemoryID()
    func memory(_ change: Memory.Change?) -> Memory {
      Memory(
        id: id, userID: "u", text: "x", kind: nil, sessionID: "s", speaker: "p", createdAt: Date(milliseconds: 5), importance: 0.5,
        expiresAt: nil, dedupeKey: nil, metadata: ["a": .bool(true)], change: change)
    }
    let changed = memory(.init(version: 7, time: 99))
    var writer = CBORWriter()
    MemoryRecord(memory: changed, row: nil).encode(into: &writer)
    let read = try withRawSpan(writer.bytes) { try MemoryRecord($0, id: id).memory }
    #expect(read.change == changed.change && read.version == 7 && read.updatedAt == Date(milliseconds: 99))
    #expect(read == memory(nil) && !read.hasDetails)
    let json = try JSONEncoder().encode(changed)
    let decoded = try JSONDecoder().decode(Memory.self, from: json)
    #expect(decoded.change == changed.change && decoded == changed)
    #expect(try JSONDecoder().decode(Memory.self, from: JSONEncoder().encode(memory(nil))).change == nil)
    var zero = CBORWriter()
    zero.map(count: 6)
    zero.key("text")
    zero.text("x")
    zero.key("schema")
    zero.int(2)
    zero.key("userID")
    zero.text("u")
    zero.key("version")
    zero.int(0)
    zero.key("createdAt")
    zero.int(1)
    zero.key("updatedAt")
    zero.int(1)
    #expect(throws: StoreError.self) { try withRawSpan(zero.bytes) { try MemoryRecord($0, id: id) } }
  }
}
