import Foundation
import LMDB
import TestSupport
import Testing

@testable import Engram

/// Records of an application's own types.
@Suite(.serialized) struct ContextRecordTests {
  private let scratch = ScratchStore()

  struct Profile: ContextRecord, Equatable {
    struct Address: Codable, Sendable, Equatable {
      let street: String
      let number: Int?
      let lines: [String?]
    }
    enum Mood: String, Codable, Sendable { case calm, busy }
    enum Plan: Codable, Sendable, Equatable {
      case free
      case paid(monthly: Double, since: Date)
    }

    let userID: String
    let name: String?
    let birthday: Date?
    let address: Address?
    let moods: [Mood]
    let plan: Plan
    let scores: [String: [Double]]
    let byYear: [Int: String]
    let picture: Data
    let link: URL?
    let key: UUID
    let big: UInt64
    let small: Int8
  }

  private func profile(_ user: String, isFull: Bool) -> Profile {
    Profile(
      userID: user, name: isFull ? "Ünal 水" : nil, birthday: isFull ? Date(timeIntervalSince1970: -123_456.789) : nil,
      address: isFull ? .init(street: "Allée", number: nil, lines: ["a", nil, ""]) : nil, moods: isFull ? [.calm, .busy] : [],
      plan: isFull ? .paid(monthly: 9.99, since: Date(timeIntervalSince1970: 1_700_000_000.5)) : .free,
      scores: isFull ? ["x": [0.1, -.infinity, .leastNonzeroMagnitude], "": []] : [:], byYear: isFull ? [1999: "a", -4: "b"] : [:],
      picture: isFull ? Data(0...255) : Data(), link: isFull ? URL(string: "https://example.org/?q=%20") : nil,
      key: UUID(uuidString: "00112233-4455-6677-8899-AABBCCDDEEFF") ?? UUID(), big: isFull ? .max : 0, small: isFull ? .min : 0)
  }

  @Test func aNestedRecordComesBackEqual() async throws {
    let store = try await scratch.open()
    for isFull in [true, false] {
      try await store.put(profile("u", isFull: isFull))
      #expect(try store.context(Profile.self, for: "u") == profile("u", isFull: isFull))
    }
    #expect(try store.history(Profile.self, for: "u").map(\.context) == [profile("u", isFull: true)])
    #expect(try store.context(for: "u") == nil)
    let updated = try await store.updateContext(Profile.self, for: "v") { current in
      #expect(current == nil)
      return self.profile("v", isFull: true)
    }
    #expect(try store.context(Profile.self, for: "v") == updated)
    try await store.close()
  }

  enum First {
    struct Twin: ContextRecord {
      let userID: String
      let score: Int
    }
  }

  enum Second {
    struct Twin: ContextRecord {
      let userID: String
      let names: [String]
    }

    struct UserContext: ContextRecord {
      let userID: String
    }
  }

  struct Successor: ContextRecord {
    static let recordType = "Twin"
    let userID: String
    let score: Int
  }

