import Foundation
import TestSupport

@testable import Engram

/// A write body of random operations that may throw half-way; the same operations whenever it runs.
struct RandomWrite: Sendable {
  enum Operation: Sendable {
    case add([MemoryDraft])
    case delete(MemoryID, String)
    case deleteAll(user: String)
    case importance(MemoryID, String, Double)
    case text(MemoryID, String, text: String, Embedding)
    case context(UserContext)
    case tally(user: String, Int)
    case deleteTally(user: String)
  }

  struct Refusal: Error {}

  let operations: [Operation]
  /// The index of the operation before which the body throws; nil: it does not throw.
  let throwsBefore: Int?
  let token: String?

  func run(_ transaction: inout WriteTransaction) throws {
    for (index, operation) in operations.enumerated() {
      if index == throwsBefore { throw Refusal() }
      switch operation {
      case .add(let drafts): try transaction.add(drafts)
      case .delete(let id, let owner): try transaction.delete(id, for: owner)
      case .deleteAll(let user): try transaction.delete(where: .importance(atLeast: 0), scope: .user(user))
      // If another body has deleted the memory meanwhile, this body throws, too.
      case .importance(let id, let owner, let value): try transaction.update(id, for: owner) { $0.with(importance: value) }
      case .text(let id, let owner, let text, let embedding):
        try transaction.update(id, for: owner, embedding: embedding) { $0.with(text: text) }
      case .context(let context): try transaction.put(context)
      case .tally(let user, let number):
        try transaction.updateContext(Tally.self, for: user) { ($0 ?? Tally(userID: user, value: 0)).adding(number) }
      case .deleteTally(let user): try transaction.deleteContext(Tally.self, for: user)
      }
    }
    if throwsBefore == operations.count { throw Refusal() }
  }

  /// Bodies over a few users, so that they touch the same ones; ids are given, so that two runs make the same memories.
  static func make(count: Int, existing: [MemoryDraft], _ generator: inout SeededGenerator) -> [RandomWrite] {
    let users = ["ann", "bob", "cid", "dee"]
    let start = Date(milliseconds: 1_700_000_000_000)
    var known = existing.compactMap { draft in draft.id.map { (id: $0, owner: draft.userID) } }
    var serial = 0
    return (0..<count).map { number in
      let operations = (0..<Int.random(in: 1...6, using: &generator)).map { _ -> Operation in
        let user = users.randomElement(using: &generator) ?? "ann"
        let (id, owner) = known.randomElement(using: &generator) ?? (MemoryID(), user)
        serial += 1
        switch Int.random(in: 0..<20, using: &generator) {
        case 0..<7:
          let size = generator.chance(percent: 20) ? Int.random(in: 60...300, using: &generator) : Int.random(in: 1...4, using: &generator)
          let drafts = (0..<size).map { part in
            var draft = TestStore.draft(user, serial * 1000 + part)
            if generator.chance(percent: 25) { draft.embedding = nil }
            if generator.chance(percent: 20) { draft.dedupeKey = "key \(Int.random(in: 0..<9, using: &generator))" }
            if generator.chance(percent: 20) { draft.expiresAt = Date(milliseconds: 4_000_000_000_000 + Int64(part)) }
            draft.createdAt = start + Double(serial)
            draft.id = MemoryID()
            return draft
          }
          known += drafts.compactMap { draft in draft.id.map { (id: $0, owner: draft.userID) } }
          return .add(drafts)
        case 7..<10: return .delete(id, owner)
        case 10..<12: return .deleteAll(user: user)
        case 12..<14: return .importance(id, owner, Double(serial % 100) / 100)
        case 14: return .text(id, owner, text: "text \(serial)", TestStore.vector(serial))
        case 15..<17: return .context(UserContext(userID: user, friendshipLevel: serial, firstSeen: start))
        case 17..<19: return .tally(user: user, serial)
        default: return .deleteTally(user: user)
        }
      }
      return RandomWrite(
        operations: operations, throwsBefore: number % 3 == 0 ? Int.random(in: 0...operations.count, using: &generator) : nil,
        token: number % 5 == 0 ? "token \(number)" : nil)
    }
  }
}
