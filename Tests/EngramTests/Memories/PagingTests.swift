import Foundation
import TestSupport
import Testing

@testable import Engram

/// Listings in pages: a cursor survives a web request and any change between two pages; other listings refuse it.
@Suite(.serialized) struct PagingTests {
  private let scratch = ScratchStore()

  private func filled(_ random: inout SeededGenerator) async throws -> (store: MemoryStore, all: [Memory]) {
    let store = try await scratch.open(dimension: 2)
    let drafts = (0..<300).map { index in
      MemoryDraft(
        userID: "u\(Int.random(in: 0..<7, using: &random))", text: "\(index)", kind: index % 5 == 0 ? "rare" : nil,
        // Few distinct times, so that ids often decide the order.
        createdAt: Date(milliseconds: Int64.random(in: -3...3, using: &random)))
    }
    let ids = try await store.add(drafts).map(\.id)
    return (store, try zip(ids, drafts).compactMap { try store.memory($0, for: $1.userID) })
  }

  /// Reads all pages; each cursor is converted to JSON and text and back before its use.
  private func pages<Element>(_ page: (PageCursor?) throws -> Page<Element>) throws -> [[Element]] {
    var pages: [[Element]] = []
    var cursor: PageCursor?
    repeat {
      let next = try page(cursor)
      pages.append(next.elements)
      cursor = try next.next.map { cursor in
        let json = try JSONDecoder().decode([PageCursor].self, from: JSONEncoder().encode([cursor]))[0]
        let text = PageCursor("\(json)")
        #expect(text == cursor && "\(cursor)".utf8.count == 44)
        #expect("\(cursor)".addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(["-", "_"])) == "\(cursor)")
        return text
      }
    } while cursor != nil
    return pages
  }

  @Test func thePagesOfAScopeAreItsMemoriesInOrder() async throws {
    var random = SeededGenerator(seed: 81)
    let (store, all) = try await filled(&random)
    let scopes: [(SearchScope, Set<String>)] = [
      (.user("u1"), ["u1"]), (.users(["u2", "u0", "u2", "nobody", "u5"]), ["u0", "u2", "u5"]), (.users(["u3"]), ["u3"]), (.users([]), []),
      (.users((0..<7).map { "u\($0)" }), Set((0..<7).map { "u\($0)" })),
    ]
    for (scope, users) in scopes {
      for newestFirst in [true, false] {
        for (filter, limit) in [(Filter?.none, 1), (nil, 7), (nil, 300), (.kind("rare"), 3), (nil, .max)] {
          let ascending = all.filter { users.contains($0.userID) && filter?.matches($0) ?? true }
            .sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
          let expected = newestFirst ? ascending.reversed() : ascending
          let listed = try pages {
            try store.memories(scope: scope, newestFirst: newestFirst, after: $0, limit: limit, filter: filter)
          }
          #expect(listed.flatMap(\.self) == expected, "\(scope)")
          // Every page but the last is full. Only a single page may be empty.
          #expect(listed.dropLast().allSatisfy { $0.count == limit } && (listed.count == 1 || listed.last?.isEmpty == false))
        }
      }
    }
    for newestFirst in [true, false] {
      let listed = try store.read { snapshot in
        try pages { try snapshot.memories(scope: .all, newestFirst: newestFirst, after: $0, limit: 41) }
      }
      let ascending = all.sorted { $0.id < $1.id }
      #expect(listed.flatMap(\.self) == (newestFirst ? ascending.reversed() : ascending))
    }
    try await store.close()
  }

  @Test func aCursorStaysValidThroughDeletionsCompactionAndReopening() async throws {
    var random = SeededGenerator(seed: 82)
    var (store, all) = try await filled(&random)
    let first = try store.memories(scope: .users(["u0", "u1"]), newestFirst: false, limit: 10)
    let users = try store.users(limit: 3)
    let (cursor, userCursor) = (try #require(first.next), try #require(users.next))
    let last = try #require(first.last)
    try await store.delete(last.id, for: last.userID)
    let doomed = try #require(users.last).userID
    let rest = try store.users(limit: 100).dropFirst(3).map(\.userID)
    try await store.delete(where: .and([]), scope: .user(doomed))
    try await store.compact()
    try await store.close()
    store = try await scratch.open()
    all.removeAll { $0.id == last.id || $0.userID == doomed || !["u0", "u1"].contains($0.userID) }
    all = all.filter { ($0.createdAt, $0.id) > (last.createdAt, last.id) }.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
    #expect(try store.memories(scope: .users(["u1", "u0"]), newestFirst: false, after: cursor, limit: 1_000).elements == all)
    #expect(try store.users(after: userCursor).map(\.userID) == rest)
    try await store.close()
  }

  @Test func aDamagedOrForeignCursorIsRefused() async throws {
    var random = SeededGenerator(seed: 83)
    let (store, _) = try await filled(&random)
    let cursor = try #require(try store.memories(for: "u1", limit: 2).next)
    let userCursor = try #require(try store.users(limit: 2).next)
    func refuses(_ cursor: PageCursor, _ name: String = "damaged", _ body: (PageCursor) throws -> Void) async {
      let error = await storeError { try body(cursor) }
      #expect(error?.code == .invalidArgument && error?.message.contains("cursor") == true, "\(name): \(cursor)")
    }
    let text = Array("\(cursor)".utf8)
    for index in text.indices {
      for replacement in [UInt8(ascii: "A"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "="), 0] where replacement != text[index] {
        var damaged = text
        damaged[index] = replacement
        await refuses(PageCursor(String(decoding: damaged, as: UTF8.self))) { _ = try store.memories(for: "u1", after: $0) }
      }
    }
    for damaged in ["", "x", "\(cursor)A", String("\(cursor)".dropLast()), "\u{1B}[2J", String(repeating: "é", count: 22)] {
      await refuses(PageCursor(damaged)) { _ = try store.memories(for: "u1", after: $0) }
      await refuses(PageCursor(damaged)) { _ = try store.users(after: $0) }
    }
    await refuses(cursor, "another user") { _ = try store.memories(for: "u2", after: $0) }
    await refuses(cursor, "more users") { _ = try store.memories(scope: .users(["u1", "u2"]), after: $0) }
    await refuses(cursor, "all") { _ = try store.memories(scope: .all, after: $0) }
    await refuses(cursor, "the other direction") { _ = try store.memories(for: "u1", newestFirst: false, after: $0) }
    await refuses(cursor, "users") { _ = try store.users(after: $0) }
    await refuses(userCursor, "memories") { _ = try store.memories(for: "u1", after: $0) }
    // The filter may change, and `.users` of one user is the same listing as `.user`.
    #expect(try store.memories(scope: .users(["u1", "u1"]), after: cursor, limit: 1, filter: .not(.kind("none"))).count == 1)
    let other = try await ScratchStore().open(dimension: 2)
    await refuses(cursor, "another store") { _ = try other.memories(for: "u1", after: $0) }
    await refuses(userCursor, "another store") { _ = try other.users(after: $0) }
    try await other.close()
    try await store.close()
  }
}
