import Foundation
import TestSupport
import Testing

@testable import Engram

/// A user's memories by time, page by page.
@Suite(.serialized) struct TimelineTests {
  private let scratch = ScratchStore()

  @Test func pagesInBothDirectionsGiveEveryMemoryOnceInOrder() async throws {
    var random = SeededGenerator(seed: 11)
    let store = try await scratch.open()
    // Few distinct times, so that most are equal; also before 1970 and at the ends of the calendar.
    let times: [Int64] = [WallClock.range.lowerBound, -1_000, -1, 0, 1, 255, 256, 1_700_000_000_000, WallClock.range.upperBound]
    let ids = try await store.add(
      (0..<400).map { index in
        MemoryDraft(
          userID: "u\(index % 2)", text: "\(index)", kind: index % 7 == 0 ? "rare" : nil,
          createdAt: Date(milliseconds: random.element(of: times)),
          id: MemoryID(high: random.next(), low: random.next()))
      }
    ).map(\.id)
    let all = try ids.enumerated().compactMap { try store.memory($1, for: "u\($0 % 2)") }.sorted {
      ($0.createdAt, $0.id.description) < ($1.createdAt, $1.id.description)
    }
    for user in ["u0", "u1"] {
      for newestFirst in [true, false] {
        for (filter, limit) in [(Filter?.none, 1), (nil, 7), (nil, 1000), (.kind("rare"), 5)] {
          let expected = all.filter { $0.userID == user && filter?.matches($0) ?? true }
          var listed: [Memory] = []
          var cursor: PageCursor?
          repeat {
            let page = try store.memories(for: user, newestFirst: newestFirst, after: cursor, limit: limit, filter: filter)
            #expect(page.count <= limit)
            listed += page
            cursor = page.next
          } while cursor != nil
          #expect(listed == (newestFirst ? expected.reversed() : expected))
        }
      }
    }
    #expect(try store.memories(for: "nobody").isEmpty)
    try await store.close()
  }

  @Test func thePlaceOfADeletedMemoryStillCounts() async throws {
    let store = try await scratch.open()
    let ids = try await store.add((0..<10).map { MemoryDraft(userID: "u", text: "\($0)", createdAt: Date(timeIntervalSince1970: 5)) }).map(
      \.id)
    let upward = try #require(try store.memories(for: "u", newestFirst: false, limit: 6).next)
    let downward = try #require(try store.memories(for: "u", newestFirst: true, limit: 5).next)
    try await store.delete(ids[5], for: "u")
    #expect(try store.memories(for: "u", newestFirst: false, after: upward).map(\.id) == Array(ids[6...]))
    #expect(try store.memories(for: "u", newestFirst: true, after: downward).map(\.id) == ids[..<5].reversed())
    try await store.close()
  }

  @Test func aPageOfNothingIsRefused() async throws {
    let store = try await scratch.open()
    #expect(await storeErrorCode { _ = try store.memories(for: "u", limit: 0) } == .invalidArgument)
    #expect(await storeErrorCode { _ = try store.memories(for: "") } == .invalidUserID)
    try await store.close()
  }
}
