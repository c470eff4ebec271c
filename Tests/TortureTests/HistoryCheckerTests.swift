import TestSupport
import Testing

@testable import Torture

/// A checker that cannot fail proves nothing: each kind of anomaly must be reported, and a correct history must not.
@Suite struct HistoryCheckerTests {
  private func expect(_ history: MadeHistory, _ text: String, sourceLocation: SourceLocation = #_sourceLocation) {
    let violations = history.violations
    #expect(violations.contains { $0.contains(text) }, "\(violations)", sourceLocation: sourceLocation)
  }

  // MARK: Nothing wrong

  @Test func aRightHistoryIsFoundRight() {
    var history = MadeHistory()
    history.look("empty")
    history.run(.appending("a", to: "ada", "ben"))
    history.run(.putting("b", "ada"))
    history.look("first")
    history.fail(.appending("c", to: "ada"))
    history.run(HistoryWrite(id: "d", users: ["ada"], changes: [.clear(user: "ada")]))
    history.look("second")
    #expect(history.violations == [])
  }

  @Test func callsAtTheSameTimeMayCommitInAnyOrder() {
    var history = MadeHistory()
    let (first, second) = (HistoryWrite.appending("a", to: "ada"), HistoryWrite.appending("b", to: "ada"))
    history.begin(first)
    history.begin(second)
    history.commit(second)
    history.commit(first)
    #expect(history.violations == [])
  }

  @Test func aCommitThatNobodyHeardOfFillsItsPlace() {
    var history = MadeHistory()
    history.run(.appending("a", to: "ada"))
    let lost = HistoryWrite.putting("b", "ada")
    history.begin(lost)
    history.commit(lost, isAcknowledged: false)
    let never = HistoryWrite.putting("c", "ada")
    history.begin(never)
    history.run(.appending("d", to: "ada"))
    #expect(history.violations == [])
    let checker = HistoryChecker(history.events)
    #expect(checker.order.last == 3 && checker.unacknowledged == 1)
  }

  @Test func aUserWhoIsForgottenGoesAtSomeMomentOfTheCall() {
    var history = MadeHistory()
    history.run(.putting("a", "ada"))
    history.run(HistoryWrite(id: "begin", users: ["ada"], changes: [.beginForget(user: "ada")]))
    history.look("there")
    history.forget("ada", id: "call") { $0.look("gone") }
    history.look("gone, too")
    history.run(HistoryWrite(id: "end", users: ["ada"], changes: [.endForget(user: "ada")]))
    history.run(.putting("b", "ada"))
    history.look("back")
    #expect(history.violations == [])
  }

