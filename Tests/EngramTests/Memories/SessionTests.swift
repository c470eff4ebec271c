import Foundation
import LMDB
import TestSupport
import Testing

@testable import Engram

/// The memories of a session, listed with the index of sessions and without it.
@Suite(.serialized) struct SessionTests {
  private let place = TestStore()

  private func draft(_ user: String, _ session: String?, at second: Int, _ text: String) -> MemoryDraft {
    var draft = MemoryDraft(userID: user, text: text, embedding: TestStore.vector(second))
    draft.sessionID = session
    draft.createdAt = Date(timeIntervalSince1970: Double(1_000_000 + second))
    return draft
  }

  private func texts(
    _ store: MemoryStore, _ session: String, for user: String = "u", newestFirst: Bool = false, filter: Filter? = nil
  ) throws -> [String] {
    try store.memories(inSession: session, for: user, newestFirst: newestFirst, filter: filter).map(\.text)
  }

  private func missing(_ store: MemoryStore) throws -> [String] { try store.inspection().missingTables }

  /// Writes as an earlier version of Engram does, which does not know the table: the commit does not name it.
  private func writeAsEarlierVersion(
    _ store: MemoryStore, _ body: @escaping @Sendable (inout WriteTransaction) throws -> Void = { _ in }
  ) async throws {
    try await store.write { transaction in
      transaction.batch.state.tables = []
      try body(&transaction)
    }
  }

  @Test(.timeLimit(.minutes(5))) func aSessionIsItsUsersAndInOrderOfTime() async throws {
    let store = try await place.open()
    try await store.add([
      draft("u", "s", at: 3, "third"), draft("u", "s", at: 1, "first"), draft("u", "t", at: 2, "elsewhere"),
      draft("v", "s", at: 2, "foreign"),
      draft("u", nil, at: 2, "none"), draft("u", "s", at: 2, "second"),
    ])
    #expect(try texts(store, "s") == ["first", "second", "third"])
    #expect(try texts(store, "s", newestFirst: true) == ["third", "second", "first"])
    #expect(try texts(store, "s", for: "v") == ["foreign"])
    #expect(try texts(store, "S") == [] && texts(store, "s", for: "w") == [])
    #expect(try texts(store, "s", filter: .created(from: Date(timeIntervalSince1970: 1_000_002), to: nil)) == ["second", "third"])
    // Two names are the same only if their bytes are.
    try await store.add(draft("u", "caf\u{E9}", at: 4, "composed"))
    #expect(try texts(store, "caf\u{E9}") == ["composed"] && texts(store, "cafe\u{301}") == [])
    await expectCode(.invalidArgument) { _ = try store.memories(inSession: "s", for: "u", limit: 0) }
    await expectCode(.valueTooLarge) { _ = try store.memories(inSession: String(repeating: "x", count: 2000), for: "u") }
    await expectCode(.invalidUserID) { _ = try store.memories(inSession: "s", for: "") }
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func whatChangesMovesAndWhatIsDeletedGoes() async throws {
    let store = try await place.open()
    let ids = try await store.add((1...4).map { draft("u", "s", at: $0, "\($0)") }).map(\.id)
    try await store.update(ids[0], for: "u") { $0.with(sessionID: .some("t")) }
    try await store.update(ids[1], for: "u") { $0.with(sessionID: .some(nil)) }
    try await store.delete(ids[2], for: "u")
    #expect(try texts(store, "s") == ["4"] && texts(store, "t") == ["1"])
    try await store.update(ids[3], for: "u") { $0.with(expiresAt: .some(Date(timeIntervalSinceNow: -1))) }
    #expect(try texts(store, "s") == [])
    #expect(try await store.verify().problems == [])
    // If a body fails, its changes to the index are undone, too.
    await #expect(throws: CancellationError.self) {
      try await store.write { transaction in
        try transaction.add(draft("u", "t", at: 9, "undone"))
        throw CancellationError()
      }
    }
    #expect(try texts(store, "t") == ["1"])
    #expect(try await store.verify().problems == [])
    try await store.forget(userID: "u")
    let left = try store.core.live.read { try $0.entryCount(of: Tables.Sessions.self) }
    #expect(left == 0)
    try await store.close()
  }

  /// Pages of any size add up to the whole list, with the index and without it.
  @Test(.timeLimit(.minutes(5)), arguments: [false, true]) func pagesAreTheWholeSession(_ isIndexed: Bool) async throws {
    let store = try await place.open()
    let hold = try RebuildHold(place.url)
    defer { hold.end() }
    var generator = SeededGenerator(seed: 11)
    // Some times are equal, too.
    let drafts = (0..<60).map { number in
      draft(
        ["u", "v"][Int(generator.next() % 2)], ["s", "t", nil][Int(generator.next() % 3)], at: Int(generator.next() % 12), "\(number)")
    }
    try await store.add(drafts)
    if !isIndexed { try await writeAsEarlierVersion(store) { try $0.add(draft("u", "s", at: 5, "unknown to the index")) } }
    #expect(try missing(store) == (isIndexed ? [] : ["sessions", "words"]))
    for (user, session) in [("u", "s"), ("u", "t"), ("v", "s"), ("v", "t")] {
      let whole = try store.memories(for: user, newestFirst: false, limit: 100).elements.filter { $0.sessionID == session }
      for newestFirst in [false, true] {
        for size in [1, 2, 7, 100] {
          var found: [Memory] = []
          var cursor: PageCursor?
          repeat {
            let page = try store.memories(inSession: session, for: user, newestFirst: newestFirst, after: cursor, limit: size)
            found += page.elements
            cursor = page.next
          } while cursor != nil
          #expect(found == (newestFirst ? whole.reversed() : whole), "\(user) \(session) \(size)")
        }
      }
    }
    let cursor = try #require(try store.memories(inSession: "s", for: "u", limit: 1).next)
    await expectCode(.invalidArgument) { _ = try store.memories(inSession: "t", for: "u", after: cursor) }
    await expectCode(.invalidArgument) { _ = try store.memories(for: "u", after: cursor) }
    try await store.close()
  }

