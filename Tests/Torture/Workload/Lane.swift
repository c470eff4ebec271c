import Engram
import Foundation
import TestSupport

/// A sequence of writes that follows from its name and the seed alone: the number of committed writes determines every memory and every
/// context that must be in the store.
///
/// A lane writes to users of its own, to a context of its own that counts its writes, and to the one context that all lanes count in.
struct Lane: Codable, Hashable, Sendable {
  let name: String
  let seed: UInt64
  /// Whether the lane forgets a user or erases memories now and then, which rebuilds the store.
  var forgets = false

  /// The context that counts the lane's writes.
  var counter: String { name }
  /// A user that exists only if a write whose body threw was made all the same.
  var doomed: String { "\(name)/doomed" }
  func user(_ number: Int) -> String { "\(name)/user\(number)" }

  static let total = "total"
  static let users = 3
  /// The dimensions of the embedder that a store begins with, and of the one that it may move to.
  static let dimension = 16
  static let otherDimension = 24
  /// So few that the stores of most runs have codes.
  static let leastCodedRows = 8
  /// The number of writes after which memories arrive by their texts.
  static let arrivalInterval = 6
  /// How many earlier versions of a context a store keeps.
  static let historyLimit = 16

  /// Whether the erasure of a user is proved: for one in two users, because a proof reads the whole store.
  func provesErasure(of user: String) -> Bool { Self.hash("\(user)/\(seed)").isMultiple(of: 2) }

  func token(_ number: Int) -> String { "\(name)-\(number)" }

  /// The operation that follows `state`.
  func next(_ state: LaneState) -> Operation {
    if let user = state.isForgetting { return .endForget(user) }
    if !state.isErasing.isEmpty { return .endErase(state.isErasing, of: state.isErasingOf) }
    if let arrival = state.isArriving { return .endArrival(arrival) }
    if let user = state.isEmbedding { return .endEmbedding(user) }
    var generator = SeededGenerator(seed: seed ^ Self.hash("\(name)/\(state.count)"))
    if forgets, state.count % 5 == 4 {
      let own = state.memories.keys.sorted()
      if state.count % 10 == 9, let user = own.first.flatMap({ state.memories[$0]?.userID }) {
        let ids = own.filter { state.memories[$0]?.userID == user }.prefix(Int.random(in: 1...3, using: &generator))
        return .beginErase(Array(ids), of: user)
      }
      return .beginForget(user(Int.random(in: 0..<Self.users, using: &generator)))
    }
    if forgets, state.count % 10 == 6 { return .beginEmbedding(user(Int.random(in: 0..<Self.users, using: &generator))) }
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
    let kind = Int.random(in: 0..<16, using: &generator)
    let chosen = own.isEmpty ? nil : own[Int.random(in: own.indices, using: &generator)]
    switch kind {
    case 0..<5: break
    case 8: return .setContext(user, Int.random(in: 0..<1_000_000, using: &generator))
    case 9 where state.contexts[user] != nil: return .deleteContext(user)
    case 10:
      guard let id = own.first(where: { state.memories[$0]?.dedupeKey != nil }), let old = state.memories[id] else { break }
      return .addAgain(id, memory(old.userID, &generator).keeping(old))
    default:
      if let id = chosen, let old = state.memories[id], let change = self.change(kind, id, old, state, &generator) { return change }
    }
    return .add(id(state.count, part), replacing(memory(user, &generator), state, &generator))
  }

  /// A change of one memory; nil if `kind` is another kind of change.
  private func change(
    _ kind: Int, _ id: MemoryID, _ old: LaneMemory, _ state: LaneState, _ generator: inout SeededGenerator
  ) -> Change? {
    switch kind {
    case 5: return .delete(id, of: old.userID)
    case 6, 7, 15: return .replace(id, memory(old.userID, &generator).keeping(old), ifVersion: old.version)
    case 11: return .relabel(id, old.labeled(as: memory(old.userID, &generator)), ifVersion: old.version)
    case 12: return .changeInVain(id, of: old.userID, ifVersion: old.version + (old.version > 1 && generator.chance(percent: 50) ? -1 : 1))
    case 13:
      // One of the last versions, which a store keeps.
      guard let earlier = state.history[id]?.suffix(Self.historyLimit).randomElement(using: &generator) else { return nil }
      return .revert(id, to: earlier.version, earlier.following(old), ifVersion: old.version)
    default: return nil
    }
  }

  /// Lets a memory replace an existing one now and then.
  private func replacing(_ memory: LaneMemory, _ state: LaneState, _ generator: inout SeededGenerator) -> LaneMemory {
    guard generator.chance(percent: 30) else { return memory }
    var memory = memory
    memory.replaces = state.memories.keys.sorted().first {
      state.memories[$0]?.userID == memory.userID && state.memories[$0]?.supersededBy == nil
    }
    return memory
  }

  /// Neighbouring lanes take turns: one imports when the other one adds.
  private func arrival(_ number: Int, _ generator: inout SeededGenerator) -> Arrival {
    let parity = Int(name.utf8.last ?? 0) + number / Self.arrivalInterval
    let memories = (0..<Int.random(in: 2...4, using: &generator)).map { part in
      let user = user(Int.random(in: 0..<Self.users, using: &generator))
      return Arrival.Entry(id: id(number, part), memory: memory(user, &generator).withDedupeKey)
    }
    return Arrival(isImport: parity.isMultiple(of: 2), memories: memories)
  }

  private func memory(_ user: String, _ generator: inout SeededGenerator) -> LaneMemory {
    let number = Int64(generator.next() >> 1)
    let sessions: [String?] = [nil, "morning", "evening", "talk of \(user)"]
    let speakers: [String?] = [nil, "Ada", "Ben Okafor", "\(user) as \(generator.next())"]
    return LaneMemory(
      userID: user, text: LaneText.random(&generator), caption: generator.chance(percent: 20) ? LaneText.caption(&generator) : nil,
      speaker: speakers[Int.random(in: 0..<4, using: &generator)], sessionID: sessions[Int.random(in: 0..<4, using: &generator)],
      kind: generator.chance(percent: 50) ? "fact" : nil, number: number,
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
  /// Counts only: from now on any memory of the user may have an embedding.
  case beginEmbedding(String)
  /// Embeds the user's memories that have no embedding, then counts.
  case endEmbedding(String)
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
  /// A memory with the dedupe key of an existing one: nothing is added.
  case addAgain(MemoryID, LaneMemory)
  /// Another text. If the new memory has no embedding, the old one is deleted and the new one added.
  case replace(MemoryID, LaneMemory, ifVersion: Int)
  /// Another kind and session: the text and the row stay.
  case relabel(MemoryID, LaneMemory, ifVersion: Int)
  /// The memory becomes what it was in an earlier version.
  case revert(MemoryID, to: Int, LaneMemory, ifVersion: Int)
  /// A change with a version that the memory does not have: it is refused, and nothing changes.
  case changeInVain(MemoryID, of: String, ifVersion: Int)
  case delete(MemoryID, of: String)
  case setContext(String, Int)
  case deleteContext(String)
}
