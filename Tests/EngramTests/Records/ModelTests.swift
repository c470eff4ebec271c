import Foundation
import TestSupport
import Testing

@testable import Engram

/// Thousands of random operations on a store and on plain dictionaries, which must stay equal.
@Suite(.serialized) struct ModelTests {
  private let scratch = ScratchStore()

  @Test(arguments: [UInt64(1), 2, 3, 4]) func aStoreBehavesLikePlainDictionaries(_ seed: UInt64) async throws {
    let model = StoreModel(seed: seed, scratch: scratch)
    try await model.open()
    for step in 1...500 {
      try await model.step()
      if step % 125 == 0 { try await model.checkAll() }
    }
    try await model.reopen()
    try await model.checkAll()
    try await model.close()
  }
}

/// The store under test, the reference, and held snapshots with the reference of their time.
private final class StoreModel {
  private final class Held {
    let snapshot: MemorySnapshot
    let reference: ReferenceStore
    init(_ snapshot: consuming MemorySnapshot, _ reference: ReferenceStore) {
      self.snapshot = snapshot
      self.reference = reference
    }
  }

  private struct Refusal: Error {}

  private let scratch: ScratchStore
  private var store: MemoryStore!
  private var random: SeededGenerator
  private var reference = ReferenceStore(historyLimit: 3)
  private var held: [Held] = []
  /// Every id that a memory has had, deleted ones included.
  private var ids: [MemoryID] = []
  private let users = ["ada", "bob", "%", "a\u{0}", "cafe\u{301}"]
  private let past = Date(timeIntervalSince1970: 1)
  private static let dimension = 5

  init(seed: UInt64, scratch: ScratchStore) {
    random = SeededGenerator(seed: seed)
    self.scratch = scratch
  }

  func open() async throws {
    // Commits need not reach the disk: this test simulates no power failure.
    store = try await scratch.open(
      dimension: Self.dimension, metric: .dot, historyLimit: 3, durability: .eventual(maxDelay: .seconds(5)),
      clock: TestClock(bootHoursPerLook: 1).clock)
  }

  func close() async throws {
    for snapshot in held { try check(snapshot.snapshot, snapshot.reference) }
    held.removeAll()
    try await store.close()
  }

  func reopen() async throws {
    try await close()
    try await open()
  }

  // MARK: Operations

  private func randomUser() -> String { random.element(of: users) }

  private func draft(_ user: String? = nil) -> MemoryDraft {
    let user = user ?? randomUser()
    var draft = RandomFilter.draft(user: user, embedding: random.chance(percent: 80) ? random.wholeVector(Self.dimension) : nil, &random)
    if random.chance(percent: 20) { draft.dedupeKey = "key \(Int.random(in: 0..<6, using: &random))" }
    if random.chance(percent: 10) {
      draft.id = random.chance(percent: 30) ? ids.randomElement(using: &random) : MemoryID(high: random.next(), low: random.next())
    }
    if random.chance(percent: 8) { draft.expiresAt = past }
    return draft
  }

  /// The expected outcome of adding a draft.
  private enum Outcome: Equatable { case added, existing(MemoryID), conflict }

  private func apply(_ draft: MemoryDraft, _ id: MemoryID?, to reference: inout ReferenceStore) -> Outcome {
    if let key = draft.dedupeKey, let holder = reference.holder(of: key, user: draft.userID) { return .existing(holder) }
    if let own = draft.id, reference.entries[own] != nil { return .conflict }
    if let id = id ?? draft.id, draft.expiresAt != past { reference.add(draft, id: id, createdAt: draft.createdAt ?? past) }
    return .added
  }