  /// A store whose index is missing gives the right answers, passes verification, reports the missing index, and has it built while it
  /// stays open.
  @Test(.timeLimit(.minutes(5))) func aMissingIndexIsBuilt() async throws {
    let store = try await place.open()
    let hold = try RebuildHold(place.url)
    let first = try await store.add(draft("u", "s", at: 1, "before")).id
    try await writeAsEarlierVersion(store) { transaction in
      try transaction.delete(first, for: "u")
      try transaction.add(draft("u", "s", at: 2, "since"))
    }
    #expect(try missing(store) == ["sessions", "words"] && texts(store, "s") == ["since"])
    // Outdated contents of the index are not a problem, because nothing reads them.
    #expect(try await store.verify().problems == [])
    try await store.add(draft("u", "s", at: 3, "later"))
    #expect(try missing(store) == ["sessions", "words"] && texts(store, "s") == ["since", "later"])
    let snapshot = try store.snapshot()
    hold.end()
    try await waitUntil(within: .seconds(60)) { try store.status.generation == 2 && missing(store) == [] }
    #expect(try store.dueUpkeep == nil && texts(store, "s") == ["since", "later"])
    #expect(try snapshot.memories(inSession: "s", for: "u").map(\.text) == ["since", "later"])
    #expect(try await store.verify().problems == [])
    // The process has just built the index: it does not build it again for each commit of an earlier version.
    try await writeAsEarlierVersion(store) { try $0.add(draft("u", "s", at: 4, "last")) }
    #expect(try store.dueUpkeep == .index && texts(store, "s") == ["since", "later", "last"])
    try await store.finishUpkeep()
    #expect(try store.dueUpkeep == nil && missing(store) == [] && store.status.generation == 3)
    #expect(try texts(store, "s") == ["since", "later", "last"])
    snapshot.end()
    try await store.close()
  }

  /// Memories that are written while the index is built are in it.
  @Test(.timeLimit(.minutes(5))) func whatIsWrittenDuringTheBuildIsIndexed() async throws {
    let store = try await place.open()
    try await store.add((0..<2000).map { draft("u\($0 % 7)", "s\($0 % 3)", at: $0, "\($0)") })
    try await writeAsEarlierVersion(store) { try $0.add(draft("u0", "s0", at: 1, "unindexed")) }
    async let built = store.finishUpkeep()
    var number = 0
    while try store.status.generation == 1 {
      let id = try await store.add(draft("u\(number % 7)", "s\(number % 3)", at: number, "during \(number)")).id
      if number % 3 == 0 { try await store.update(id, for: "u\(number % 7)") { $0.with(sessionID: .some("s4")) } }
      number += 1
    }
    try await built
    #expect(try missing(store) == [])
    #expect(try await store.verify().problems == [])
    let counted = try store.read { try $0.count(scope: .all, filter: .session("s4")) }
    let listed = try (0..<7).reduce(0) { try $0 + store.memories(inSession: "s4", for: "u\($1)", limit: 10_000).elements.count }
    #expect(counted == listed)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aDamagedIndexIsReportedInBothDirections() async throws {
    let store = try await place.open()
    let ids = try await store.add((1...3).map { draft("u", "s", at: $0, "\($0)") }).map(\.id)
    @Sendable func key(_ transaction: borrowing WriteTransaction, _ session: String, _ second: Int, _ id: MemoryID) -> SessionKey {
      let reader = transaction.batch.reader
      return SessionKey(user: reader.userKey("u"), session: reader.userKey(session), createdAt: Int64(1_000_000 + second) * 1000, id: id)
    }
    try await store.write { transaction in
      try transaction.batch.delete(key(transaction, "s", 1, ids[0]), in: Tables.Sessions.self)
      try transaction.batch.put(key(transaction, "t", 2, ids[1]), [], in: Tables.Sessions.self)
      try transaction.batch.put(key(transaction, "s", 3, MemoryID(high: 3, low: 4)), [], in: Tables.Sessions.self)
      try transaction.add(TestStore.draft("u", 4))
    }
    let problems = try await store.verify().problems
    #expect(
      Set(problems) == [
        "sessions: memory \(ids[0]) has no entry",
        "sessions: an entry of memory \(ids[1]) is under another user, time or name than its record says",
        "sessions: it names memory \(MemoryID(high: 3, low: 4)), which has no record",
      ], "\(problems)")
    // A rebuild makes the index from the memories.
    try await store.compact()
    #expect(try await store.verify().problems == [])
    #expect(try texts(store, "s") == ["1", "2", "3"])
    try await store.close()
  }

  /// If the state record names a table that the file does not have, the store is damaged.
  @Test(.timeLimit(.minutes(5))) func aTableThatIsNamedAndMissingIsDamage() async throws {
    let fixture = try FormatFixtureTests.unpack("format-1", in: place.directory)
    let hold = try RebuildHold(fixture)
    defer { hold.end() }
    let store = try await MemoryStore.open(at: fixture)
    #expect(try missing(store) == ["sessions", "words"])
    try await store.write { transaction in
      transaction.batch.state.tables = .known
      _ = try transaction.deleteContext(UserContext.self, for: "ada")
    }
    try? await store.close()
    await expectCode(.corrupted) { _ = try await MemoryStore.open(at: fixture, options: StoreOptions(access: .readOnly)) }
  }
}
