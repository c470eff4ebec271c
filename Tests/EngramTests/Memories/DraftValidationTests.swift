import Foundation
import TestSupport
import Testing

@testable import Engram

/// The limits of a memory's fields: each bound from both sides, the error's code and the name of the field, and that a refusal changes
/// nothing.
@Suite(.serialized) struct DraftValidationTests {
  private let scratch = ScratchStore()

  private func expectRefused(
    _ store: MemoryStore, _ draft: MemoryDraft, _ code: StoreError.Code, _ words: String, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let before = try store.status
    let alone = await storeError(sourceLocation: sourceLocation) { try await store.add(draft) }
    #expect(alone?.code == code, sourceLocation: sourceLocation)
    #expect(alone?.message.contains(words) == true, sourceLocation: sourceLocation)
    let inBody = await storeError(sourceLocation: sourceLocation) {
      _ = try await store.write { transaction in try transaction.add(draft) }
    }
    #expect(inBody?.code == code, sourceLocation: sourceLocation)
    let after = try store.status
    #expect(after.batchSequence == before.batchSequence, sourceLocation: sourceLocation)
    #expect(after.memories == before.memories && after.users == before.users, sourceLocation: sourceLocation)
    #expect(after.rowsLive == before.rowsLive && after.rowsAllocated == before.rowsAllocated, sourceLocation: sourceLocation)
  }

  @Test func userIDsHaveOneTo1024Bytes() async throws {
    let store = try await scratch.open(dimension: 2)
    try await expectRefused(store, MemoryDraft(userID: "", text: "t"), .invalidUserID, "empty")
    try await expectRefused(store, MemoryDraft(userID: String(repeating: "x", count: 1025), text: "t"), .invalidUserID, "1025")
    try await expectRefused(store, MemoryDraft(userID: String(repeating: "水", count: 342), text: "t"), .invalidUserID, "1026")
    let names = [
      "%", "_", "/", "\u{0}", "a\u{0}b", "a", "../..", "'; --", "caf\u{E9}", "cafe\u{301}", String(repeating: "x", count: 1024),
      String(repeating: "é", count: 512),
    ]
    for (index, name) in names.enumerated() { try await store.add(MemoryDraft(userID: name, text: "\(index)", embedding: [1, 0])) }
    for (index, name) in names.enumerated() {
      #expect(try store.memories(for: name).map(\.text) == ["\(index)"])
      #expect(try store.search(SearchQuery(embedding: [1, 0], scope: .user(name))).map(\.memory.text) == ["\(index)"])
      #expect(try store.count(scope: .user(name)) == 1)
    }
    try await store.close()
  }

  @Test func textsHaveAtMostOneMebibyte() async throws {
    let store = try await scratch.open()
    let id = try await store.add(MemoryDraft(userID: "u", text: String(repeating: "x", count: 1 << 20))).id
    #expect(try store.memory(id, for: "u")?.text.utf8.count == 1 << 20)
    try await expectRefused(store, MemoryDraft(userID: "u", text: String(repeating: "x", count: 1 << 20 + 1)), .valueTooLarge, "1048577")
    try await expectRefused(store, MemoryDraft(userID: "u", text: String(repeating: "é", count: 1 << 19) + "x"), .valueTooLarge, "the text")
    try await store.close()
  }

  @Test func namesHaveAtMost1024Bytes() async throws {
    let store = try await scratch.open()
    let (fits, long) = (String(repeating: "k", count: 1024), String(repeating: "k", count: 1025))
    let id = try await store.add(
      MemoryDraft(userID: "u", text: "t", kind: fits, sessionID: fits, speaker: fits, dedupeKey: fits, metadata: [fits: true])
    ).id
    #expect(try store.memory(id, for: "u")?.metadata == [fits: true])
    try await expectRefused(store, MemoryDraft(userID: "u", text: "t", kind: long), .valueTooLarge, "kind has 1025")
    try await expectRefused(store, MemoryDraft(userID: "u", text: "t", sessionID: long), .valueTooLarge, "sessionID has 1025")
    try await expectRefused(store, MemoryDraft(userID: "u", text: "t", speaker: long), .valueTooLarge, "speaker has 1025")
    try await expectRefused(store, MemoryDraft(userID: "u", text: "t", dedupeKey: long), .valueTooLarge, "dedupeKey has 1025")
    try await expectRefused(store, MemoryDraft(userID: "u", text: "t", metadata: [long: 1]), .valueTooLarge, "metadata key has 1025")
    try await store.close()
  }

  @Test func metadataHasABound() async throws {
    let store = try await scratch.open()
    try await store.add(MemoryDraft(userID: "u", text: "t", metadata: ["k": .string(String(repeating: "x", count: 256 << 10 - 10))]))
    try await expectRefused(
      store, MemoryDraft(userID: "u", text: "t", metadata: ["k": .string(String(repeating: "x", count: 256 << 10))]), .valueTooLarge,
      "metadata")
    for value in [Double.nan, .infinity, -.infinity] {
      try await expectRefused(store, MemoryDraft(userID: "u", text: "t", metadata: ["bad": .double(value)]), .invalidArgument, "'bad'")
    }
    try await store.close()
  }

