import TestSupport

/// One transaction of a history. Its effect is determined by it and the state that it finds, so the order of all transactions determines
/// every state.
struct HistoryWrite: Codable, Equatable, Sendable {
  /// Unique; also its token.
  let id: String
  /// The users that it reads; it changes no other user.
  let users: [String]
  let changes: [HistoryChange]
  /// Whether its body throws at the end.
  var isDoomed = false

  /// Reads one to three users and changes some of them.
  ///
  /// - Parameter version: The version of a user's memory in a slot, or, without a slot, of the user's context, as seen before; conditional
  ///   changes use it.
  static func random(
    _ id: String, _ generator: inout SeededGenerator, version: (_ user: String, _ slot: Int?) -> Int = { $1 == nil ? 0 : 1 }
  ) -> HistoryWrite {
    let users = Array(History.users.shuffled(using: &generator).prefix(Int.random(in: 1...3, using: &generator)))
    let changes = (0..<Int.random(in: 1...4, using: &generator)).map { part in
      HistoryChange.random("\(id).\(part)", users[Int.random(in: users.indices, using: &generator)], &generator, version)
    }
    return HistoryWrite(id: id, users: users, changes: changes, isDoomed: generator.chance(percent: 8))
  }
}

/// One change of a transaction. Indices of lists are taken modulo the length, so any number is valid.
enum HistoryChange: Codable, Equatable, Sendable {
  case appendTopic(user: String, topic: String)
  case removeTopic(user: String, index: Int)
  case setPreference(user: String, key: String, value: String)
  /// Adds the slot's memory, or gives it another text and row.
  case put(user: String, slot: Int, label: String, length: Int, hasRow: Bool)
  /// Changes the kind of the slot's memory, if there is one: the row stays.
  case mark(user: String, slot: Int, kind: String)
  /// Like `setPreference` and `mark`, if the context or the memory has this version; otherwise nothing changes.
  case setPreferenceIf(user: String, key: String, value: String, version: Int)
  case markIf(user: String, slot: Int, kind: String, version: Int)
  case delete(user: String, slot: Int)
  /// Deletes all that the user has.
  case clear(user: String)
  /// From here on the user may be forgotten, and no transaction touches it; nothing if another one is being forgotten.
  case beginForget(user: String)
  /// From here on the user is forgotten.
  case endForget(user: String)

  var user: String {
    switch self {
    case .appendTopic(let user, _), .removeTopic(let user, _), .setPreference(let user, _, _), .put(let user, _, _, _, _),
      .mark(let user, _, _), .setPreferenceIf(let user, _, _, _), .markIf(let user, _, _, _), .delete(let user, _),
      .clear(let user), .beginForget(let user), .endForget(let user):
      user
    }
  }

  static func random(
    _ label: String, _ user: String, _ generator: inout SeededGenerator, _ version: (_ user: String, _ slot: Int?) -> Int
  ) -> HistoryChange {
    let slot = Int.random(in: 0..<History.slots, using: &generator)
    switch Int.random(in: 0..<100, using: &generator) {
    case 0..<30: return .appendTopic(user: user, topic: label)
    case 30..<38: return .removeTopic(user: user, index: slot)
    case 38..<41:
      return .setPreferenceIf(user: user, key: "preference\(slot)", value: label, version: version(user, nil))
    case 41..<46: return .setPreference(user: user, key: "preference\(slot)", value: label)
    case 46..<74:
      let length = generator.chance(percent: 4) ? Int.random(in: 3000..<9000, using: &generator) : Int.random(in: 1..<60, using: &generator)
      return .put(user: user, slot: slot, label: label, length: length, hasRow: generator.chance(percent: 85))
    case 74..<79: return .markIf(user: user, slot: slot, kind: label, version: version(user, slot))
    case 79..<82: return .mark(user: user, slot: slot, kind: label)
    case 82..<96: return .delete(user: user, slot: slot)
    default: return .clear(user: user)
    }
  }
}