  func step() async throws {
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<28: try await add()
    case 28..<34: try await addMany()
    case 34..<50: try await update()
    case 50..<60: try await delete()
    case 60..<63: try await deleteWhere()
    case 63..<75: try await changeContext()
    case 75..<79: try await writeMany(throwing: false)
    case 79..<83: try await writeMany(throwing: true)
    case 83..<86: try await writeTogether()
    case 86..<88: try await forgetUser()
    case 88..<93: try hold()
    case 93..<96: try letGo()
    case 96: try await reopen()
    default: try checkSearch(4)
    }
  }

  private func add() async throws {
    let draft = draft()
    do {
      let id = try await store.add(draft).id
      let outcome = apply(draft, id, to: &reference)
      if case .existing(let holder) = outcome { #expect(id == holder) } else { #expect(outcome == .added) }
      ids.append(id)
    } catch let error as StoreError where error.code == .conflict {
      var copy = reference
      #expect(apply(draft, nil, to: &copy) == .conflict)
    }
  }

  private func addMany() async throws {
    let drafts = (0..<Int.random(in: 1...40, using: &random)).map { _ in draft() }
    var copy = reference
    do {
      let given = try await store.add(drafts).map(\.id)
      for (draft, id) in zip(drafts, given) {
        let outcome = apply(draft, id, to: &copy)
        if case .existing(let holder) = outcome { #expect(id == holder) } else { #expect(outcome == .added) }
      }
      ids += given
      reference = copy
    } catch let error as StoreError where error.code == .conflict {
      let conflicts = drafts.contains { apply($0, $0.id ?? MemoryID(), to: &copy) == .conflict }
      #expect(conflicts)
    }
  }

  private func randomID() -> MemoryID {
    if random.chance(percent: 85), let id = reference.entries.keys.sorted().randomElement(using: &random) { return id }
    return ids.randomElement(using: &random) ?? MemoryID()
  }

  /// The memory's owner, or sometimes another user, for whom the memory must be absent.
  private func owner(of id: MemoryID) -> String {
    if random.chance(percent: 90), let entry = reference.entries[id] { return entry.memory.userID }
    return randomUser()
  }

  private func update() async throws {
    let id = randomID()
    let owner = owner(of: id)
    let template = RandomFilter.draft(user: "", embedding: nil, &random)
    let changesText = random.chance(percent: 30)
    let embedding = random.chance(percent: 30) ? Embedding(random.wholeVector(Self.dimension)) : nil
    let expiresAt = random.chance(percent: 10) ? past : template.expiresAt
    let change = { @Sendable (memory: Memory) in
      memory.with(
        text: changesText ? template.text : nil, kind: .some(template.kind), sessionID: .some(template.sessionID),
        speaker: .some(template.speaker),
        importance: template.importance, expiresAt: .some(expiresAt), metadata: template.metadata)
    }
    guard var entry = reference.entry(id, of: owner) else {
      #expect(await storeErrorCode { try await self.store.update(id, for: owner, embedding: embedding, change) } == .notFound)
      return
    }
    if change(entry.memory).text != entry.memory.text, entry.components != nil, embedding == nil {
      #expect(await storeErrorCode { try await self.store.update(id, for: owner, change) } == .embeddingRequired)
      return
    }
    entry.memory = change(entry.memory)
    entry.components = embedding?.values ?? entry.components
    #expect(try await store.update(id, for: owner, embedding: embedding, change) == entry.memory)
    reference.entries[id] = expiresAt == past ? nil : entry
  }

  private func delete() async throws {
    let id = randomID()
    let owner = owner(of: id)
    let isThere = reference.entry(id, of: owner) != nil
    #expect(try await store.delete(id, for: owner) == isThere)
    if isThere { reference.entries[id] = nil }
  }

  private func deleteWhere() async throws {
    // Deletes few memories at a time; otherwise no user's memories would become many.
    let filter = RandomFilter.tree(ids.suffix(200), &random) && .kind("fact")
    let scope: SearchScope = random.chance(percent: 20) ? .all : .user(randomUser())
    let doomed = reference.memories(scope, filter)
    #expect(try await store.delete(where: filter, scope: scope) == doomed.count)
    for memory in doomed { reference.entries[memory.id] = nil }
  }

  private func forgetUser() async throws {
    let user = randomUser()
    let doomed = reference.memories(.user(user))
    #expect(try await store.delete(where: .and([]), scope: .user(user)) == doomed.count)
    #expect(try await store.deleteContext(UserContext.self, for: user) == (reference.contexts[user] != nil))
    for memory in doomed { reference.entries[memory.id] = nil }
    reference.contexts[user] = nil
  }

  private func changeContext() async throws {
    let user = randomUser()
    switch Int.random(in: 0..<6, using: &random) {
    case 0:
      let context = UserContext(
        userID: user, friendshipLevel: Int.random(in: 0..<100, using: &random), topics: [random.text(10)], firstSeen: random.date())
      try await store.put(context)
      reference.contexts[user, default: []].append(context)
    case 1:
      let context = try await store.updateContext(for: user, message: random.text(5), response: "r")
      #expect(context.conversationsCount == (reference.contexts[user]?.last?.conversationsCount ?? 0) + 1)
      reference.contexts[user, default: []].append(context)
    case 2:
      let context = try await store.updateContext(for: user) { $0.with(friendshipLevel: $0.friendshipLevel + 1, lastMessage: .some(nil)) }
      #expect(context.friendshipLevel == (reference.contexts[user]?.last?.friendshipLevel ?? 0) + 1)
      reference.contexts[user, default: []].append(context)
    case 3:
      let line = random.text(20)
      let note = try await store.updateContext(ReferenceNote.self, for: user) { current in
        ReferenceNote(userID: user, lines: (current?.lines ?? []).suffix(3) + [line], mood: current == nil ? nil : 0.5)
      }
      reference.notes[user, default: []].append(note)
    case 4:
      #expect(try await store.deleteContext(UserContext.self, for: user) == (reference.contexts[user] != nil))
      reference.contexts[user] = nil
    default:
      #expect(try await store.deleteContext(ReferenceNote.self, for: user) == (reference.notes[user] != nil))
      reference.notes[user] = nil
    }
  }

  /// Several operations in one transaction, which may throw at the end.
  private func writeMany(throwing: Bool) async throws {
    let drafts = (0..<Int.random(in: 1...30, using: &random)).map { _ in
      var draft = draft()
      draft.id = nil
      return draft
    }
    let doomed = (0..<Int.random(in: 0...10, using: &random)).map { _ in
      let id = randomID()
      return (id: id, owner: owner(of: id))
    }
    let user = randomUser()
    let context = UserContext(userID: user, topics: ["in a transaction"], firstSeen: Date(timeIntervalSince1970: 77))
    let work = { @Sendable (transaction: inout WriteTransaction) -> [MemoryID] in
      for (id, owner) in doomed { try transaction.delete(id, for: owner) }
      try transaction.put(context)
      let ids = try transaction.add(drafts).map(\.id)
      if throwing {
        try transaction.delete(where: .and([]), scope: .user(user))
        throw Refusal()
      }
      return ids
    }
    do {
      let given = try await store.write(work)
      for (id, owner) in doomed where reference.entry(id, of: owner) != nil { reference.entries[id] = nil }
      reference.contexts[user, default: []].append(context)
      for (draft, id) in zip(drafts, given) { _ = apply(draft, id, to: &reference) }
      ids += given
    } catch is Refusal {
      #expect(throwing)
    }
  }

  /// Three writes for three users in one batch; the middle one deletes all of its user's memories and throws.
  private func writeTogether() async throws {
    let (store, past) = (store!, past)
    let names = users.shuffled(using: &random)
    let drafts = names.prefix(3).map { user in
      (0..<Int.random(in: 1...12, using: &random)).map { index in
        MemoryDraft(
          userID: user, text: "together \(index)", embedding: Embedding(random.wholeVector(Self.dimension)), createdAt: past,
          id: MemoryID(high: random.next(), low: random.next()))
      }
    }
    try await writesInOneBatch(store, 3) { group in
      for index in [0, 1, 2] {
        let (drafts, user) = (drafts[index], names[index])
        group.addTask {
          do {
            try await store.write { transaction in
              try transaction.add(drafts)
              if index == 1 {
                try transaction.delete(where: .and([]), scope: .user(user))
                try transaction.deleteContext(UserContext.self, for: user)
                throw Refusal()
              }
            }
            #expect(index != 1)
          } catch is Refusal {
            #expect(index == 1)
          }
        }
      }
    }
    for index in [0, 2] {
      for draft in drafts[index] { if let id = draft.id { _ = apply(draft, id, to: &reference) } }
    }
    ids += drafts.joined().compactMap(\.id)
  }

  private func hold() throws {
    guard held.count < 5 else { return }
    held.append(Held(try store.snapshot(), reference))
  }

  private func letGo() throws {
    guard !held.isEmpty else { return }
    let old = held.remove(at: Int.random(in: 0..<held.count, using: &random))
    try check(old.snapshot, old.reference)
  }

  // MARK: Comparison

  func checkAll() async throws {
    try store.read { try check($0, reference) }
    try checkSearch(20)
    // Once the sweep has run, the counts are exactly those of the live memories.
    let (rows, users) = (reference.entries.values.count { $0.components != nil }, reference.users)
    #expect(try await eventually { try store.read { snapshot in try snapshot.read { try $0.expiredCount(nil) } } == 0 })
    #expect(try store.status.rowsLive == rows)
    #expect(try store.status.users == users.count)
    let listed = try store.users(limit: 1_000)
    #expect(Set(listed.map(\.userID)) == users && listed.count == users.count)
    for user in listed {
      let expected = reference.counts(user.userID)
      #expect(user.memories == expected.memories && user.embeddings == expected.rows && user.contexts == expected.contexts)
    }
    let contexts = reference.contexts.count + reference.notes.count
    #expect(try store.status.contexts == contexts)
    #expect(try store.status.memories == reference.entries.count)
  }

  private func check(_ snapshot: borrowing MemorySnapshot, _ reference: ReferenceStore) throws {
    var all: [Memory] = []
    try snapshot.forEachMemory {
      all.append($0)
      return true
    }
    #expect(all == reference.entries.values.map(\.memory).sorted { $0.id < $1.id })
    // One expectation for all memories: each expectation costs far more than the comparison.
    var differing: [MemoryID] = []
    for (id, entry) in reference.entries {
      let owner = entry.memory.userID
      if try snapshot.embedding(of: id, for: owner)?.values != entry.components { differing.append(id) }
      if try snapshot.memory(id, for: owner) != entry.memory { differing.append(id) }
      if let other = users.first(where: { $0 != owner }), try snapshot.memory(id, for: other) != nil { differing.append(id) }
    }
    #expect(differing.isEmpty)
    #expect(try snapshot.count() == reference.entries.count)
    for user in users {
      let timeline = reference.timeline(user)
      #expect(try snapshot.count(scope: .user(user)) == timeline.count)
      #expect(try snapshot.memories(for: user, newestFirst: false, limit: 100_000).elements == timeline)
      #expect(try snapshot.memories(for: user, newestFirst: true, limit: 100_000).elements == timeline.reversed())
      #expect(try snapshot.context(for: user) == reference.contexts[user]?.last)
      let earlier = (reference.contexts[user] ?? []).dropLast().suffix(reference.historyLimit)
      #expect(try snapshot.history(for: user).map(\.context) == Array(earlier.reversed()))
      #expect(try snapshot.context(ReferenceNote.self, for: user) == reference.notes[user]?.last)
      let versions = try snapshot.history(ReferenceNote.self, for: user).map(\.version)
      let count = reference.notes[user]?.count ?? 0
      #expect(versions == Array((0..<count).dropFirst().suffix(reference.historyLimit).reversed()))
    }
    var generator = random
    let query = SearchQuery(embedding: Embedding(generator.wholeVector(Self.dimension)), scope: .all, limit: 50)
    reference.expectExact(try snapshot.search(query), query)
  }

  private func checkSearch(_ count: Int) throws {
    let queries = (0..<count).map { _ in
      SearchQuery(
        embedding: Embedding(random.wholeVector(Self.dimension)), scope: random.chance(percent: 25) ? .all : .user(randomUser()),
        limit: random.element(of: [1, 10, 10_000]),
        threshold: random.chance(percent: 30) ? Float(Int.random(in: -50...100, using: &random)) : nil,
        filter: random.chance(percent: 40) ? RandomFilter.tree(ids.suffix(300), &random) : nil)
    }
    for (query, results) in zip(queries, try store.search(batch: queries)) { reference.expectExact(results, query) }
  }
}
