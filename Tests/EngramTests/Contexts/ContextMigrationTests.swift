import Formats
import Foundation
import LMDB
import Testing
import TestSupport

@testable import Engram

/// Records that were written by another version of their type.
@Suite(.serialized) struct ContextMigrationTests {
  private let scratch = ScratchStore()

  struct CardV1: ContextRecord {
    static let recordType = "Card"
    let userID: String
    let name: String
  }

  struct CardV2: ContextRecord, Equatable {
    static let recordType = "Card"
    static let schemaVersion = 2
    let userID: String
    let first: String
    let last: String

    init(userID: String, first: String, last: String) {
      self.userID = userID
      self.first = first
      self.last = last
    }

    static func migrate(fromVersion version: Int, _ decoder: any Decoder) throws -> CardV2 {
      guard version == 1 else {
        throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "schema \(version) is not known"))
      }
      let old = try CardV1(from: decoder)
      let parts = old.name.split(separator: " ", maxSplits: 1).map(String.init)
      return CardV2(userID: old.userID, first: parts[0], last: parts.count > 1 ? parts[1] : "")
    }
  }

  struct CardV3: ContextRecord {
    static let recordType = "Card"
    static let schemaVersion = 3
    let userID: String
    let full: String
  }

  /// Reads any version as it is: the default migration.
  struct CardNameOnly: ContextRecord {
    static let recordType = "Card"
    static let schemaVersion = 7
    let userID: String
    let name: String?
  }

  @Test func anOlderRecordGoesThroughItsMigrationAndItsHistoryToo() async throws {
    let store = try await scratch.open()
    try await store.put(CardV1(userID: "u", name: "Ada Byron"))
    try await store.put(CardV1(userID: "u", name: "Ada Lovelace"))
    #expect(try store.context(CardV2.self, for: "u") == CardV2(userID: "u", first: "Ada", last: "Lovelace"))
    #expect(try store.history(CardV2.self, for: "u").map(\.context) == [CardV2(userID: "u", first: "Ada", last: "Byron")])
    let stored = try await store.updateContext(CardV2.self, for: "u") { current in
      CardV2(userID: "u", first: current?.first ?? "", last: "King")
    }
    #expect(stored.first == "Ada")
    #expect(try store.context(CardV2.self, for: "u") == stored)
    #expect(try store.history(CardV2.self, for: "u").map(\.context.last) == ["Lovelace", "Byron"])
    #expect(try store.history(CardV2.self, for: "u").map(\.version) == [2, 1])
    try await store.close()
  }

  @Test func aNewerRecordIsPassedInWithItsVersion() async throws {
    let store = try await scratch.open()
    try await store.put(CardV3(userID: "u", full: "Ada"))
    let error = await storeError { _ = try store.context(CardV2.self, for: "u") }
    #expect(error?.code == .decodingFailed)
    #expect(error?.description.contains("schema 3") == true)
    #expect(error?.description.contains("'u'") == true)
    #expect(try store.context(CardNameOnly.self, for: "u")?.name == nil)
    try await store.close()
  }

  @Test func anUndecodableRecordThrowsWhileOtherUsersStayReadable() async throws {
    let store = try await scratch.open()
    try await store.put(CardV1(userID: "good", name: "Ada Byron"))
    try await store.put(CardV3(userID: "bad", full: "?"))
    #expect(await storeErrorCode { _ = try store.context(CardV1.self, for: "bad") } == .decodingFailed)
    #expect(
      await storeErrorCode { try await store.updateContext(CardV1.self, for: "bad") { $0 ?? CardV1(userID: "bad", name: "") } }
        == .decodingFailed)
    #expect(try store.context(CardV1.self, for: "good")?.name == "Ada Byron")
    #expect(try store.context(CardV3.self, for: "bad")?.full == "?")
    // It can still be replaced and deleted.
    try await store.put(CardV1(userID: "bad", name: "new"))
    #expect(try store.context(CardV1.self, for: "bad")?.name == "new")
    #expect(await storeErrorCode { _ = try store.history(CardV1.self, for: "bad") } == .decodingFailed)
    #expect(try await store.deleteContext(CardV1.self, for: "bad"))
    try await store.close()
  }

  @Test func unknownKeysAreHarmless() async throws {
    struct Wide: ContextRecord {
      static let recordType = "UserContext"
      let userID: String
      let firstSeen: Int64
      let conversationsCount: Int
      let fromTheFuture: [String: [Double]]
      let alsoNew: Data
    }
    let store = try await scratch.open()
    try await store.put(Wide(userID: "u", firstSeen: 5, conversationsCount: 3, fromTheFuture: ["a": [1.5]], alsoNew: Data([1])))
    let context = try #require(try store.context(for: "u"))
    #expect(context == UserContext(userID: "u", conversationsCount: 3, firstSeen: Date(milliseconds: 5)))
    try await store.close()
  }

  @Test func aRecordWithoutARequiredKeyIsUndecodable() async throws {
    struct Narrow: ContextRecord {
      static let recordType = "UserContext"
      let userID: String
    }
    let store = try await scratch.open()
    try await store.put(Narrow(userID: "u"))
    let error = await storeError { _ = try store.context(for: "u") }
    #expect(error?.code == .decodingFailed)
    #expect(error?.description.contains("firstSeen") == true)
    try await store.close()
  }

  /// The direct and the generic path read a record that another program wrote: both give the same value, or both fail.
  @Test func theDirectAndTheGenericPathAgreeOnForeignRecords() async throws {
    var random = SeededGenerator(seed: 3)
    let keys = [
      "topics", "userID", "lastSeen", "firstSeen", "lastMessage", "preferences", "lastResponse", "friendshipLevel", "conversationsCount",
      "x",
    ]
    let values: [CBORValue] = [
      .null, .text("t"), .unsigned(7), .negative(2), .float(3), .float(0.5), .bool(true), .array([]), .array([.text("a")]), .array([.null]),
      .map([]), .map([.init(key: .text("k"), value: .text("v"))]), .map([.init(key: .text("k"), value: .null)]), .unsigned(.max),
      .undefined,
    ]
    var disagreements: Set<String> = []
    var decoded = 0
    func compare(_ fields: [String: CBORValue]) throws {
      var writer = CBORWriter()
      try writer.value(.map(fields.map { .init(key: .text($0.key), value: $0.value) }))
      let direct = try? direct(writer.bytes)
      let generic = try? CBORDecoder().decode(UserContext.self, from: writer.bytes)
      if generic != nil { decoded += 1 }
      if direct != generic {
        disagreements.insert(
          fields.sorted { $0.key < $1.key }.map { "\($0.key): \(CBORDiagnostic.text(of: $0.value))" }.joined(separator: ", "))
      }
    }
    let base: [String: CBORValue] = ["userID": .text("u"), "firstSeen": .unsigned(5)]
    for key in keys {
      try compare(base.filter { $0.key != key })
      for value in values { try compare(base.merging([key: value]) { $1 }) }
    }
    for _ in 0..<1_000 {
      var fields = base
      for _ in 0..<3 { fields[random.element(of: keys)] = random.element(of: values) }
      // Combinations only if the single fields agree; otherwise one disagreement would be reported many times.
      if disagreements.isEmpty { try compare(fields) }
    }
    #expect(disagreements.sorted() == [])
    #expect(decoded >= 50)
  }

  private func direct(_ bytes: [UInt8]) throws -> UserContext {
    // SAFETY: the reader is used inside the closure only.
    try unsafe bytes.withUnsafeBytes { buffer in
      var reader = unsafe CBORReader(buffer)
      return try UserContext(&reader)
    }
  }
}
