import Engram
import Foundation
import TestSupport

/// A sequence of writes that follows from its name and the seed alone: who knows how many of them were committed knows every memory and
/// every context that must be in the store.
///
/// A lane writes to users of its own, to a context of its own that counts its writes, and to the one context that all lanes count in.
struct Lane: Codable, Hashable, Sendable {
  let name: String
  let seed: UInt64
  /// Whether the lane forgets a user or erases memories now and then, which rebuilds the store.
  var forgets = false

  /// The context that counts the lane's writes.
  var counter: String { name }
  /// A user that only writes which throw would make.
  var doomed: String { "\(name)/doomed" }
  func user(_ number: Int) -> String { "\(name)/user\(number)" }

  static let total = "total"
  static let users = 3
  static let dimension = 16
  /// Memories arrive by their texts after so many writes.
  static let arrivalInterval = 6
  /// Earlier versions of a context that a store keeps.
  static let historyLimit = 16

  func token(_ number: Int) -> String { "\(name)-\(number)" }

  /// What comes after `state`.
  func next(_ state: LaneState) -> Operation {
    if let user = state.isForgetting { return .endForget(user) }
    if !state.isErasing.isEmpty { return .endErase(state.isErasing, of: state.isErasingOf) }
    if let arrival = state.isArriving { return .endArrival(arrival) }
    var generator = SeededGenerator(seed: seed ^ Self.hash("\(name)/\(state.count)"))
    if forgets, state.count % 5 == 4 {
      let own = state.memories.keys.sorted()
      if state.count % 10 == 9, let user = own.first.flatMap({ state.memories[$0]?.userID }) {
        let ids = own.filter { state.memories[$0]?.userID == user }.prefix(Int.random(in: 1...3, using: &generator))
        return .beginErase(Array(ids), of: user)
      }
      return .beginForget(user(Int.random(in: 0..<Self.users, using: &generator)))
    }
    if state.count % Self.arrivalInterval == 1 { return .beginArrival(arrival(state.count, &generator)) }
    let changes = Int.random(in: 1...4, using: &generator)
    var after = state
    return .write(
      (0..<changes).map { part in
        let change = change(part, after, &generator)
        after.apply(change)
        return change
      })
  }

  private func change(_ part: Int, _ state: LaneState, _ generator: inout SeededGenerator) -> Change {
    let user = user(Int.random(in: 0..<Self.users, using: &generator))
    let own = state.memories.keys.sorted()
    switch Int.random(in: 0..<11, using: &generator) {
    case 10:
      guard let id = own.first(where: { state.memories[$0]?.dedupeKey != nil }), let old = state.memories[id] else { break }
      return .addAgain(id, memory(old.userID, &generator).keeping(old))
    case 0..<5: return .add(id(state.count, part), memory(user, &generator))
    case 5 where !own.isEmpty:
      let id = own[Int.random(in: own.indices, using: &generator)]
      guard let old = state.memories[id] else { break }
      return .delete(id, of: old.userID)
    case 6, 7:
      guard !own.isEmpty else { break }
      let id = own[Int.random(in: own.indices, using: &generator)]
      guard let old = state.memories[id] else { break }
      return .replace(id, memory(old.userID, &generator).keeping(old))
    case 8: return .setContext(user, Int.random(in: 0..<1_000_000, using: &generator))
    case 9 where state.contexts[user] != nil: return .deleteContext(user)
    default: break
    }
    return .add(id(state.count, part), memory(user, &generator))
  }

  /// Neighbouring lanes take turns: one imports where the other one adds.
  private func arrival(_ number: Int, _ generator: inout SeededGenerator) -> Arrival {
    let parity = Int(name.utf8.last ?? 0) + number / Self.arrivalInterval
    let memories = (0..<Int.random(in: 2...4, using: &generator)).map { part in
      let user = user(Int.random(in: 0..<Self.users, using: &generator))
      return Arrival.Entry(id: id(number, part), memory: memory(user, &generator).withDedupeKey)
    }
    return Arrival(isImport: parity.isMultiple(of: 2), memories: memories)
  }

