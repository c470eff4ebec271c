import Foundation
import TestSupport
import Testing

@testable import Engram

/// Searches as of an earlier time find what a store finds that has only the memories of that time.
@Suite(.serialized) struct AsOfTests {
  private let place = TestStore()

  // MARK: Random histories

  /// What the model knows of a memory that is in the store.
  private struct Known {
    var draft: MemoryDraft
    var createdAt: Date
    var mark: (successor: MemoryID, time: Date)?
  }

  private struct Model {
    var memories: [MemoryID: Known] = [:]
    /// Times at which something changed.
    var times: [Date] = []

    func isExpired(_ known: Known) -> Bool { known.draft.expiresAt.map { $0 < Date() } ?? false }

    func candidates(_ time: Date, includesSuperseded: Bool) -> [MemoryID: Known] {
      memories.filter { _, known in
        if isExpired(known) || known.createdAt > time { return false }
        guard !includesSuperseded, let mark = known.mark else { return true }
        return memories[mark.successor].map { $0.createdAt > time } ?? (mark.time > time)
      }
    }

    /// The two memories before and the two after each memory.
    func neighbors(_ time: Date) -> [MemoryID: [MemoryID]] {
      var neighbors: [MemoryID: [MemoryID]] = [:]
      for user in ["u", "v", "w"] {
        let list = memories.filter { $1.draft.userID == user && $1.createdAt <= time && !isExpired($1) }
          .sorted { ($0.value.createdAt, $0.key) < ($1.value.createdAt, $1.key) }.map(\.key)
        for (index, id) in list.enumerated() { neighbors[id] = list[..<index].suffix(2) + list[(index + 1)...].prefix(2) }
      }
      return neighbors
    }
  }

  private static let words = ["ramen", "tea", "Lisbon", "October", "2020", "Ada", "works", "where", "bank", "Porto", "green", "what"]

  private static func text(_ random: inout SeededGenerator) -> String {
    (0..<Int.random(in: 1...9, using: &random)).map { _ in
      (words.randomElement(using: &random) ?? "") + (random.chance(percent: 15) ? "?" : "")
    }.joined(separator: " ")
  }

  private static func draft(_ random: inout SeededGenerator) -> MemoryDraft {
    var draft = MemoryDraft(userID: ["u", "v", "w"].randomElement(using: &random) ?? "u", text: text(&random))
    draft.embedding = random.chance(percent: 80) ? TestStore.vector(Int.random(in: 0..<500, using: &random)) : nil
    draft.sessionID = [nil, "s", "t", "\(Int.random(in: 0..<30, using: &random))"].randomElement(using: &random) ?? nil
    draft.speaker = [nil, "Ada", "Bob"].randomElement(using: &random) ?? nil
    // Many memories have equal times, and many the current time.
    if random.chance(percent: 70) {
      draft.createdAt = Date(timeIntervalSince1970: Double(1_601_800_000 + Int.random(in: 0..<40, using: &random) * 3600))
    }
    if random.chance(percent: 8) { draft.expiresAt = Date(timeIntervalSinceNow: random.chance(percent: 50) ? -60 : 86_400) }
    return draft
  }

  private func add(_ draft: MemoryDraft, to store: MemoryStore, _ model: inout Model) async throws {
    let id = try await store.add(draft).id
    var known = Known(draft: draft, createdAt: Date())
    // An expired memory cannot be read.
    known.createdAt = try draft.createdAt ?? store.memory(id, for: draft.userID)?.createdAt ?? .distantFuture
    (known.draft.createdAt, known.draft.id) = (known.createdAt, id)
    model.memories[id] = known
    model.times.append(known.createdAt)
    if let replaced = draft.replaces {
      let time = try #require(try store.memory(replaced, for: draft.userID)).updatedAt
      model.memories[replaced]?.mark = (id, time)
      model.times.append(time)
    }
  }