  @Test func randomHistoriesAreFoundRight() {
    for seed in 0..<20 as Range<UInt64> { #expect(Self.random(seed: seed).violations == []) }
  }

  // MARK: Anomalies

  @Test func aLostUpdateIsTold() {
    var history = MadeHistory()
    history.run(.appending("a", to: "ada"))
    let (first, second) = (HistoryWrite.appending("b", to: "ada"), HistoryWrite.appending("c", to: "ada"))
    let read = MadeHistory.read(first, history.state)
    history.begin(first)
    history.begin(second)
    history.add(.committed(id: "b", position: 2, read: read, at: history.tick()))
    history.add(.committed(id: "c", position: 2, read: read, at: history.tick()))
    expect(history, "position 2 belongs to transaction b and, by its acknowledgement, to c")
  }

  @Test func aLostAcknowledgedWriteIsTold() {
    var history = MadeHistory()
    history.run(.appending("a", to: "ada"))
    let before = history.state
    history.run(.appending("b", to: "ada"))
    history.show("later", before)
    expect(history, "transaction b at position 2 had ended before snapshot later")
    expect(history, "and, by", isTold: false)
  }

  @Test func aGapIsTold() {
    var history = MadeHistory()
    history.run(.appending("a", to: "ada"))
    history.add(.committed(id: "b", position: 40, read: history.state, at: history.tick()))
    let write = HistoryWrite.appending("c", to: "ada")
    history.begin(write)
    var read = MadeHistory.read(write, history.state)
    read.clock = 39
    history.add(.committed(id: "c", position: 40, read: read, at: history.tick()))
    expect(history, "nobody knows of a transaction at position 2 of 40")
    expect(history, "read the clock as 39 with 1 names")
  }

  @Test func aStaleReadOfATransactionIsTold() {
    var history = MadeHistory()
    history.run(.appending("a", to: "ada"))
    let old = history.state.users["ada"]?.withoutRows
    history.run(.appending("b", to: "ada"))
    history.run(.appending("c", to: "ada"))
    history.spoilRead(of: "c") { $0.users["ada"] = old }
    expect(
      history,
      "transaction c at position 3 read of ada version 1 of the context instead of 2; the topics [\"a\"] instead of [\"a\", \"b\"]; which is what was there at position 1"
    )
  }

  @Test func aStaleMemoryInASnapshotIsTold() {
    var history = MadeHistory()
    history.run(.putting("a", "ada"))
    let old = history.state.users["ada"]
    history.run(.putting("b", "ada"))
    history.look("late")
    history.spoilSnapshot("late") { $0.users["ada"] = old }
    expect(history, "snapshot late at position 2 shows of ada memory 0 as 'a")
  }

  @Test func aConditionalChangeThatContradictsTheOrderIsTold() {
    var history = MadeHistory()
    history.run(.putting("a", "ada"))
    for (id, version) in [("b", 1), ("c", 1), ("d", 2)] {
      history.run(
        HistoryWrite(
          id: id, users: ["ada"],
          changes: [
            .markIf(user: "ada", slot: 0, kind: id, version: version),
            .setPreferenceIf(user: "ada", key: "k", value: id, version: version - 1),
          ]))
    }
    history.look("late")
    #expect(history.violations == [])
    #expect(history.state.users["ada"]?.memories[0].map { "\($0.kind ?? "none") \($0.version)" } == "d 3")
    #expect(history.state.users["ada"]?.preferences == ["k": "d"])
    history.spoilRead(of: "c") { $0.applied = [true, false] }
    expect(history, "transaction c at position 3 made its conditional changes [true, false] and not [false, false]")
  }

  @Test func aDirtyReadIsTold() {
    var history = MadeHistory()
    history.run(.appending("a", to: "ada"))
    history.fail(.appending("b", to: "ada"))
    history.run(.appending("c", to: "ada"))
    history.spoilRead(of: "c") { $0.users["ada"]?.topics.append("b") }
    expect(history, "transaction c at position 2 read of ada the topics [\"a\", \"b\"] instead of [\"a\"]")
  }

  @Test func aFailedTransactionThatIsThereIsTold() {
    var history = MadeHistory()
    let write = HistoryWrite.appending("a", to: "ada")
    history.fail(write)
    history.commit(write, isAcknowledged: false)
    history.look("late")
    expect(history, "transaction a failed (Doomed) and changed nothing, snapshot late shows it at position 1")
  }

  @Test func anAcknowledgedBodyThatThrewIsTold() {
    var history = MadeHistory()
    var write = HistoryWrite.appending("a", to: "ada")
    write.isDoomed = true
    history.run(write)
    expect(history, "the body of transaction a threw, and it was acknowledged")
  }

  @Test func aTransactionThatNobodyBeganIsTold() {
    var history = MadeHistory()
    history.run(.appending("a", to: "ada"))
    history.look("late")
    history.spoilSnapshot("late") { $0.recent = ["z"] }
    expect(history, "by snapshot late, to z")
  }

  @Test func aTornTransactionIsTold() {
    var history = MadeHistory()
    history.run(.appending("a", to: "ada", "ben"))
    history.look("half")
    history.spoilSnapshot("half") { $0.users["ben"] = HistoryUser() }
    expect(history, "snapshot half at position 1 shows of ben no context")
  }

  @Test func anOrderAgainstTheTimeIsTold() {
    var history = MadeHistory()
    let (first, second) = (HistoryWrite.appending("a", to: "ada"), HistoryWrite.appending("b", to: "ben"))
    // The second transaction reads nothing that the first one wrote, and is placed before it, although it began after the first had ended.
    history.begin(first)
    history.add(.committed(id: "a", position: 2, read: Self.afterSecond(first, second), at: history.tick()))
    history.begin(second)
    history.commit(second)
    expect(history, "transaction a at position 2 had ended before transaction b at position 1 began")
  }

  private static func afterSecond(_ first: HistoryWrite, _ second: HistoryWrite) -> HistoryState {
    var state = HistoryState.initial
    state.apply(second)
    return MadeHistory.read(first, state)
  }

  @Test func aSnapshotOfTheFutureIsTold() {
    var history = MadeHistory()
    let write = HistoryWrite.appending("a", to: "ada")
    var future = history.state
    future.apply(write)
    history.show("early", future)
    history.run(write)
    expect(history, "snapshot early, which shows 1 transactions had ended before transaction a at position 1 began")
  }

  @Test func snapshotsThatGoBackAreTold() {
    var history = MadeHistory()
    let write = HistoryWrite.appending("a", to: "ada")
    let before = history.state
    history.begin(write)
    history.commit(write, isAcknowledged: false)
    history.look("first")
    history.show("second", before)
    expect(history, "snapshot first, which shows 1 transactions had ended before snapshot second")
  }

  @Test func wrongBytesOfARowAreTold() {
    var history = MadeHistory()
    history.run(.putting("a", "ada"))
    history.look("late")
    history.spoilSnapshot("late") { $0.users["ada"]?.memories[0]?.row = History.digest(of: LaneMemory.components(of: "b")) }
    expect(history, "snapshot late at position 1 shows of ada memory 0 as")
  }

  @Test func oneBitOfARowChangesItsDigest() {
    var row = LaneMemory.components(of: "a")
    let digest = History.digest(of: row)
    row[7] = Float(bitPattern: row[7].bitPattern ^ 1)
    #expect(History.digest(of: row) != digest)
  }

  @Test func anotherUsersMemoryIsTold() {
    var history = MadeHistory()
    history.run(.putting("a", "ada"))
    history.look("late")
    let memory = history.state.users["ada"]?.memories[0]
    history.spoilSnapshot("late") { $0.users["ben"]?.memories[-1] = memory }
    expect(history, "shows of ben memory -1 as")
  }

  @Test func aUserWhoWasForgottenAndIsThereIsTold() {
    var history = MadeHistory()
    history.run(.putting("a", "ada"))
    history.run(HistoryWrite(id: "begin", users: ["ada"], changes: [.beginForget(user: "ada")]))
    let there = history.state
    history.forget("ada", id: "call")
    history.show("late", there)
    expect(history, "snapshot late shows ada, who was forgotten before it was asked for")
  }

  @Test func aUserWhoComesBackWhileBeingForgottenIsTold() {
    var history = MadeHistory()
    history.run(.putting("a", "ada"))
    history.run(HistoryWrite(id: "begin", users: ["ada"], changes: [.beginForget(user: "ada")]))
    let there = history.state
    history.forget("ada", id: "call") { history in
      history.look("gone")
      history.show("back", there)
    }
    expect(history, "snapshot back shows ada, who was forgotten")
  }

  @Test func aUserWhoGoesBeforeTheCallIsTold() {
    var history = MadeHistory()
    history.run(.putting("a", "ada"))
    history.run(HistoryWrite(id: "begin", users: ["ada"], changes: [.beginForget(user: "ada")]))
    history.look("early")
    history.spoilSnapshot("early") { $0.users["ada"] = HistoryUser() }
    expect(history, "snapshot early does not show ada, whom nobody had forgotten yet")
  }

  @Test func aUserWhoIsHalfForgottenIsTold() {
    var history = MadeHistory()
    history.run(.putting("a", "ada"))
    history.run(.appending("b", to: "ada"))
    history.run(HistoryWrite(id: "begin", users: ["ada"], changes: [.beginForget(user: "ada")]))
    let there = history.state
    history.forget("ada", id: "call") { $0.show("half", there) }
    #expect(history.violations == [])
    history.spoilSnapshot("half") { $0.users["ada"]?.memories = [:] }
    expect(history, "snapshot half shows a part of ada")
  }

  @Test func aTokenThatContradictsTheOrderIsTold() {
    var history = MadeHistory()
    history.run(.appending("a", to: "ada"))
    history.fail(.appending("b", to: "ada"), isCertain: false)
    let snapshot = HistorySnapshot(id: "at the end", requestedAt: history.tick(), takenAt: history.tick(), shows: history.state)
    func violations(_ committed: Set<String>) -> [String] {
      HistoryChecker(history.events, end: HistoryEnd(snapshot: snapshot, committed: committed)).violations
    }
    #expect(violations(["a"]) == [])
    #expect(violations([]) == ["transaction a was committed, and its token is not known"])
    #expect(violations(["a", "b"]) == ["transaction b has no place in the order, and its token is known as committed"])
  }

  /// The bugs: a history of more than 16,384 transactions was called wrong, because a store remembers only that many tokens; then, a
  /// history was called wrong if the oldest remembered commit had lost a token other than its first. The fix: the first tokens of a long
  /// history may be forgotten, and any of the commit at the limit.
  @Test func aTokenThatTheStoreNoLongerRemembersIsNotMissed() {
    var history = MadeHistory()
    for id in ["a", "b", "c"] { history.run(.appending(id, to: "ada")) }
    let snapshot = HistorySnapshot(id: "at the end", requestedAt: history.tick(), takenAt: history.tick(), shows: history.state)
    func violations(_ committed: Set<String>, batchLimit: Int = 1) -> [String] {
      HistoryChecker(
        history.events, end: HistoryEnd(snapshot: snapshot, committed: committed), tokenLimit: 2, batchLimit: batchLimit
      ).violations
    }
    #expect(violations(["b", "c"]) == [] && violations(["a", "b", "c"]) == [])
    #expect(violations(["a", "c"]) == ["transaction b was committed, and its token is not known"])
    #expect(violations(["a", "c"], batchLimit: 2) == [])
    #expect(violations(["a", "b"], batchLimit: 2) == ["transaction c was committed, and its token is not known"])
  }

  /// Any wrong value in any snapshot is reported.
  @Test func anyChangeOfAnySnapshotIsTold() {
    for seed in 0..<60 as Range<UInt64> {
      var history = Self.random(seed: seed)
      var generator = SeededGenerator(seed: seed ^ 0xABC)
      let ids = history.events.compactMap { event in if case .snapshot(let snapshot) = event { snapshot.id } else { nil } }
      guard let id = ids.randomElement(using: &generator) else { continue }
      history.spoilSnapshot(id) { state in
        let user = History.users[Int.random(in: 0..<History.users.count, using: &generator)]
        switch Int.random(in: 0..<6, using: &generator) {
        case 5: state.users[user]?.contextVersion += 1
        case 0: state.users[user]?.topics.append("never")
        case 1: state.users[user]?.preferences["never"] = "never"
        case 2: state.users[user]?.memories[Int.random(in: 0..<History.slots, using: &generator)] = .init(text: "never", row: "never")
        case 3: state.clock += 1
        default: state.users[user]?.hasContext.toggle()
        }
      }
      #expect(!history.violations.isEmpty, "seed \(seed), snapshot \(id)")
    }
  }

  private static func random(seed: UInt64) -> MadeHistory {
    var generator = SeededGenerator(seed: seed)
    var history = MadeHistory()
    for number in 0..<60 {
      let write = HistoryWrite.random("w\(number)", &generator)
      if write.isDoomed { history.fail(write) } else { history.run(write) }
      if generator.chance(percent: 40) { history.look("s\(number)") }
    }
    return history
  }

  private func expect(_ history: MadeHistory, _ text: String, isTold: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(history.violations.contains { $0.contains(text) } == isTold, "\(history.violations)", sourceLocation: sourceLocation)
  }
}