  private func memory(_ user: String, _ generator: inout SeededGenerator) -> LaneMemory {
    let length = generator.chance(percent: 5) ? Int.random(in: 3000..<9000, using: &generator) : Int.random(in: 4..<60, using: &generator)
    let words = String(repeating: "\(String(generator.next(), radix: 36)) ", count: length / 8 + 1)
    let number = Int64(generator.next() >> 1)
    return LaneMemory(
      userID: user, text: words, kind: generator.chance(percent: 50) ? "fact" : nil, number: number,
      hasEmbedding: generator.chance(percent: 80), dedupeKey: generator.chance(percent: 25) ? "key \(number)" : nil,
      // In the year 2200: no clock of the harness goes that far.
      expiresAt: generator.chance(percent: 25) ? Date(timeIntervalSince1970: 7_258_118_400 + Double(number % 1000)) : nil)
  }

  private func id(_ number: Int, _ part: Int) -> MemoryID {
    let (high, low) = (Self.hash("\(name)/\(number)/\(part)/high"), Self.hash("\(name)/\(number)/\(part)/low"))
    let bytes = [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
    return MemoryID(
      UUID(
        uuid: (
          bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7], bytes[8], bytes[9], bytes[10], bytes[11],
          bytes[12], bytes[13], bytes[14], bytes[15]
        )))
  }

  /// FNV-1a, mixed: the same in every process.
  static func hash(_ text: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    var generator = SeededGenerator(seed: hash)
    return generator.next()
  }
}

/// One write of a lane.
enum Operation: Sendable {
  /// All in one transaction.
  case write([Change])
  /// Counts only: from now on the memories may be erased.
  case beginErase([MemoryID], of: String)
  /// Erases the memories, then counts.
  case endErase([MemoryID], of: String)
  /// Counts only: from now on the memories may be there, all of them or none.
  case beginArrival(Arrival)
  /// Adds the memories in one call, then counts.
  case endArrival(Arrival)
  /// Counts only: from now on the user may be forgotten.
  case beginForget(String)
  /// Forgets the user, then counts: from now on the user is forgotten.
  case endForget(String)

  var changes: [Change] {
    if case .write(let changes) = self { return changes }
    return []
  }
}

enum Change: Sendable {
  case add(MemoryID, LaneMemory)
  /// A memory with the dedupe key of one that is there: nothing is added.
  case addAgain(MemoryID, LaneMemory)
  case replace(MemoryID, LaneMemory)
  case delete(MemoryID, of: String)
  case setContext(String, Int)
  case deleteContext(String)
}

/// What a memory of a lane must look like.
struct LaneMemory: Hashable, Sendable {
  let userID: String
  let text: String
  let kind: String?
  let number: Int64
  let hasEmbedding: Bool
  let dedupeKey: String?
  let expiresAt: Date?

  /// A second attempt to add it changes nothing.
  var withDedupeKey: LaneMemory {
    LaneMemory(
      userID: userID, text: text, kind: kind, number: number, hasEmbedding: hasEmbedding, dedupeKey: "key \(number)", expiresAt: expiresAt)
  }

  var withoutEmbedding: LaneMemory {
    LaneMemory(
      userID: userID, text: text, kind: kind, number: number, hasEmbedding: false, dedupeKey: dedupeKey, expiresAt: expiresAt)
  }

  /// With what an update of the other memory leaves as it is.
  func keeping(_ other: LaneMemory) -> LaneMemory {
    LaneMemory(
      userID: userID, text: text, kind: kind, number: number, hasEmbedding: hasEmbedding, dedupeKey: other.dedupeKey,
      expiresAt: other.expiresAt)
  }

  /// A function of the text, so that a row of another memory is seen.
  var components: [Float] { Self.components(of: text) }

  static func components(of text: String) -> [Float] {
    var generator = SeededGenerator(seed: Lane.hash(text))
    return (0..<Lane.dimension).map { _ in Float(Int8(truncatingIfNeeded: generator.next())) + 0.5 }
  }
}
