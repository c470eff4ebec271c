import Foundation
import TestSupport
import Testing

@testable import Engram

/// Every time, number and duration of the public surface that is not finite or out of its range is refused by name, and the call changes
/// nothing.
///
/// Bug: a NaN in a date filter deleted everything. Cause: NaN became the smallest `Int64`, and every memory was created after that time. A
/// duration near the largest `Int64` overflowed an instant and ended the process. Fix: `Limits+Arguments.swift` checks all arguments first.
@Suite(.serialized) struct NonFiniteInputTests {
  private let scratch = ScratchStore()

  private static let dates = [Double.nan, .infinity, -.infinity, 1e300, -1e300].map { Date(timeIntervalSince1970: $0) }
  private static let numbers = [Double.nan, .signalingNaN, .infinity, -.infinity]
  private static let durations = [Duration.seconds(-1), .nanoseconds(-1), .seconds(Int64.max), .seconds(3_651 * 86_400)]

  private func expectRefused(
    _ names: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
  ) async {
    let error = await storeError(sourceLocation: sourceLocation, body)
    #expect(error?.code == .invalidArgument, "\(names)", sourceLocation: sourceLocation)
    #expect(error?.message.contains(names) == true, "\(error?.message ?? "nothing was thrown")", sourceLocation: sourceLocation)
  }

  private static var filters: [(filter: Filter, names: String)] {
    var filters: [(filter: Filter, names: String)] = []
    for date in dates {
      filters.append((.created(from: date, to: nil), "created(from:)"))
      filters.append((.created(since: date), "created(from:)"))
      filters.append((.created(from: nil, to: date), "created(to:)"))
      filters.append((.expires(from: date, to: nil), "expires(from:)"))
      filters.append((.expires(from: nil, to: date), "expires(to:)"))
    }
    for number in numbers {
      filters.append((.importance(atLeast: number), "importance(atLeast:)"))
      filters.append((.metadata("age", equals: .double(number)), "'age'"))
      filters.append((.metadataRange("age", from: .double(number), to: nil), "metadataRange(from:)"))
      filters.append((.metadataRange("age", from: nil, to: .double(number)), "metadataRange(to:)"))
    }
    return filters
  }

  @Test func filtersAreRefusedWhereverTheyEnter() async throws {
    let store = try await scratch.open(dimension: 2)
    try await store.add(MemoryDraft(userID: "u", text: "t", embedding: [1, 0], metadata: ["age": 1.5]))
    for (filter, names) in Self.filters {
      for filter in [filter, !filter, .and([.kind("k"), .or([filter])])] {
        await expectRefused(names) { _ = try await store.delete(where: filter, scope: .all) }
        await expectRefused(names) { _ = try await store.delete(where: filter, scope: .user("u")) }
        await expectRefused(names) { _ = try await store.count(scope: .all, filter: filter) }
        await expectRefused(names) { _ = try await store.ids(scope: .user("u"), filter: filter) }
        await expectRefused(names) { _ = try store.search(SearchQuery(embedding: [1, 0], scope: .all, filter: filter)) }
        await expectRefused(names) { _ = try store.memories(for: "u", filter: filter) }
      }
    }
    // Ranges without a limit and far times are valid.
    for date in [Date.distantPast, .distantFuture, Date(timeIntervalSince1970: 1e14)] {
      #expect(try await store.count(scope: .all, filter: .created(from: nil, to: date)) == (date == .distantPast ? 0 : 1))
    }
    #expect(try store.count() == 1)
    try await store.close()
  }

  @Test func memoriesAndContextsAreRefused() async throws {
    let store = try await scratch.open(dimension: 2)
    let id = try await store.add(MemoryDraft(userID: "u", text: "t", embedding: [1, 0])).id
    for date in Self.dates {
      await expectRefused("createdAt") { try await store.add(MemoryDraft(userID: "u", text: "t", createdAt: date)) }
      await expectRefused("expiresAt") { try await store.add(MemoryDraft(userID: "u", text: "t", expiresAt: date)) }
      await expectRefused("expiresAt") { try await store.update(id, for: "u") { $0.with(expiresAt: .some(date)) } }
      await expectRefused("firstSeen") { try await store.put(UserContext(userID: "u", firstSeen: date)) }
      await expectRefused("lastSeen") { try await store.put(UserContext(userID: "u", lastSeen: date)) }
      await expectRefused("lastSeen") { try await store.updateContext(for: "u") { $0.with(lastSeen: date) } }
    }
    for number in Self.numbers + [-0.5, 1.5] {
      await expectRefused("importance") { try await store.add(MemoryDraft(userID: "u", text: "t", importance: number)) }
      await expectRefused("importance") { try await store.update(id, for: "u") { $0.with(importance: number) } }
    }
    for number in Self.numbers {
      await expectRefused("'age'") { try await store.add(MemoryDraft(userID: "u", text: "t", metadata: ["age": .double(number)])) }
      await expectRefused("'age'") { try await store.update(id, for: "u") { $0.with(metadata: ["age": .double(number)]) } }
      await expectRefused("threshold") {
        _ = try store.search(SearchQuery(embedding: [1, 0], scope: .all, threshold: Float(number)))
      }
      await expectRefused("threshold") { _ = try await store.audit(AuditOptions(threshold: Float(number))) }
    }
    await expectRefused("limit") { _ = try store.users(limit: -1) }
    await expectRefused("limit") { _ = try store.history(for: "u", limit: .min) }
    try await store.put(UserContext(userID: "u", firstSeen: .distantPast, lastSeen: .distantFuture))
    #expect(try store.context(for: "u")?.firstSeen == .distantPast)
    #expect(try store.count() == 1)
    #expect(try await store.verify().isIntact)
    try await store.close()
  }

  @Test func durationsAreRefused() async throws {
    for duration in Self.durations {
      await expectRefused("snapshotMaxAge") { _ = try await open { $0.snapshotMaxAge = duration } }
      await expectRefused("writeTimeout") { _ = try await open { $0.writeTimeout = duration } }
      await expectRefused("maxDelay") { _ = try await open { $0.durability = .eventual(maxDelay: duration) } }
    }
    await expectRefused("historyLimit") { _ = try await open { $0.historyLimit = -1 } }
    await expectRefused("queueLimit") { _ = try await open { $0.queueLimit = 0 } }
    #expect(!FileManager.default.fileExists(atPath: scratch.url.path))
    let store = try await open {
      ($0.snapshotMaxAge, $0.writeTimeout, $0.durability) = (
        Limits.duration.upperBound, Limits.duration.upperBound, .eventual(maxDelay: Limits.duration.upperBound)
      )
    }
    try await store.add(MemoryDraft(userID: "u", text: "t"))
    for duration in Self.durations {
      await expectRefused("timeout") { _ = try await store.forget(userID: "u", timeout: duration) }
      await expectRefused("timeout") { _ = try await store.erase([MemoryID()], for: "u", timeout: duration) }
      await expectRefused("timeout") { try await store.close(timeout: duration) }
    }
    #expect(try store.count() == 1)
    try await store.close(timeout: Limits.duration.upperBound)
  }

  private func open(_ change: (inout StoreOptions) -> Void) async throws -> MemoryStore {
    var options = StoreOptions()
    change(&options)
    return try await MemoryStore.open(at: scratch.url, options: options)
  }
}