  /// Bug: two types of the same name, in different modules or nested in different types, read each other's records, and the later put
  /// replaced what the other had stored. Cause: the default name is the type's own name without its module. Fix: the second type of a name
  /// is refused.
  @Test func twoTypesOfOneNameDoNotReplaceEachOther() async throws {
    let store = try await scratch.open()
    try await store.put(First.Twin(userID: "u", score: 7))
    let error = await storeError { try await store.put(Second.Twin(userID: "u", names: [])) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("First.Twin") == true && error?.message.contains("Second.Twin") == true)
    #expect(await storeErrorCode { _ = try store.context(Second.Twin.self, for: "u") } == .invalidArgument)
    #expect(await storeErrorCode { _ = try store.history(Second.Twin.self, for: "u") } == .invalidArgument)
    #expect(await storeErrorCode { try await store.deleteContext(Second.Twin.self, for: "u") } == .invalidArgument)
    #expect(
      await storeErrorCode { try await store.updateContext(Second.Twin.self, for: "u") { _ in .init(userID: "u", names: []) } }
        == .invalidArgument)
    #expect(await storeErrorCode { try await store.put(Second.UserContext(userID: "u")) } == .invalidArgument)
    #expect(try store.context(First.Twin.self, for: "u")?.score == 7)
    // An explicit name is a decision: one type may then read and replace another's records.
    #expect(try store.context(Successor.self, for: "u")?.score == 7)
    try await store.put(Successor(userID: "u", score: 8))
    #expect(try store.context(First.Twin.self, for: "u")?.score == 8)
    try await store.close()
  }

  struct Named<Name: RecordName>: ContextRecord, Equatable {
    static var recordType: String { Name.text }
    let userID: String
    let value: Int
  }
  protocol RecordName: Sendable { static var text: String { get } }
  enum A: RecordName { static let text = "A" }
  enum AB: RecordName { static let text = "AB" }
  enum ADot: RecordName { static let text = "A." }
  enum ADash: RecordName { static let text = "A-1" }
  enum Longest: RecordName { static let text = String(repeating: "x", count: 64) }
  enum TooLong: RecordName { static let text = String(repeating: "x", count: 65) }
  enum Empty: RecordName { static let text = "" }
  enum Slash: RecordName { static let text = "a/b" }
  enum Accent: RecordName { static let text = "é" }
  enum Zero: RecordName { static let text = "A\u{0}" }

  @Test func typesWhoseNamesArePrefixesOfEachOtherDoNotMeet() async throws {
    let store = try await scratch.open(historyLimit: 3)
    func check<Name: RecordName>(_ name: Name.Type, last: Int?, _ userID: String = "u") throws {
      #expect(try store.context(Named<Name>.self, for: userID)?.value == last)
      let expected = last.map { last in [last - 1, last - 2, last - 3].filter { $0 > last - last % 100 } } ?? []
      #expect(try store.history(Named<Name>.self, for: userID).map(\.context.value) == expected)
    }
    for round in 1...5 {
      try await store.put(Named<A>(userID: "u", value: 100 + round))
      try await store.put(Named<AB>(userID: "u", value: 200 + round))
      try await store.put(Named<ADot>(userID: "u", value: 300 + round))
      if round <= 2 { try await store.put(Named<ADash>(userID: "u", value: 400 + round)) }
      try await store.put(Named<Longest>(userID: "u", value: 500 + round))
    }
    try check(A.self, last: 105)
    try check(AB.self, last: 205)
    try check(ADot.self, last: 305)
    try check(ADash.self, last: 402)
    try check(Longest.self, last: 505)
    #expect(try store.users().map(\.contexts) == [5])
    try await store.deleteContext(Named<A>.self, for: "u")
    try check(A.self, last: nil)
    try check(AB.self, last: 205)
    try check(ADot.self, last: 305)
    try check(ADash.self, last: 402)
    try await store.close()
  }

  @Test func recordTypesOutsideTheirAlphabetAreRefused() async throws {
    let store = try await scratch.open()
    func expectRefused<Name: RecordName>(_ name: Name.Type) async throws {
      #expect(await storeErrorCode { try await store.put(Named<Name>(userID: "u", value: 1)) } == .invalidArgument)
      #expect(await storeErrorCode { try await store.deleteContext(Named<Name>.self, for: "u") } == .invalidArgument)
    }
    try await expectRefused(TooLong.self)
    try await expectRefused(Empty.self)
    try await expectRefused(Slash.self)
    try await expectRefused(Accent.self)
    try await expectRefused(Zero.self)
    #expect(try store.status.contexts == 0)
    #expect(try store.status.batchSequence == 0)
    try await store.close()
  }

  /// Bug: a read did not check the record type, so a type with a zero byte or an over-long name was put into the key, and the read trapped
  /// or found another record's key.
  @Test func readingARecordTypeOutsideItsAlphabetIsRefusedToo() async throws {
    let store = try await scratch.open()
    #expect(await storeErrorCode { _ = try store.context(Named<Slash>.self, for: "u") } == .invalidArgument)
    #expect(await storeErrorCode { _ = try store.history(Named<Zero>.self, for: "u") } == .invalidArgument)
    try await store.close()
  }

  struct Bare: ContextRecord {
    let userID: String
    init(userID: String) { self.userID = userID }
    init(from decoder: any Decoder) throws { userID = try decoder.singleValueContainer().decode(String.self) }
    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      try container.encode(userID)
    }
  }

  @Test func aRecordThatIsNoMapIsRefused() async throws {
    let store = try await scratch.open()
    #expect(await storeErrorCode { try await store.put(Bare(userID: "u")) } == .encodingFailed)
    #expect(try store.status.batchSequence == 0)
    try await store.close()
  }

  struct Unencodable: ContextRecord {
    struct Reason: Error {}
    let userID: String
    func encode(to encoder: any Encoder) throws { throw Reason() }
  }

  @Test func aRecordWhoseEncodingThrowsIsRefusedWithTheCause() async throws {
    let store = try await scratch.open()
    let error = await storeError { try await store.put(Unencodable(userID: "u")) }
    #expect(error?.code == .encodingFailed)
    #expect(error?.cause is Unencodable.Reason)
    try await store.close()
  }

  struct Large: ContextRecord {
    let userID: String
    let body: String
  }

  @Test func aRecordAboveEightMebibytesIsRefused() async throws {
    let store = try await scratch.open()
    try await store.put(Large(userID: "u", body: String(repeating: "x", count: 8 << 20 - 64)))
    #expect(
      await storeErrorCode { try await store.put(Large(userID: "u", body: String(repeating: "x", count: 8 << 20))) } == .valueTooLarge)
    #expect(try store.context(Large.self, for: "u")?.body.utf8.count == 8 << 20 - 64)
    try await store.close()
  }
}
