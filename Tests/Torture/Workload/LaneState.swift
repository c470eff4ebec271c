import Engram

/// The content of a lane in the store after some of its writes.
struct LaneState: Sendable {
  /// Writes so far, and so the number of the next one.
  private(set) var count = 0
  private(set) var memories: [MemoryID: LaneMemory] = [:]
  /// The earlier versions of a memory, the oldest first.
  private(set) var history: [MemoryID: [LaneMemory]] = [:]
  /// Everything that was stored under the id of each memory that was not erased, and of each that was; deleted since or not.
  private(set) var stored: [MemoryID: [LaneMemory]] = [:]
  private(set) var erased: [MemoryID: [LaneMemory]] = [:]
  /// The friendship levels of all versions of each user's context since it was made, the oldest first.
  private(set) var contexts: [String: [Int]] = [:]
  /// The user that may be there or not, because the forgetting has begun and not ended.
  private(set) var isForgetting: String?

  /// Memories that may be there or not, all of them, because erasing them has begun and not ended.
  private(set) var isErasing: [MemoryID] = []
  /// The user whose memories ``isErasing`` has.
  private(set) var isErasingOf = ""

  /// Memories that may be there or not, all of them, because adding them has begun and not ended.
  private(set) var isArriving: Arrival?
  /// The user whose memories may all have embeddings, because embedding the missing ones has begun and not ended.
  private(set) var isEmbedding: String?

  /// How each memory arrived that arrived by its text.
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
      for id in ids { erase(id) }
    case .beginArrival(let arrival): isArriving = arrival
    case .endArrival(let arrival):
      isArriving = nil
      self = with(arrival)
    case .beginEmbedding(let user): isEmbedding = user
    case .endEmbedding(let user):
      isEmbedding = nil
      for (id, memory) in memories where memory.userID == user { memories[id]?.hasEmbedding = true }
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
    case .add(let id, let memory):
      if let replaced = memory.replaces, let old = memories[replaced] { store(replaced, old.superseded(by: id)) }
      store(id, memory)
      arrivals[id] = nil
    case .replace(let id, let memory, _):
      store(id, memory)
      arrivals[id] = nil
    case .relabel(let id, let memory, _), .revert(let id, _, let memory, _): store(id, memory)
    case .addAgain, .changeInVain: break
    case .delete(let id, _): (memories[id], history[id]) = (nil, nil)
    case .setContext(let user, let level): contexts[user, default: []].append(level)
    case .deleteContext(let user): contexts[user] = nil
    }
  }

  private mutating func store(_ id: MemoryID, _ memory: LaneMemory) {
    if memory.version == 1 { history[id] = nil } else if let old = memories[id] { history[id, default: []].append(old) }
    memories[id] = memory
    stored[id, default: []].append(memory)
  }

  private mutating func erase(_ id: MemoryID) {
    (memories[id], history[id]) = (nil, nil)
    erased[id, default: []] += stored.removeValue(forKey: id) ?? []
  }

  /// The state with memories that have arrived.
  func with(_ arrival: Arrival) -> LaneState {
    var state = self
    for entry in arrival.memories {
      state.store(entry.id, entry.memory)
      state.arrivals[entry.id] = arrival.name
    }
    return state
  }

  /// Words that texts of users had and that no text has any more.
  var retiredWords: [(userID: String, word: String)] {
    let present = Set(memories.values.flatMap(\.ownWords))
    let all = Array(stored.values.joined()) + erased.values.joined()
    return Set(all.flatMap { memory in memory.ownWords.filter { !present.contains($0) }.map { Word(userID: memory.userID, word: $0) } })
      .map { ($0.userID, $0.word) }
  }

  private struct Word: Hashable {
    let userID: String
    let word: String
  }

  /// The state without one user.
  func without(_ user: String) -> LaneState {
    var state = self
    for (id, all) in stored where all.contains(where: { $0.userID == user }) { state.erase(id) }
    state.contexts[user] = nil
    return state
  }
}
