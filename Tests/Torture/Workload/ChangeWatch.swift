import Engram

/// Follows what `changes()` says of one lane, and compares it with what the lane writes: each change once, in the order of the writes.
struct ChangeWatch: ~Copyable {
  private let lane: Lane
  private var state: LaneState
  /// Of the writes whose report has begun.
  private var expected: ArraySlice<Expected> = []
  /// The first ones of these that are reported all or not at all: an attempt before this one may have added the memories.
  private var optional = 0

  private struct Expected: Equatable {
    let userID: String
    let kind: StoreChange.Kind
  }

  /// - Parameter count: Writes of the lane that were committed when the changes began.
  init(_ lane: Lane, after count: Int) {
    self.lane = lane
    state = LaneState(lane, count: count)
  }

  /// Ends with the store, and with the first change that is not the expected one.
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

  /// Forgetting takes a user's changes out of the log: a lane that forgets is followed by its counter alone.
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
      // The mark of the memory whose place it takes comes first.
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