  private func change(
    _ id: MemoryID, _ known: Known, in store: MemoryStore, _ model: inout Model, _ random: inout SeededGenerator
  )
    async throws
  {
    let user = known.draft.userID
    switch Int.random(in: 0..<8, using: &random) {
    case 0...3 where known.mark == nil:
      var draft = Self.draft(&random)
      (draft.userID, draft.replaces) = (user, id)
      draft.expiresAt = nil
      try await add(draft, to: store, &model)
    case 4, 5:
      try await store.delete(id, for: user)
      model.memories[id] = nil
    case 6:
      try await store.update(id, for: user) { $0.with(supersededBy: .some(nil)) }
      model.memories[id]?.mark = nil
    default:
      // A later version with the same mark.
      try await store.update(id, for: user) { $0.with(importance: 0.75) }
    }
  }

  /// A store of a past time: it has only the candidates of that time, and none replaces another.
  private func reference(_ candidates: [MemoryID: Known]) async throws -> (place: TestStore, store: MemoryStore) {
    let place = TestStore()
    let store = try await place.open()
    try await store.add(
      candidates.values.map { known in
        var draft = known.draft
        draft.replaces = nil
        return draft
      })
    return (place, store)
  }

  private static let scopes = [SearchScope.user("u"), .user("v"), .users(["u", "w"]), .all, .user("nobody")]

