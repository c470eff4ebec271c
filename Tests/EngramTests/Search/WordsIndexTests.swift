import Foundation
import LMDB
import TestSupport
import Testing

@testable import Engram

/// After any sequence of changes the index of words agrees with the records, and a search gives the same with it and without it.
@Suite(.serialized) struct WordsIndexTests {
  private let place = TestStore()

  private static let vocabulary = (0..<60).map { "word\($0)" } + ["ramen", "October", "2020", "4", "Ada", "what", "is"]

  private static func text(_ generator: inout SeededGenerator, most: Int = 30) -> String {
    (0..<Int.random(in: 0...most, using: &generator)).map { _ in
      vocabulary[Int.random(in: 0..<vocabulary.count, using: &generator)]
        + ["", "", "", "?", ".", "!"][Int.random(in: 0..<6, using: &generator)]
    }.joined(separator: " ")
  }

  private static func draft(_ generator: inout SeededGenerator) -> MemoryDraft {
    var draft = MemoryDraft(userID: ["u", "v", "w"][Int.random(in: 0..<3, using: &generator)], text: text(&generator))
    draft.embedding = Bool.random(using: &generator) ? TestStore.vector(Int.random(in: 0..<500, using: &generator)) : nil
    draft.sessionID = [nil, "s", "t", "x"][Int.random(in: 0..<4, using: &generator)]
    draft.speaker = [nil, "Ada", "Bob"][Int.random(in: 0..<3, using: &generator)]
    draft.caption = Bool.random(using: &generator) ? text(&generator, most: 5) : nil
    // Mostly in order of time, sometimes long before; many times are equal.
    draft.createdAt = Date(timeIntervalSince1970: Double(1_601_800_000 + Int.random(in: 0..<200, using: &generator) * 3600))
    if Int.random(in: 0..<9, using: &generator) == 0 {
      draft.expiresAt = Date(timeIntervalSinceNow: Double(Int.random(in: -9...9, using: &generator)))
    }
    return draft
  }

  private func queries(_ generator: inout SeededGenerator) -> [TextQuery] {
    [SearchScope.user("u"), .user("v"), .users(["u", "w"]), .all, .user("nobody")].flatMap { scope in
      // Queries with few terms, and queries with so many that the search uses a filter to find them.
      [(SearchMode.lexical, 8), (.hybrid, 8), (.lexical, 400)].map { mode, most in
        TextQuery(
          Self.text(&generator, most: most), embedding: TestStore.vector(Int.random(in: 0..<500, using: &generator)), scope: scope,
          mode: mode,
          limit: 1000, includesSuperseded: Bool.random(using: &generator))
      }
    }
  }

