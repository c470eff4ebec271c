import Files
import Foundation
import LMDB
import TestSupport
import Testing
import VectorSearch

@testable import Engram

/// Patterns and scans of whole stores with three users, some of whom have a text in common.
@Suite(.serialized) struct ErasureStoreTests {
  private let scratch = ScratchStore()

  private static let shared = "We met at the station at noon and took the train."
  private static let sharedVector: Embedding = [1, 2, 3, 4, 5, 6, 7, 8]

  private struct Note: ContextRecord {
    let userID: String
    let lines: [String: [String]]
    let picture: Data
  }

  /// A text of which any 24 bytes show its kind and its user.
  private static func own(_ what: String, _ user: String) -> String { String(repeating: "\(what) of \(user), ", count: 4) }

  private func drafts(of user: String, _ count: Int = 6, seed: UInt64) -> [MemoryDraft] {
    var random = SeededGenerator(seed: seed)
    var drafts = (0..<count).map { number in
      MemoryDraft(
        userID: user, text: Self.own("word \(number)", user), embedding: Embedding(random.vector(8)), sessionID: "session-\(user)",
        dedupeKey: "\(user)-\(number)", metadata: ["place": .string(Self.own("place", user)), "n": .integer(Int64(number))])
    }
    drafts.append(MemoryDraft(userID: user, text: Self.shared, embedding: Self.sharedVector))
    return drafts
  }

  private func fill(_ store: MemoryStore, _ users: [String]) async throws {
    for (number, user) in users.enumerated() {
      try await store.add(drafts(of: user, seed: UInt64(user.utf8.count * 7 + number)))
      try await store.updateContext(for: user, message: Self.own("first", user), response: "Hello!")
      try await store.updateContext(for: user, message: Self.own("second", user), response: Self.shared)
      try await store.put(
        Note(userID: user, lines: [Self.own("title", user): ["x", Self.own("line", user)]], picture: Data(Self.own("picture", user).utf8)))
    }
  }

  private func patterns(_ subject: ErasureSubject, in store: MemoryStore, excludingSurvivors: Bool = true) throws -> ErasurePatterns {
    try store.readOnce { reader in
      var patterns = try ErasurePatterns(subject, reader)
      if excludingSurvivors { try patterns.excludeSurvivors(reader) }
      return patterns
    }
  }

  private func file(_ name: String, of scan: ErasureScan) throws -> ErasureScan.File {
    try #require(scan.files.first { $0.name == "gen-1/\(name)" })
  }

  private func contains(_ text: String, _ path: String) throws -> Bool {
    try Data(contentsOf: URL(fileURLWithPath: path)).range(of: Data(text.utf8)) != nil
  }

  // MARK: Users

