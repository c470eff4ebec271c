import Engram
import Foundation
import TestSupport

/// One time that a process has the store open: tasks that write and read, and the process's role beside them.
struct HistorySession: Sendable {
  let process: HistoryProcess
  let store: MemoryStore
  let role: HistoryProcess.Role
  let isReadOnly: Bool
  /// The number of the session in this process.
  let number: Int
  let tasks: Int
  /// When the session ends; nil: with the history.
  let until: ContinuousClock.Instant?

  private var isOver: Bool { process.isOver || until.map { .now > $0 } ?? false }

  func run() async {
    await withTaskGroup { group in
      for task in 0..<tasks { group.addTask { await act("\(process.name)s\(number)t\(task)") } }
      switch role {
      case .compacts: group.addTask { await compactAgainAndAgain() }
      case .forgets: group.addTask { await forgetAgainAndAgain() }
      case .writes, .reopens: break
      }
    }
  }

  // MARK: Tasks

  private func act(_ name: String) async {
    var generator = process.generator(name)
    var held: [HistoryHeld] = []
    var number = 0
    while !isOver {
      number += 1
      let id = "\(name)n\(number)"
      if !isReadOnly { await write(id, &generator) }
      switch Int.random(in: 0..<100, using: &generator) {
      case 0..<20: process.look(id, onlyAtClock: false, store)
      case 20..<40: process.look(id, onlyAtClock: true, store)
      case 40..<46 where held.count < 4:
        let until = ContinuousClock.now + process.holding * Double.random(in: 0...1, using: &generator)
        if let taken = process.hold(id, until: until, store) { held.append(taken) }
      default: break
      }
      for snapshot in held where snapshot.until < .now { process.check(snapshot) }
      held.removeAll { $0.until < .now }
      // A session that only reads leaves the processor to the others.
      if isReadOnly { try? await Task.sleep(for: .milliseconds(2)) }
    }
    for snapshot in held { process.check(snapshot) }
  }

  private func write(_ id: String, _ generator: inout SeededGenerator) async {
    // Conditional changes use the versions that are current now; others may write meanwhile.
    let write = HistoryWrite.random(id, &generator) { user, slot in
      guard let slot else { return (try? store.versionedContext(for: user))?.version ?? 0 }
      return (try? store.memory(History.memoryID(user, slot), for: user))?.version ?? 1
    }
    guard generator.chance(percent: 4) else {
      _ = await process.write(write, store)
      return
    }
    // Cancelled at a random moment: the transaction is made or it is not.
    let task = Task { await process.write(write, store) }
    try? await Task.sleep(for: .microseconds(Int.random(in: 0...1500, using: &generator)))
    task.cancel()
    _ = await task.value
  }

  // MARK: Roles

  private func compactAgainAndAgain() async {
    var generator = process.generator("compacts\(number)")
    while !isOver {
      _ = await process.require("compactions") { try await store.compact() }
      try? await Task.sleep(for: .milliseconds(Int.random(in: 0...30, using: &generator)))
    }
  }

  /// Forgets one user after the other; the tasks of all processes write to them again.
  private func forgetAgainAndAgain() async {
    var generator = process.generator("forgets\(number)")
    var round = 0
    while !isOver {
      round += 1
      let name = "\(process.name)s\(number)f\(round)"
      await forget(name, &generator)
      try? await Task.sleep(for: .milliseconds(Int.random(in: 0...60, using: &generator)))
    }
  }

  private func forget(_ name: String, _ generator: inout SeededGenerator) async {
    // A process that was killed may have left one half forgotten: the next process goes on with it.
    guard let clock = process.clock(store) else { return }
    var user = clock.forgetting
    if user == nil {
      let chosen = History.users[Int.random(in: History.users.indices, using: &generator)]
      let begin = HistoryWrite(id: "\(name)begin", users: [chosen], changes: [.beginForget(user: chosen)])
      guard await process.write(begin, store) else { return }
      user = chosen
    }
    guard let user else { return }
    let id = "\(name)forget"
    process.log.say(.forgetInvoked(user: user, id: id, at: History.now))
    let receipt = await process.require("forgettings") {
      try await store.forget(userID: user, timeout: .milliseconds(50))
    }
    guard receipt != nil else { return }
    process.log.say(.forgotten(id: id, at: History.now))
    let end = HistoryWrite(id: "\(name)end", users: [user], changes: [.endForget(user: user)])
    _ = await process.write(end, store)
  }
}