  /// A record of the index whose memories have no words has no terms to look at.
  @Test(.timeLimit(.minutes(5))) func memoriesWithoutAWordAreSearchedToo() async throws {
    let store = try await place.open()
    for text in ["", "!?", "the of"] { try await store.add(MemoryDraft(userID: "u", text: text, embedding: TestStore.vector(1))) }
    for text in ["ramen", "", (0..<40).map { "word\($0)" }.joined(separator: " ")] {
      for mode in [SearchMode.lexical, .hybrid] {
        let query = TextQuery(text, embedding: TestStore.vector(1), scope: .user("u"), mode: mode)
        let found = try store.search(query)
        #expect(
          Set(found.map(\.memory.id)).count == found.count && (mode == .lexical ? found.isEmpty : found.count <= 3), "'\(text)', \(mode)")
      }
    }
    try await store.close()
  }

  /// Memories that are added together are gathered, and their words are stored once for each record: the records are the same as if each
  /// memory were stored alone, in any order of their times.
  @Test(.timeLimit(.minutes(5)), arguments: [1, 2, 3]) func manyAtOnceHaveTheRecordsOfOneAfterAnother(seed: UInt64) async throws {
    let store = try await place.open()
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<3 {
      let drafts = (0..<90).map { _ in
        var draft = Self.draft(&generator)
        (draft.embedding, draft.expiresAt) = (nil, nil)
        return draft
      }
      func added(to user: String) -> [MemoryDraft] {
        drafts.map { draft in
          var draft = draft
          draft.userID = "\(user)-\(draft.userID)"
          return draft
        }
      }
      try await store.add(added(to: "together"))
      for draft in added(to: "alone") { try await store.add(draft) }
    }
    func blocks(_ user: String) throws -> [WordsBlock] {
      try store.readOnce { reader in
        var blocks: [WordsBlock] = []
        try reader.walk(Tables.Words.self, prefix: reader.userKey(user).prefix) { key, value in
          var block = WordsBlock(try WordsView(value))
          #expect(key.id == block.entries[0].id && key.createdAt == block.entries[0].createdAt)
          // The two users have different memories.
          for index in block.entries.indices { block.entries[index].id = MemoryID(high: 0, low: 0) }
          blocks.append(block)
          return true
        }
        return blocks
      }
    }
    for user in ["u", "v", "w"] {
      let together = try blocks("together-\(user)")
      #expect(together.count > 2)
      #expect(try together == blocks("alone-\(user)"))
    }
    #expect(try await store.verify().problems.isEmpty)
    try await store.close()
  }

  /// Random adds, changes, deletions and replacements; then every search gives the same with the index, without it, and after a rebuild.
  @Test(.timeLimit(.minutes(5)), arguments: [1, 2, 3]) func theIndexFollowsEveryChange(seed: UInt64) async throws {
    let store = try await place.open()
    var generator = SeededGenerator(seed: seed)
    var ids: [(MemoryID, String)] = []
    for round in 0..<60 {
      let drafts = (0..<Int.random(in: 1...12, using: &generator)).map { _ in Self.draft(&generator) }
      ids += zip(try await store.add(drafts), drafts).map { ($0.id, $1.userID) }
      for _ in 0..<4 {
        let (id, user) = ids[Int.random(in: 0..<ids.count, using: &generator)]
        guard let memory = try store.memory(id, for: user) else { continue }
        let (text, choice) = (Self.text(&generator), Int.random(in: 0..<6, using: &generator))
        switch choice {
        case 0: try await store.delete(id, for: user)
        case 1: try await store.update(id, for: user, embedding: TestStore.vector(round)) { $0.with(text: text) }
        case 2: try await store.update(id, for: user) { $0.with(sessionID: .some(text.count % 2 == 0 ? "s" : nil)) }
        case 3: try await store.update(id, for: user) { $0.with(kind: .some("k")) }
        case 4 where memory.supersededBy == nil:
          var draft = Self.draft(&generator)
          (draft.userID, draft.replaces) = (user, id)
          ids.append((try await store.add(draft).id, user))
        default:
          // The body is undone as a whole.
          await #expect(throws: CancellationError.self) {
            try await store.write { transaction in
              try transaction.delete(id, for: user)
              throw CancellationError()
            }
          }
        }
      }
    }
    #expect(try await store.verify().problems == [])
    let queries = queries(&generator)
    // One snapshot, so that nothing expires in between.
    let found = try store.read { snapshot in
      let indexed = try queries.map { try snapshot.search($0) }
      let unindexed = try queries.map { try snapshot.searchIgnoringIndex($0) }
      #expect(indexed.map { $0.map(\.memory.id) } == unindexed.map { $0.map(\.memory.id) })
      #expect(indexed.map { $0.map(\.score) } == unindexed.map { $0.map(\.score) })
      return indexed
    }
    #expect(found.contains { $0.count > 20 })
    try await store.compact()
    #expect(try await store.verify().problems == [])
    let blocks = try store.core.live.read { try $0.entryCount(of: Tables.Words.self) }
    #expect(blocks > 3)
    try await store.close()
  }

  /// Blocks are filled in order of time and split in the middle, whatever the sizes of the texts.
  @Test(.timeLimit(.minutes(5))) func blocksAreSplit() async throws {
    let store = try await place.open()
    var generator = SeededGenerator(seed: 8)
    // Long texts, and hundreds without a word.
    var drafts = (0..<40).map { _ in
      MemoryDraft(userID: "u", text: (0..<2000).map { _ in "w\(Int.random(in: 0..<9999, using: &generator))" }.joined(separator: " "))
    }
    drafts += (0..<600).map { _ in MemoryDraft(userID: "u", text: "…") }
    for index in drafts.indices {
      drafts[index].createdAt = Date(timeIntervalSince1970: Double(Int.random(in: 0..<5000, using: &generator)))
    }
    try await store.add(drafts)
    let problems = try await store.verify().problems
    #expect(problems == [], "\(problems.prefix(3))")
    let ids = try store.memories(for: "u", newestFirst: false, limit: 1000).map(\.id)
    try await store.write { transaction in for id in ids.prefix(600) { try transaction.delete(id, for: "u") } }
    #expect(try await store.verify().problems == [])
    for id in ids.dropFirst(600) { try await store.delete(id, for: "u") }
    let left = try store.core.live.read { try $0.entryCount(of: Tables.Words.self) }
    #expect(left == 0)
    try await store.close()
  }

  private static func firstRecord(_ reader: borrowing RecordReader, of userID: String) throws -> (WordsKey, WordsBlock) {
    let key = try #require(try reader.firstKey(of: Tables.Words.self, prefix: reader.userKey(userID).prefix))
    guard let value = try reader.value(key, in: Tables.Words.self) else { throw StoreError(.corrupted, "the record is missing") }
    return (key, WordsBlock(try WordsView(value)))
  }

  @Test(.timeLimit(.minutes(5))) func damageIsReported() async throws {
    for (change, expected) in [
      (0, "what they say of memory"), (1, "has no entry"), (2, "they name memory"), (3, "under another key"), (4, "out of order"),
      (5, "contradicts itself"), (6, "is among the words of another user"),
    ] {
      let place = TestStore()
      let store = try await place.open()
      try await store.add((0..<3).map { MemoryDraft(userID: "u", text: "ramen \($0)") })
      try await store.add(MemoryDraft(userID: "v", text: "tea"))
      try await store.write { transaction in
        let (key, first) = try Self.firstRecord(transaction.batch.reader, of: "u")
        var (block, target) = (first, key)
        let other = transaction.batch.reader.userKey("v")
        switch change {
        case 0: block.entries[1].length += 1
        case 1: block.entries.removeLast()
        case 2: block.entries[2].id = MemoryID(high: .max, low: 1)
        case 3: target = WordsKey(user: key.user, createdAt: 5, id: key.id)
        case 4: block.entries.swapAt(1, 2)
        case 5: break
        default: target = WordsKey(user: other, createdAt: key.createdAt, id: key.id)
        }
        var bytes = block.encoded()
        if change == 5 { bytes.removeLast() }
        try transaction.batch.delete(key, in: Tables.Words.self)
        try transaction.batch.put(target, bytes, in: Tables.Words.self)
        _ = try transaction.add(MemoryDraft(userID: "w", text: "more"))
      }
      let problems = try await store.verify().problems
      #expect(problems.contains { $0.hasPrefix("words: ") && $0.contains(expected) }, "\(change): \(problems)")
      // A rebuild makes the words from the records.
      try await store.compact()
      #expect(try await store.verify().problems == [])
      try await store.close()
    }
  }

  /// A forgotten memory is in no record of words; the records contain only hashes of its terms in any case.
  @Test(.timeLimit(.minutes(5))) func forgettingTakesTheWordsAlong() async throws {
    let store = try await place.open()
    let id = try await store.add(MemoryDraft(userID: "u", text: "zanzibar")).id
    try await store.add([MemoryDraft(userID: "u", text: "other"), MemoryDraft(userID: "v", text: "zanzibar")])
    let receipt = try await store.erase(.memories([id], userID: "u"), verifiesErasure: true)
    #expect(receipt.memories == 1)
    #expect(try store.search(TextQuery("zanzibar", scope: .user("u"), mode: .lexical)).isEmpty)
    #expect(try store.search(TextQuery("zanzibar", scope: .all, mode: .lexical)).count == 1)
    try await store.forget(userID: "v")
    #expect(try store.search(TextQuery("zanzibar", scope: .all, mode: .lexical)).isEmpty)
    #expect(try await store.verify().problems == [])
    try await store.close()
  }
}
