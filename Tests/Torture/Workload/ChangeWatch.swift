import Engram

/// Follows the changes of one lane that `changes()` reports, and compares them with the lane's writes: each change once, in the order
/// of the writes.
struct ChangeWatch: ~Copyable {
  private let lane: Lane
  private var state: LaneState
  /// The changes that are still expected of the write whose report has begun.
  private var expected: ArraySlice<Expected> = []
  /// How many of the first expected changes are reported all or not at all: an earlier attempt may have added the memories.
  private var optional = 0

  private struct Expected: Equatable {
    let userID: String
    let kind: StoreChange.Kind
  }

  /// - Parameter count: The writes of the lane that were committed when the changes began.
  init(_ lane: Lane, after count: Int) {
    self.lane = lane
    state = LaneState(lane, count: count)
  }

  /// Returns when the store is closed, or after the first change that is not the expected one.
  mutating func follow(_ changes: ChangeSequence) async {
    do {
      for try await change in changes {
        if change.kind == .lagged { return WorkerLog.say(WorkerEvent.note("changes lagged").line) }
        guard isOfLane(change) else { continue }
        if expected.isEmpty { advance() }
        let told = Expected(userID: change.userID, kind: change.kind)
        if expected.first != told { expected = expected.dropFirst(optional) }
        optional = 0
        let next = expected.popFirst()
        if told != next {
          let text = "changes() told \(told.userID) \(told.kind) instead of \(next.map { "\($0.userID) \($0.kind)" } ?? "nothing")"
          return WorkerLog.say(WorkerEvent.violation(text).line)
        }
      }
    } catch {
      WorkerLog.say(WorkerEvent.note("changes ended: \(LaneRunner.code(of: error))").line)
    }
  }

  /// Forgetting removes a user's changes from the log, so only the counter of a lane that forgets is followed.
  private func isOfLane(_ change: StoreChange) -> Bool {
    change.userID == lane.counter || (!lane.forgets && change.userID.hasPrefix("\(lane.name)/"))
  }

  private mutating func advance() {
    let operation = lane.next(state)
    var all: [Expected] = []
    if case .write(let changes) = operation, !lane.forgets {
      for change in changes {
        all += Self.told(change, state).map { Expected(userID: $0.0, kind: $0.1) }
        state.apply(change)
      }
      // The changes were applied one by one, to know the owner of each memory.
      state.skip()
    } else {
      state.apply(operation)
    }
    all.append(Expected(userID: lane.counter, kind: .contextPut(recordType: UserContext.recordType)))
    if case .endArrival(let arrival) = operation, !lane.forgets {
      all.insert(contentsOf: arrival.memories.map { Expected(userID: $0.memory.userID, kind: .memoryPut($0.id)) }, at: 0)
      optional = arrival.memories.count
    }
    expected = all[...]
  }

  private static func told(_ change: Change, _ state: LaneState) -> [(String, StoreChange.Kind)] {
    switch change {
    case .add(let id, let memory):
      // The change of the memory that it replaces comes first.
      memory.replaces.map { [(memory.userID, .memoryPut($0)), (memory.userID, .memoryPut(id))] } ?? [(memory.userID, .memoryPut(id))]
    case .addAgain, .changeInVain: []
    case .relabel(let id, let memory, _), .revert(let id, _, let memory, _): [(memory.userID, .memoryPut(id))]
    case .replace(let id, let memory, _):
      memory.hasEmbedding ? [(memory.userID, .memoryPut(id))] : [(memory.userID, .memoryDeleted(id)), (memory.userID, .memoryPut(id))]
    case .delete(let id, _): state.memories[id].map { [($0.userID, .memoryDeleted(id))] } ?? []
    case .setContext(let user, _): [(user, .contextPut(recordType: UserContext.recordType))]
    case .deleteContext(let user): [(user, .contextDeleted(recordType: UserContext.recordType))]
    }
  }
}
