import Engram
import Foundation
import Synchronization
import TestSupport

/// State shared by all tasks of one process of a history.
final class HistoryProcess: Sendable {
  /// What a process does beside its transactions.
  enum Role: String, CaseIterable, Sendable {
    case writes
    case compacts
    case forgets
    /// Opens and closes the store again and again, also read-only.
    case reopens
  }

  /// Unique among the processes of the history, those of killed ones included.
  let name: String
  let path: String
  let seed: UInt64
  let log: HistoryLogFile
  let watch = HangWatch()
  /// The number of transactions, of all processes together, after which all end.
  private let goal: Int
  private let end: ContinuousClock.Instant
  /// The longest that a snapshot is held.
  let holding: Duration
  private let reached = Mutex(0)

  init(name: String, path: String, seed: UInt64, log: HistoryLogFile, goal: Int, lasting: Duration, holding: Duration) {
    self.name = name
    self.path = path
    self.seed = seed
    self.log = log
    self.goal = goal
    self.holding = holding
    end = .now + lasting
  }

  var isOver: Bool { reached.withLock { $0 } >= goal || .now > end }

  func reach(_ position: Int) { reached.withLock { $0 = max($0, position) } }

  func generator(_ part: String) -> SeededGenerator { SeededGenerator(seed: seed ^ Lane.hash("\(name)/\(part)")) }

  // MARK: Calls

  /// The longest that a call may take, in seconds: a slower call hangs.
  static let patience = (call: 10.0, rebuild: 30.0)

  /// Runs a transaction and records its outcome. Returns whether it was acknowledged.
  func write(_ write: HistoryWrite, _ store: MemoryStore) async -> Bool {
    log.say(.invoked(write, at: History.now))
    do {
      let (read, at) = try await watch.watching("transaction \(write.id)", seconds: Self.patience.call) {
        let read = try await store.write(token: write.id) { try HistoryBody.run(write, &$0) }
        return (read, History.now)
      }
      log.say(.committed(id: write.id, position: read.clock + 1, read: read, at: at))
      reach(read.clock + 1)
      return true
    } catch {
      log.say(.failed(id: write.id, code: LaneRunner.code(of: error), isCertain: LaneRunner.isCertain(error)))
      let isExpected = (error is HistoryBody.Doomed && write.isDoomed) || error is CancellationError
      if !isExpected { log.violation("transaction \(write.id) failed: \(error)") }
      return false
    }
  }

  /// Takes a snapshot and reads everything in it, or reads only the clock.
  func look(_ id: String, onlyAtClock: Bool, _ store: MemoryStore) {
    attempt("snapshot \(id)") {
      let requestedAt = History.now
      let snapshot: HistorySnapshot
      if onlyAtClock {
        let clock = try store.context(for: History.clock)
        snapshot = HistorySnapshot(id: id, requestedAt: requestedAt, takenAt: History.now, shows: HistoryState(clock))
      } else {
        snapshot = try store.read { lent in
          let takenAt = History.now
          return HistorySnapshot(id: id, requestedAt: requestedAt, takenAt: takenAt, shows: try HistoryReader.state(lent))
        }
      }
      log.say(.snapshot(snapshot))
      reach(snapshot.shows.clock)
    }
  }

  func clock(_ store: MemoryStore) -> HistoryState? {
    var clock: HistoryState?
    attempt("a look at the clock") { clock = HistoryState(try store.context(for: History.clock)) }
    return clock
  }

  func hold(_ id: String, until: ContinuousClock.Instant, _ store: MemoryStore) -> HistoryHeld? {
    var held: HistoryHeld?
    attempt("held snapshot \(id)") {
      let taken = try HistoryHeld(store, path, id: id, until: until)
      log.say(.snapshot(taken.first))
      held = taken
    }
    return held
  }

  func check(_ held: HistoryHeld) {
    attempt("held snapshot \(held.first.id)") {
      if let problem = held.problem() { log.violation(problem) }
      log.say(.note("held snapshots read again"))
    }
  }

  private func attempt(_ name: String, _ body: () throws -> Void) {
    do {
      try watch.watching(name, seconds: Self.patience.call, body)
    } catch {
      log.violation("\(name) threw: \(error)")
    }
  }

  /// Makes a call that must not fail; nil if it did, which is recorded as a violation.
  func require<Value: Sendable>(_ name: String, _ body: () async throws -> Value) async -> Value? {
    do {
      let value = try await watch.watching(name, seconds: Self.patience.rebuild, body)
      log.say(.note(name))
      return value
    } catch {
      log.violation("\(name) threw: \(error)")
      return nil
    }
  }
}
