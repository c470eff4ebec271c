import Engram

/// What a lane has in the store after some of its writes.
struct LaneState: Sendable {
  /// Writes so far, and so the number of the next one.
  private(set) var count = 0
  private(set) var memories: [MemoryID: LaneMemory] = [:]
  /// The friendship levels of all versions of each user's context since it was made, the oldest first.
  private(set) var contexts: [String: [Int]] = [:]
  /// The user that may be there or not, because the forgetting has begun and not ended.
  private(set) var isForgetting: String?

  /// Memories that may be there or not, all of them, because erasing them has begun and not ended.
  private(set) var isErasing: [MemoryID] = []
  /// Whose those memories are.
  private(set) var isErasingOf = ""

  /// Memories that may be there or not, all of them, because adding them has begun and not ended.
  private(set) var isArriving: Arrival?
  /// How the memories that arrived by their texts did so.
  private(set) var arrivals: [MemoryID: String] = [:]

  /// The state after the lane's first `count` writes.
  init(_ lane: Lane, count: Int) {
    for _ in 0..<count { apply(lane.next(self)) }
  }

  mutating func apply(_ operation: Operation) {
    count += 1
    switch operation {
    case .write(let changes): for change in changes { apply(change) }
    case .beginErase(let ids, let user): (isErasing, isErasingOf) = (ids, user)
    case .endErase(let ids, _):
      isErasing = []
      for id in ids { memories[id] = nil }
    case .beginArrival(let arrival): isArriving = arrival
    case .endArrival(let arrival):
      isArriving = nil
      self = with(arrival)
    case .beginForget(let user): isForgetting = user
    case .endForget(let user):
      isForgetting = nil
      self = without(user)
    }
  }

  /// Counts a write whose changes were applied one by one.
  mutating func skip() { count += 1 }

  mutating func apply(_ change: Change) {
    switch change {
    case .add(let id, let memory), .replace(let id, let memory):
      memories[id] = memory
      arrivals[id] = nil
    case .addAgain: break
    case .delete(let id, _): memories[id] = nil
    case .setContext(let user, let level): contexts[user, default: []].append(level)
    case .deleteContext(let user): contexts[user] = nil
    }
  }

  /// The state with memories that have arrived.
  func with(_ arrival: Arrival) -> LaneState {
    var state = self
    for entry in arrival.memories {
      state.memories[entry.id] = entry.memory
      state.arrivals[entry.id] = arrival.name
    }
    return state
  }

  /// The state without one user.
  func without(_ user: String) -> LaneState {
    var state = self
    state.memories = memories.filter { $0.value.userID != user }
    state.contexts[user] = nil
    return state
  }
}