  /// Chains of successors with times in any order, deleted successors, removed marks, later versions: each search, by words and by vectors,
  /// from the index and from the records, finds the same memories with the same scores as a store of that time.
  @Test(.timeLimit(.minutes(5)), arguments: [1, 2]) func aSearchFindsWhatWasThere(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let store = try await place.open()
    var model = Model()
    for _ in 0..<15 {
      for _ in 0..<3 { try await add(Self.draft(&random), to: store, &model) }
      for _ in 0..<3 {
        let live = model.memories.filter { !model.isExpired($0.value) }.sorted { $0.key < $1.key }
        if let (id, known) = live.randomElement(using: &random) { try await change(id, known, in: store, &model, &random) }
      }
    }
    #expect(model.memories.values.contains { $0.mark.map { model.memories[$0.successor] == nil } ?? false })
    var times = [Date(timeIntervalSince1970: 0), Date(timeIntervalSinceNow: 3600)]
    for _ in 0..<4 {
      let time = try #require(model.times.randomElement(using: &random))
      times.append(random.chance(percent: 50) ? time : time - 0.001)
    }
    var differences = 0
    for (number, time) in times.enumerated() {
      let includesSuperseded = number % 3 == 2
      let candidates = model.candidates(time, includesSuperseded: includesSuperseded)
      let neighbors = model.neighbors(time)
      let (_, then) = try await reference(candidates)
      if candidates.count != model.candidates(.distantFuture, includesSuperseded: includesSuperseded).count { differences += 1 }
      for scope in Self.scopes {
        for mode in SearchMode.allCases {
          var query = TextQuery(
            Self.text(&random), embedding: TestStore.vector(Int.random(in: 0..<500, using: &random)), scope: scope, mode: mode, limit: 1000,
            includesExplanation: true)
          let expected = try then.search(query)
          (query.asOf, query.includesSuperseded) = (time, includesSuperseded)
          query.neighbors = mode == .hybrid ? 0 : 2
          let found = try store.search(query)
          expectSame(found, expected)
          if mode != .hybrid { #expect(found.map { $0.neighbors.map(\.id) } == found.map { neighbors[$0.memory.id] ?? [] }) }
          if mode == .dense { continue }
          query.neighbors = 0
          let fromRecords = try store.read { snapshot in
            try snapshot.read { reader in try TextSearch(reader).results(query, ignoresIndex: true) }
          }
          expectSame(fromRecords, expected)
        }
      }
      try await then.close()
    }
    #expect(differences > 1)
    #expect(try await store.verify().problems == [])
    try await store.close()
  }

  private func expectSame(_ found: [SearchResult], _ expected: [SearchResult], sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(found.map(\.memory.id) == expected.map(\.memory.id), sourceLocation: sourceLocation)
    #expect(found.map(\.score) == expected.map(\.score), sourceLocation: sourceLocation)
    #expect(found.map(\.explanation?.parts) == expected.map(\.explanation?.parts), sourceLocation: sourceLocation)
    #expect(found.map(\.explanation?.rowsInScope) == expected.map(\.explanation?.rowsInScope), sourceLocation: sourceLocation)
  }

  // MARK: A chain

  private static func day(_ number: Double) -> Date { Date(timeIntervalSince1970: 1_700_000_000 + number * 86_400) }

  /// One memory for each job, on days 0, 10 and 20; each replaces the one before.
  private func chain(_ store: MemoryStore) async throws -> [MemoryID] {
    var ids: [MemoryID] = []
    for (number, city) in ["Porto", "Faro", "Oslo"].enumerated() {
      var draft = MemoryDraft(userID: "u", text: "works in \(city)", embedding: TestStore.vector(number))
      draft.createdAt = Self.day(Double(number * 10))
      (draft.validFrom, draft.replaces) = (draft.createdAt, ids.last)
      ids.append(try await store.add(draft).id)
    }
    return ids
  }

  private func found(_ store: MemoryStore, _ day: Double, filter: Filter? = nil, includesSuperseded: Bool = false) throws -> Set<MemoryID> {
    let byVector = try store.search(
      SearchQuery(
        embedding: TestStore.vector(0), scope: .user("u"), filter: filter, asOf: Self.day(day), includesSuperseded: includesSuperseded))
    let byWords = try store.search(
      TextQuery(
        "where does she work?", scope: .all, mode: .lexical, filter: filter, asOf: Self.day(day), includesSuperseded: includesSuperseded))
    #expect(Set(byWords.map(\.memory.id)) == Set(byVector.map(\.memory.id)))
    return Set(byWords.map(\.memory.id))
  }

  @Test(.timeLimit(.minutes(5))) func eachOfAChainIsFoundInItsTime() async throws {
    let store = try await place.open()
    let ids = try await chain(store)
    #expect(try found(store, -1) == [] && found(store, -1, includesSuperseded: true) == [])
    #expect(try found(store, 0) == [ids[0]] && found(store, 9.9) == [ids[0]])
    #expect(try found(store, 10) == [ids[1]] && found(store, 19) == [ids[1]])
    #expect(try found(store, 20) == [ids[2]] && found(store, 10_000) == [ids[2]])
    #expect(try found(store, 15, includesSuperseded: true) == [ids[0], ids[1]])
    // The filter sees memories as they are now.
    #expect(try found(store, 15, filter: .superseded) == [ids[1]] && found(store, 25, filter: .superseded) == [])
    #expect(try found(store, 15, filter: .valid(at: Self.day(5))) == [])
    #expect(try found(store, 15, filter: .valid(at: Self.day(15))) == [ids[1]])
    // Each query of a batch has its own time.
    let vector = SearchQuery(embedding: TestStore.vector(1), scope: .user("u"))
    var (first, second) = (vector, vector)
    (first.asOf, second.asOf) = (Self.day(5), Self.day(15))
    #expect(try store.search(batch: [first, vector, second]).map { $0.map(\.memory.id) } == [[ids[0]], [ids[2]], [ids[1]]])
    // This call takes a text and no vector, as most programs call it.
    let words = try await store.search("where does she work?", scope: .user("u"), asOf: Self.day(5))
    #expect(words.map(\.memory.id) == [ids[0]])

    // A deleted memory is not found. Its predecessor is superseded from the time of the mark on, which is now.
    try await store.delete(ids[1], for: "u")
    #expect(try found(store, 5) == [ids[0]] && found(store, 15) == [ids[0]] && found(store, 25) == [ids[0], ids[2]])
    #expect(try store.search(TextQuery("works", scope: .user("u"), asOf: Date(timeIntervalSinceNow: 60))).map(\.memory.id) == [ids[2]])
    let mark = try #require(try store.memory(ids[0], for: "u")).updatedAt
    for _ in 0..<3 { try await store.update(ids[0], for: "u") { $0.with(importance: 1) } }
    for (time, expected) in [(mark - 0.001, [ids[0], ids[2]]), (mark, [ids[2]])] {
      #expect(try Set(store.search(TextQuery("works", scope: .user("u"), asOf: time)).map(\.memory.id)) == Set(expected))
    }
    try await store.close()
  }

  /// A memory was stored with its mark, as by an import, and its successor does not exist: it counts as superseded from the beginning. A
  /// memory of another user is no successor.
  @Test(.timeLimit(.minutes(5))) func aMarkWithoutAHistoryCountsFromTheBeginning() async throws {
    let store = try await place.open()
    let other = try await store.add(
      MemoryDraft(userID: "v", text: "works", embedding: TestStore.vector(1), createdAt: Self.day(50), id: MemoryID(high: 1, low: 2))
    ).id
    let id = MemoryID(high: 1, low: 1)
    let line =
      #"{"type":"memory","id":"\#(id)","userID":"u","text":"works","createdAt":"2023-12-01T00:00:00Z","supersededBy":"\#(other)"}"#
    _ = try await store.importJSONLines(from: [try written(line)])
    #expect(try store.memory(id, for: "u")?.supersededBy == other)
    var query = TextQuery("works", scope: .user("u"), mode: .lexical, asOf: Self.day(40))
    #expect(try store.search(query).isEmpty)
    query.includesSuperseded = true
    #expect(try store.search(query).map(\.memory.id) == [id])
    try await store.close()
  }

  private func written(_ line: String) throws -> URL {
    let url = URL(fileURLWithPath: place.directory.path("lines.jsonl"))
    try Data((line + "\n").utf8).write(to: url)
    return url
  }

  // MARK: Parameters

  /// Ages are those at the earlier time: the score equals that of a search made then.
  @Test(.timeLimit(.minutes(5))) func recencyCountsFromThatTime() async throws {
    let store = try await place.open(StoreOptions())
    try await store.add((0..<3).map { MemoryDraft(userID: "u", text: "likes tea", createdAt: Self.day(Double($0))) })
    let ranking = TextRanking(recency: .init(halfLife: .seconds(86_400), weight: 0.5))
    let hits = try store.search(TextQuery("tea", scope: .user("u"), ranking: ranking, asOf: Self.day(1), includesExplanation: true))
    #expect(hits.map { $0.explanation?.parts?.recency } == [0.5, 0.25])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aTimeThatIsNoneIsRefused() async throws {
    let store = try await place.open()
    _ = try await chain(store)
    for time in [Double.nan, .infinity, -.infinity, 1e300] {
      let date = Date(timeIntervalSince1970: time)
      await expectCode(.invalidArgument) { _ = try store.search(TextQuery("x", scope: .all, asOf: date)) }
      await expectCode(.invalidArgument) {
        _ = try store.search(SearchQuery(embedding: TestStore.vector(1), scope: .all, asOf: date))
      }
      await expectCode(.invalidArgument) { _ = try await store.search("x", scope: .all, asOf: date) }
    }
    for (time, count) in [(Date.distantPast, 0), (.distantFuture, 1)] {
      #expect(try store.search(TextQuery("works", scope: .all, mode: .lexical, asOf: time)).count == count)
    }
    let query = TextQuery("tea", scope: .all, asOf: Self.day(1.5))
    #expect(try JSONDecoder().decode(TextQuery.self, from: JSONEncoder().encode(query)) == query)
    #expect(query != TextQuery("tea", scope: .all))
    try await store.close()
  }

  /// The columns and the words have a mark that the record lacks.
  @Test(.timeLimit(.minutes(5))) func aMarkThatTheRecordLacksIsDamage() async throws {
    let store = try await place.open()
    let ids = try await chain(store)
    try await store.write { transaction in
      guard let record = try transaction.batch.reader.memoryRecord(ids[0]) else { throw StoreError(.notFound, "no record") }
      try transaction.putRecord(MemoryRecord(memory: record.memory.with(supersededBy: .some(nil)), row: record.row))
    }
    await expectCode(.corrupted) { _ = try store.search(TextQuery("works", scope: .user("u"), mode: .lexical, asOf: Self.day(15))) }
    await expectCode(.corrupted) {
      _ = try store.search(SearchQuery(embedding: TestStore.vector(1), scope: .user("u"), asOf: Self.day(15)))
    }
    // A search without `asOf` does not notice the damage.
    #expect(try store.search(TextQuery("works", scope: .user("u"), mode: .lexical)).map(\.memory.id) == [ids[2]])
    try await store.close()
  }
}