  @Test func everyKindOfTraceIsFoundAndSharedOnesAreNotSearched() async throws {
    let store = try await scratch.open(dimension: 8)
    try await fill(store, ["alice", "bob", "carol"])
    let patterns = try patterns(.user("alice"), in: store)
    let scan = try patterns.scan(Directory(path: scratch.url.path))

    #expect(Set(scan.searched.keys) == ErasureScan.Kind.withoutCodes && scan.unsearchable.isEmpty)
    #expect(scan.searched[.userKey] == 1 && scan.searched[.userID] == 1 && scan.searched[.memoryID] == 7 && scan.searched[.embedding] == 6)
    // The shared sentence has 49 bytes and so three pieces.
    #expect(scan.sharedWithSurvivors == [.text: 3, .words: 1, .embedding: 1])
    let data = try file("data.mdb", of: scan)
    #expect(Set(data.hits.keys) == [.userKey, .userID, .memoryID, .text, .words])
    #expect(data.sizeBytes == data.scannedBytes && data.firstHits.count == 8)
    #expect(try file("rows.f32", of: scan).hits == [.embedding: 6])
    #expect(scan.files.filter { !$0.hits.isEmpty }.count == 2)
    #expect(
      scan.files.map(\.name) == ["alive.lock", "current", "gen-1/data.mdb", "gen-1/rows.f32", "open.lock", "rebuild.lock", "writer.lock"])
    let lockTable = try #require(scan.notScanned.first)
    #expect(scan.notScanned.count == 1 && lockTable.name == "gen-1/lock.mdb" && lockTable.sizeBytes > 0)
    try await store.close()
  }

  @Test func everyTextOfMemoriesContextsAndHistoryIsSearchedFor() async throws {
    let store = try await scratch.open(dimension: 8)
    try await fill(store, ["alice", "bob"])
    let patterns = try patterns(.user("alice"), in: store)
    try await store.close()
    let traces = ["word 0", "word 5", "place", "first", "second", "title", "line", "picture"]
    let remains = TemporaryDirectory()
    for trace in traces {
      for user in ["alice", "bob"] {
        try Data(Self.own(trace, user).utf8).write(to: URL(fileURLWithPath: remains.path("\(user) \(trace)")))
      }
    }
    let scan = try patterns.scan(Directory(path: remains.path))
    #expect(scan.files.filter { !$0.hits.isEmpty }.map(\.name) == traces.map { "alice \($0)" }.sorted())
  }

  @Test func deletingLeavesTracesInTheLiveStore() async throws {
    let store = try await scratch.open(dimension: 8)
    try await fill(store, ["alice", "bob", "carol"])
    let patterns = try patterns(.user("alice"), in: store)
    try await store.write { transaction in
      try transaction.delete(where: .and([]), scope: .user("alice"))
      try transaction.deleteContext(UserContext.self, for: "alice")
      try transaction.deleteContext(Note.self, for: "alice")
    }
    #expect(try store.users().map(\.userID).sorted() == ["bob", "carol"])
    let scan = try patterns.scan(Directory(path: scratch.url.path))
    #expect(Set(scan.hits.keys) == ErasureScan.Kind.withoutCodes)
    #expect(try file("rows.f32", of: scan).hits == [.embedding: 6])
    try await store.close()
  }

  @Test func aStoreOfTheSurvivorsAloneIsClean() async throws {
    let store = try await scratch.open(dimension: 8)
    try await fill(store, ["alice", "bob", "carol"])
    let (marked, unmarked) = (
      try patterns(.user("alice"), in: store), try patterns(.user("alice"), in: store, excludingSurvivors: false)
    )
    try await store.close()

    let fresh = ScratchStore()
    let survivors = try await fresh.open(dimension: 8)
    try await fill(survivors, ["nobody", "bob", "carol"])
    try await survivors.close()
    #expect(try contains(Self.shared, fresh.generationPath + "/data.mdb"))
    let scan = try marked.scan(Directory(path: fresh.url.path))
    #expect(scan.isClean && scan.hits.isEmpty && scan.bytes > 100_000)
    // Excluding what survivors have in common makes the scan clean: without that, shared texts and embeddings are hits.
    #expect(try unmarked.scan(Directory(path: fresh.url.path)).hits.keys.sorted { $0.rawValue < $1.rawValue } == [.embedding, .text])
  }

  @Test func whatWasDeletedOrHasExpiredBeforeIsSearchedFor() async throws {
    let store = try await scratch.open(dimension: 8)
    try await fill(store, ["alice", "bob"])
    var random = SeededGenerator(seed: 77)
    let vectors = [random.vector(8), random.vector(8)]
    let deleted = try await store.add(MemoryDraft(userID: "alice", text: "short", embedding: Embedding(vectors[0]))).id
    try await store.delete(deleted, for: "alice")
    let expired = try await store.add(
      MemoryDraft(
        userID: "alice", text: "this memory has expired some time ago", embedding: Embedding(vectors[1]),
        expiresAt: Date(timeIntervalSinceNow: 3600))
    ).id
    let later = WallClock.now() + 7_200_000
    let patterns = try store.readOnce { reader in
      let reader = RecordReader(reader.view, store.core.generation, now: later)
      #expect(try reader.liveMemoryRecord(expired) == nil)
      return try ErasurePatterns(.user("alice"), reader)
    }
    // Seven are from the live memories. The id of the deleted one is in the log, and its row is still in its slot.
    #expect(patterns.searched[.memoryID] == 9 && patterns.searched[.embedding] == 9)
    let copy = TemporaryDirectory()
    try Data("---this memory has expired some time ago---".utf8).write(to: URL(fileURLWithPath: copy.path("a")))
    try Data(deleted.bytes + expired.bytes).write(to: URL(fileURLWithPath: copy.path("b")))
    #expect(try patterns.scan(Directory(path: copy.path)).files.map(\.hits) == [[.text: 2], [.memoryID: 2]])
    try await store.close()
  }

  @Test func differentlyComposedUserIDsAreDifferentUsers() async throws {
    let (composed, decomposed) = ("ren\u{E9}", "rene\u{301}")
    #expect(composed == decomposed)
    let store = try await scratch.open(dimension: 8)
    for user in [composed, decomposed] {
      try await store.add(MemoryDraft(userID: user, text: Self.shared, embedding: Self.sharedVector))
      try await store.put(UserContext(userID: user, lastMessage: "the only message of these two"))
    }
    let patterns = try patterns(.user(composed), in: store)
    #expect(patterns.searched == [.userKey: 1, .userID: 1, .memoryID: 1])
    #expect(patterns.sharedWithSurvivors == [.text: 5, .words: 1, .embedding: 1])
    try await store.close()
  }

  @Test func anUnknownUserHasANameAndAKeyOnly() async throws {
    let store = try await scratch.open(dimension: 8)
    try await fill(store, ["alice"])
    let patterns = try patterns(.user("mallory"), in: store)
    #expect(patterns.searched == [.userKey: 1, .userID: 1])
    #expect(try patterns.scan(Directory(path: scratch.url.path)).isClean)
    try await store.close()
  }

  @Test func aStoreWithoutEmbeddingsIsSearchedToo() async throws {
    let store = try await scratch.open()
    try await store.add(MemoryDraft(userID: "alice", text: Self.shared))
    try await store.add(MemoryDraft(userID: "alice", text: "too short"))
    let scan = try patterns(.user("alice"), in: store).scan(Directory(path: scratch.url.path))
    #expect(scan.searched == [.userKey: 1, .userID: 1, .memoryID: 2, .text: 3, .words: 1] && scan.unsearchable == [.text: 1, .words: 1])
    #expect(Set(scan.hits.keys) == [.userKey, .userID, .memoryID, .text, .words])
    try await store.close()
  }

  // MARK: Memories

  @Test func singleMemoriesLeaveTheUserAlone() async throws {
    let store = try await scratch.open(dimension: 8)
    try await fill(store, ["alice", "bob"])
    let ids = try store.read { try $0.memories(for: "alice", newestFirst: false).map(\.id) }
    // One memory with its own text, and one whose text others share.
    let subject = ErasureSubject.memories([ids[0], ids[6]], userID: "alice")
    let patterns = try patterns(subject, in: store)
    #expect(patterns.searched[.memoryID] == 2 && patterns.searched[.embedding] == 1)
    #expect(patterns.searched[.userKey] == nil && patterns.searched[.userID] == nil)
    #expect(patterns.sharedWithSurvivors[.embedding] == 1)
    let before = try patterns.scan(Directory(path: scratch.url.path))
    #expect(Set(before.hits.keys) == [.memoryID, .text, .words, .embedding])
    try await store.close()

    // The store as it would be without them: the others keep their ids.
    let fresh = ScratchStore()
    let survivors = try await fresh.open(dimension: 8)
    let old = try await scratch.open(dimension: 8)
    var drafts: [MemoryDraft] = []
    try old.read { snapshot in
      try snapshot.forEachMemory { memory in
        drafts.append(
          MemoryDraft(
            userID: memory.userID, text: memory.text, sessionID: memory.sessionID, dedupeKey: memory.dedupeKey, metadata: memory.metadata,
            id: memory.id))
        return true
      }
    }
    for draft in drafts where draft.id != ids[0] && draft.id != ids[6] {
      var draft = draft
      draft.embedding = try draft.id.flatMap { try old.embedding(of: $0, for: draft.userID) }
      try await survivors.add(draft)
    }
    for user in ["alice", "bob"] { try await survivors.put(try #require(try old.context(for: user))) }
    try await old.close()
    try await survivors.close()
    #expect(try patterns.scan(Directory(path: fresh.url.path)).isClean)
  }

  // MARK: The pass over the survivors

  @Test func comparingReportsItsProgress() async throws {
    let store = try await scratch.open(dimension: 8)
    try await store.add((0..<1500).map { MemoryDraft(userID: "bob", text: "memory \($0)") })
    var steps: [OperationProgress] = []
    try store.readOnce { reader in
      var patterns = try ErasurePatterns(.user("alice"), reader)
      try patterns.excludeSurvivors(reader) { steps.append($0) }
    }
    #expect(steps.count > 3 && steps.allSatisfy { $0.phase == .comparing })
    #expect(steps.last?.done == steps.last?.total && steps.map(\.done) == steps.map(\.done).sorted())
    try await store.close()
  }

  #if os(Linux)
    /// The test read `/proc/locks`, which the kernel returns in pieces: if other processes locked and unlocked files between two reads,
    /// lines were missing, and the test failed. Now it reads the locks of one open file from `/proc/self/fdinfo`.
    @Test func theLocksOnTheLockTableStay() async throws {
      let store = try await scratch.open(dimension: 8)
      try await fill(store, ["alice"])
      let patterns = try patterns(.user("alice"), in: store)
      let lockTable = scratch.generationPath + "/lock.mdb"
      try store.read { snapshot in
        let before = try Self.locks(on: lockTable)
        #expect(!before.isEmpty)
        #expect(try !patterns.scan(Directory(path: scratch.url.path)).isClean)
        #expect(try Self.locks(on: lockTable) == before)
        #expect(try snapshot.count() == 7)
      }
      try await store.close()
    }

    /// The locks that this process has on a file that it has open, as `POSIX  ADVISORY  READ pid device:inode start end`.
    private static func locks(on path: String) throws -> [String] {
      let path = try #require(Directories.resolved(path))
      var locks: [String] = []
      for descriptor in try Directories.entries("/proc/self/fd") {
        // Other tests close their descriptors meanwhile.
        guard (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")) == path else { continue }
        let facts = try String(contentsOfFile: "/proc/self/fdinfo/\(descriptor)", encoding: .utf8)
        // `lock:`, a number that counts on, and the lock.
        let lines = facts.split(separator: "\n").filter { $0.hasPrefix("lock:") }
        locks += lines.map { $0.split(separator: " ", maxSplits: 1).last.map(String.init) ?? "" }
      }
      return locks.sorted()
    }
  #endif
}

extension ErasureScan.Kind {
  /// The kinds that a store of few memories has: it has no codes, which ``CodeUpkeepTests`` looks for.
  static let withoutCodes = Set(allCases).subtracting([.code])
}