  @Test func importanceLiesBetweenZeroAndOne() async throws {
    let store = try await scratch.open()
    for importance in [0, 1, 0.5, .leastNonzeroMagnitude] {
      let id = try await store.add(MemoryDraft(userID: "u", text: "t", importance: importance)).id
      #expect(try store.memory(id, for: "u")?.importance == importance)
    }
    for importance in [-0.1, 1.0.nextUp, -.leastNonzeroMagnitude, .nan, .infinity] {
      try await expectRefused(store, MemoryDraft(userID: "u", text: "t", importance: importance), .invalidArgument, "importance")
    }
    try await store.close()
  }

  @Test func datesLieInTheYears1To9999() async throws {
    let store = try await scratch.open()
    for bound in [WallClock.range.lowerBound, WallClock.range.upperBound] {
      let date = Date(milliseconds: bound)
      let id = try await store.add(
        MemoryDraft(userID: "u", text: "t", createdAt: date, expiresAt: Date(milliseconds: WallClock.range.upperBound))
      ).id
      #expect(try store.memory(id, for: "u")?.createdAt == date)
    }
    let outside = [
      Date(milliseconds: WallClock.range.lowerBound - 1), Date(milliseconds: WallClock.range.upperBound + 1),
      .init(timeIntervalSince1970: 1e300),
      .init(timeIntervalSince1970: -.infinity), .init(timeIntervalSince1970: .nan),
    ]
    for date in outside {
      try await expectRefused(store, MemoryDraft(userID: "u", text: "t", createdAt: date), .invalidArgument, "createdAt")
      try await expectRefused(store, MemoryDraft(userID: "u", text: "t", expiresAt: date), .invalidArgument, "expiresAt")
    }
    try await store.close()
  }

  @Test(arguments: Metric.allCases) func vectorsAreChecked(_ metric: Metric) async throws {
    let store = try await scratch.open(dimension: 3, metric: metric)
    func draft(_ values: [Float]) -> MemoryDraft { MemoryDraft(userID: "u", text: "t", embedding: Embedding(values)) }
    try await expectRefused(store, draft([]), .dimensionMismatch, "0 components, the store has dimension 3")
    try await expectRefused(store, draft([1, 2]), .dimensionMismatch, "2 components")
    try await expectRefused(store, draft([1, 2, 3, 4]), .dimensionMismatch, "4 components")
    try await expectRefused(store, draft([1, .nan, 3]), .notFinite, "component 1")
    try await expectRefused(store, draft([1, 2, .infinity]), .notFinite, "component 2")
    try await expectRefused(store, draft([-.infinity, .nan, 0]), .notFinite, "component 0")
    try await expectRefused(store, draft([Float(1e300), 0, 0]), .notFinite, "component 0")
    try await expectRefused(store, draft([1.1e18, 0, 0]), .normTooLarge, "1e+18")
    try await expectRefused(store, draft([8e17, 8e17, 0]), .normTooLarge, "norm")
    try await expectRefused(store, draft([.greatestFiniteMagnitude, .greatestFiniteMagnitude, 0]), .normTooLarge, "norm")
    // The largest 32-bit float that is not above the bound is accepted, and the next one is refused.
    let largest: Float = Double(Float(1e18)) <= 1e18 ? 1e18 : Float(1e18).nextDown
    try await store.add(draft([largest, 0, 0]))
    try await expectRefused(store, draft([largest.nextUp, 0, 0]), .normTooLarge, "norm")
    try await store.add(draft([.leastNonzeroMagnitude, 0, 0]))
    if metric == .cosine {
      try await expectRefused(store, draft([0, 0, 0]), .zeroNorm, "zero")
      try await expectRefused(store, draft([-0.0, 0, 0]), .zeroNorm, "zero")
      #expect(try store.search(SearchQuery(embedding: [1, 0, 0], scope: .user("u"))).map(\.score) == [1, 1])
    } else {
      let id = try await store.add(draft([0, 0, 0])).id
      #expect(try store.embedding(of: id, for: "u") == [0, 0, 0])
    }
    try await store.close()
  }

  @Test func aStoreWithoutADimensionTakesNoVectors() async throws {
    let store = try await scratch.open()
    try await expectRefused(store, MemoryDraft(userID: "u", text: "t", embedding: [1, 2]), .dimensionMismatch, "2 components")
    #expect(await storeErrorCode { _ = try store.search(SearchQuery(embedding: [1, 2], scope: .all)) } == .dimensionMismatch)
    try await store.close()
  }
}
