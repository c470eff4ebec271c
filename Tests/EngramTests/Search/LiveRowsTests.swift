import Foundation
import TestSupport
import Testing
import VectorSearch

@testable import Engram

/// A list of live rows that was advanced by the log equals one that was made from all blocks.
@Suite(.serialized) struct LiveRowsTests {
  private let place = TestStore()

  private func read<Value>(_ store: MemoryStore, _ body: (borrowing RecordReader, StateRecord) throws -> Value) throws -> Value {
    try store.readOnce { try body($0, $0.state()) }
  }

  private func made(_ store: MemoryStore) throws -> LiveRows { try #require(try read(store) { try LiveRows($0, $1) }) }

  private func expectEqual(_ list: LiveRows, _ other: LiveRows, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(list.batchSequence == other.batchSequence, sourceLocation: sourceLocation)
    #expect(list.blocks == other.blocks && list.blocks.count == list.blockCount, sourceLocation: sourceLocation)
    #expect(list.others == other.others && list.count == other.count, sourceLocation: sourceLocation)
    let spans = { (list: LiveRows) in list.spans.map { [LiveMask($0.firstRow), $0.live] } }
    #expect(spans(list) == spans(other), sourceLocation: sourceLocation)
    for block in list.blocks {
      let rows = [block.live.trailingZeroBitCount, 127 - block.live.leadingZeroBitCount].map { block.firstRow + $0 }
      #expect(rows.allSatisfy { list.block(of: $0) == block && other.block(of: $0) == block }, sourceLocation: sourceLocation)
    }
    for user in Set(list.blocks.map(\.key.user)) {
      var (blocks, expected): ([LiveBlock], [LiveBlock]) = ([], [])
      list.append(blocksOf: user, to: &blocks)
      other.append(blocksOf: user, to: &expected)
      #expect(blocks == expected && blocks == list.blocks.filter { $0.key.user == user }, sourceLocation: sourceLocation)
    }
  }

  /// One change of a store, of a random kind.
  private func change(
    _ store: MemoryStore, _ users: [String], _ known: inout [(id: MemoryID, user: String)], _ random: inout SeededGenerator
  )
    async throws
  {
    let user = random.element(of: users)
    let (id, owner) = known.randomElement(using: &random) ?? (MemoryID(), user)
    do {
      switch Int.random(in: 0..<16, using: &random) {
      case 0..<6:
        let drafts = (0..<random.element(of: [1, 1, 2, 40, 300])).map { number in
          var draft = TestStore.draft(random.chance(percent: 80) ? user : random.element(of: users), number)
          if random.chance(percent: 5) { draft.embedding = nil }
          if user == "expiring" { draft.expiresAt = Date(timeIntervalSinceNow: random.chance(percent: 10) ? -9 : 1e6) }
          draft.id = MemoryID()
          return draft
        }
        try await store.add(drafts)
        known += drafts.compactMap { draft in draft.id.map { ($0, draft.userID) } }
      case 6..<8:
        var draft = TestStore.draft(owner, 5)
        draft.replaces = id
        known.append((try await store.add(draft).id, owner))
      case 8..<10: try await store.update(id, for: owner) { $0.with(importance: 0.5) }
      case 10..<12: try await store.update(id, for: owner, embedding: TestStore.vector(9)) { $0.with(text: "new") }
      case 12: try await store.update(id, for: owner) { $0.with(expiresAt: Date(timeIntervalSinceNow: 1e6)) }
      case 13..<15: _ = try await store.delete(id, for: owner)
      default:
        if random.chance(percent: 30) { _ = try await store.delete(where: .importance(atLeast: 0), scope: .user(owner)) }
      }
    } catch let error as StoreError where [.notFound, .conflict].contains(error.code) {
      // The memory has expired, was deleted, or was replaced before.
    }
  }

  @Test(.timeLimit(.minutes(5)), arguments: 1...2) func anAdvancedListEqualsOneMadeFromAllBlocks(_ seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    var store = try await place.open()
    let users = ["expiring"] + (0..<30).map { "user \($0)" }
    var known: [(id: MemoryID, user: String)] = []
    var list = try made(store)
    var advanced = 0
    for round in 0..<120 {
      for _ in 0..<random.element(of: [1, 1, 1, 4]) { try await change(store, users, &known, &random) }
      if round % 60 == 59 {
        // A rebuild has rows and blocks of its own, and a list of its generation.
        if random.chance(percent: 50) {
          try await store.compact()
        } else {
          _ = try await store.forget(userID: random.element(of: users))
        }
        list = try made(store)
      }
      if round % 90 == 89 {
        try await store.close()
        store = try await place.open()
      }
      let now = try made(store)
      if let next = try read(store, { try list.advanced($0, $1) }) {
        advanced += 1
        expectEqual(next, now)
        list = next
      } else {
        list = now
      }
    }
    #expect(advanced > 50, "\(advanced)")
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func anAdvancedListReadsTheBlocksThatChanged() async throws {
    let store = try await place.open()
    try await store.add((0..<1000).map { TestStore.draft("user \($0 % 200)", $0) })
    let ids = try await store.add((0..<5000).map { TestStore.draft("large", $0) }).map(\.id)
    var list = try made(store)
    #expect(list.blocksRead > 400)
    func blocksRead(_ change: () async throws -> Void) async throws -> Int {
      try await change()
      list = try #require(try read(store) { try list.advanced($0, $1) })
      expectEqual(list, try made(store))
      return list.blocksRead
    }
    #expect(try await blocksRead { _ = try await store.add(TestStore.draft("large", 1)) } == 1)
    #expect(try await blocksRead { _ = try await store.add(TestStore.draft("new", 1)) } == 1)
    #expect(try await blocksRead { try await store.update(ids[0], for: "large") { $0.with(importance: 0.1) } } == 1)
    #expect(try await blocksRead { try await store.put(UserContext(userID: "large", friendshipLevel: 1, firstSeen: Date())) } == 0)
    // The log does not have the row of a memory that was deleted, nor the former row of one with a new embedding.
    let large = list.blocks.filter { $0.key.user == UserKey("large", secret: store.core.generation.secret) }.count
    #expect((40...80).contains(large))
    let deletion = try await blocksRead { _ = try await store.delete(ids[1], for: "large") }
    #expect((large...large + 8).contains(deletion))
    let update = try await blocksRead {
      try await store.update(ids[2], for: "large", embedding: TestStore.vector(3)) { $0.with(text: "new") }
    }
    #expect((large...large + 10).contains(update))
    #expect(try await blocksRead { _ = try await store.delete(where: .importance(atLeast: 0), scope: .user("user 7")) } <= 2)
    // Not worth it: nearly all blocks have changed.
    try await store.add((0..<1000).map { TestStore.draft("user \($0 % 200)", $0) })
    let none = try read(store) { try list.advanced($0, $1) }
    #expect(none == nil)
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aListIsMadeOnceThatCostsNoMoreThanWalking() async throws {
    let store = try await place.open()
    try await store.add((0..<1000).map { TestStore.draft("user \($0 % 200)", $0) })
    let cache = LiveRowsCache()
    let older = try store.snapshot()
    let list = try read(store) { reader, state in
      let count = try reader.entryCount(of: Tables.Blocks.self)
      for _ in 0..<2 {
        let none = try cache.listUnlessWalkIsCheaper(reader, state, rowCount: 9)
        #expect(none == nil)
        cache.noteWalk(ofBlocks: (count + 1) / 2)
      }
      let list = try #require(try cache.listUnlessWalkIsCheaper(reader, state, rowCount: 9))
      let (second, third) = (try cache.listUnlessWalkIsCheaper(reader, state, rowCount: 9), try cache.list(reader, state))
      #expect(second === list && third === list)
      return list
    }
    try await store.add(TestStore.draft("user 5", 1))
    let next = try read(store) { reader, state in
      let next = try #require(try cache.listUnlessWalkIsCheaper(reader, state, rowCount: 9))
      #expect(next !== list && next.blocksRead == 1)
      let again = try cache.list(reader, state)
      #expect(again === next)
      return next
    }
    // A search of few rows does not bring a list up to date that many commits have changed.
    for number in 0..<80 { try await store.add(TestStore.draft("user \(number)", 1)) }
    let small = try read(store) { try cache.listUnlessWalkIsCheaper($0, $1, rowCount: 9) }
    #expect(small == nil)
    let large = try read(store) { try cache.listUnlessWalkIsCheaper($0, $1, rowCount: 9000) }
    #expect(large == nil)
    // The list of the commit before is kept, too, and none of earlier commits.
    let kept = try older.read { try cache.list($0, $0.state()) }
    #expect(kept === list)
    try await store.add(TestStore.draft("user 6", 1))
    let newest = try read(store) { reader, state in try #require(try cache.list(reader, state)) }
    let unkept = try older.read { try cache.listUnlessWalkIsCheaper($0, $0.state(), rowCount: 9) }
    #expect(unkept == nil)
    let old = try #require(try older.read { try cache.list($0, $0.state()) })
    #expect(old !== list)
    expectEqual(old, list)
    let last = try read(store) { reader, state in try cache.list(reader, state) }
    #expect(last === newest && newest !== next)
    older.end()
    try await store.close()
  }

  /// Pieces behave as a sorted array, and a copy is not changed by changes of the other.
  @Test(arguments: 1...4) func piecesAreASortedArray(_ seed: UInt64) {
    struct Item: Ordered, Equatable {
      let order: Int
      let value: UInt64
    }
    var random = SeededGenerator(seed: seed)
    let start = seed == 1 ? [] : (0..<2000).map { Item(order: 3 * $0, value: 0) }
    var pieces = SortedPieces(start)
    var model = Dictionary(uniqueKeysWithValues: start.map { ($0.order, $0) })
    for round in 0..<200 {
      let (before, elements) = (pieces, pieces.elements)
      let range = seed == 3 ? 0..<100 : 0..<7000
      for _ in 0..<random.element(of: [1, 30]) {
        let item = Item(order: Int.random(in: range, using: &random), value: random.next())
        if random.chance(percent: seed == 4 ? 90 : 50) {
          pieces.remove(item.order)
          model[item.order] = nil
        } else {
          pieces.put(item)
          model[item.order] = item
        }
      }
      #expect(before.elements == elements, "\(round)")
      let expected = model.values.sorted { $0.order < $1.order }
      #expect(pieces.elements == expected && pieces.count == expected.count, "\(round)")
      for _ in 0..<20 {
        let order = Int.random(in: -2..<7002, using: &random)
        #expect(pieces.last(upTo: order) == expected.last { $0.order <= order } && pieces[order] == model[order])
        var found: [Item] = []
        pieces.forEach(from: order) { item in
          if found.count == 40 { return false }
          found.append(item)
          return true
        }
        #expect(found == Array(expected.drop { $0.order < order }.prefix(40)))
      }
    }
  }
}
