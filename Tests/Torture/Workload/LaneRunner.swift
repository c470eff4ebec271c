import Engram
import Foundation
import TestSupport

/// Runs one lane, beginning after the writes that the store already has of it.
struct LaneRunner: Sendable {
  let lane: Lane
  let opened: LaneStore
  let path: String
  /// The number of writes; 0: without end.
  let writes: Int
  let compactEvery: Int
  /// Move to the other embedder after so many writes; nil: never.
  var reembedsAfter: Int?
  let backup: String?
  /// Compact before the first write.
  var compactsFirst = false

  private var store: MemoryStore { opened.store }

  /// Thrown by the body of a write after its changes, which are discarded then.
  private struct Doomed: Error {}

  func run() async {
    do {
      var state = LaneState(lane, count: try store.context(for: lane.counter)?.conversationsCount ?? 0)
      let end = writes == 0 ? Int.max : state.count + writes
      let half = state.count + writes / 2
      var generator = SeededGenerator(seed: lane.seed ^ Lane.hash("\(lane.name)/run/\(state.count)"))
      var held: [HeldSnapshot] = []
      let (changes, count) = (try store.changes(), state.count)
      let watch = Task { [lane] in
        var watch = ChangeWatch(lane, after: count)
        await watch.follow(changes)
      }
      defer { watch.cancel() }
      if compactsFirst { await attempt("compact") { try await store.compact() } }
      while state.count < end {
        let operation = lane.next(state)
        if generator.chance(percent: 20) {
          held.append(try HeldSnapshot(store, path, until: state.count + Int.random(in: 1...6, using: &generator)))
        }
        // A write that throws may share a batch with one that does not.
        let isAccompanied = generator.chance(percent: 30)
        async let doomed: Void = isAccompanied ? writeInVain() : ()
        let isDone = await commit(operation, number: state.count)
        try await doomed
        guard isDone else { break }
        switch operation {
        case .endForget, .endErase: sayGeneration()
        case .write, .beginForget, .beginErase, .beginArrival, .endArrival, .beginEmbedding, .endEmbedding: break
        }
        state.apply(operation)
        for snapshot in held where snapshot.until <= state.count { snapshot.check() }
        held.removeAll { $0.until <= state.count }
        if compactEvery > 0, state.count % compactEvery == 0 { await attempt("compact") { try await store.compact() } }
        if let reembedsAfter, state.count == reembedsAfter {
          WorkerLog.say(WorkerEvent.note(WorkerOracle.reembedding).line)
          await attempt("reembed") { try await opened.reembed() }
        }
        if let backup, state.count == half { await attempt("backup") { try await store.backup(to: URL(fileURLWithPath: backup)) } }
      }
      for snapshot in held { snapshot.check() }
    } catch {
      WorkerLog.say(WorkerEvent.note("lane ended: \(Self.code(of: error))").line)
      Self.explain(error, "lane ended")
    }
  }

  private func attempt<Value>(_ name: String, _ body: () async throws -> Value) async {
    do {
      _ = try await body()
      WorkerLog.say(WorkerEvent.note(name).line)
      sayGeneration()
    } catch {
      WorkerLog.say(WorkerEvent.note("\(name) failed: \(Self.code(of: error))").line)
      Self.explain(error, name)
    }
  }

  /// Reports the live generation. If it cannot be read, the next write will report why.
  private func sayGeneration() {
    guard let generation = try? store.status.generation else { return }
    WorkerLog.say(WorkerEvent.generation(Int(generation)).line)
  }

  // MARK: Writing

  /// Tries a write until it is acknowledged, three times at most; an unknown outcome ends the lane.
  private func commit(_ operation: Operation, number: Int) async -> Bool {
    var attempts = 3
    while attempts > 0 {
      WorkerLog.say(WorkerEvent.issued(lane: lane.name, number: number).line)
      do {
        try await act(operation)
        let (store, embedder) = opened.current
        let position = try await store.write(token: lane.token(number)) { [lane] transaction in
          for change in operation.changes { try Self.apply(change, lane, embedder, &transaction) }
          try transaction.updateContext(for: lane.counter) { $0.with(conversationsCount: number + 1) }
          return try transaction.updateContext(for: Lane.total) { $0.with(conversationsCount: $0.conversationsCount + 1) }
            .conversationsCount
        }
        WorkerLog.say(WorkerEvent.acknowledged(lane: lane.name, number: number, position: position).line)
        return true
      } catch {
        let isCertain = Self.isCertain(error)
        WorkerLog.say(WorkerEvent.failed(lane: lane.name, number: number, isCertain: isCertain, code: Self.code(of: error)).line)
        Self.explain(error, "write \(number) of lane \(lane.name)")
        if !isCertain { return false }
        if LaneStore.hasMoved(error), (try? await opened.follow()) != nil { continue }
        attempts -= 1
      }
    }
    return false
  }

  /// Makes the part of an operation that is a call of its own.
  private func act(_ operation: Operation) async throws {
    let (store, embedder) = opened.current
    switch operation {
    case .endForget(let user):
      judge(try await store.forget(userID: user, timeout: .milliseconds(200), verifiesErasure: lane.provesErasure(of: user)))
    case .endErase(let ids, let user):
      judge(try await store.erase(ids, for: user, timeout: .milliseconds(200), verifiesErasure: lane.provesErasure(of: user)))
    case .endArrival(let arrival):
      if let problem = try await arrival.add(to: store, embedder) { WorkerLog.say(WorkerEvent.violation(problem).line) }
    case .endEmbedding(let user):
      let report = try await store.embedMissing(scope: .user(user))
      // No other lane writes to the user.
      if report.skipped + report.refused > 0 { WorkerLog.say(WorkerEvent.violation("missing embeddings were not made: \(report)").line) }
    case .write, .beginForget, .beginErase, .beginArrival, .beginEmbedding: break
    }
  }

  /// Reports a proof of an erasure; traces are a violation if the erasure is complete.
  private func judge(_ receipt: ErasureReceipt) {
    guard let scan = receipt.scan else { return }
    WorkerLog.say(WorkerEvent.note(receipt.isComplete ? "erasures proved" : "erasures whose files are held").line)
    if receipt.isComplete, !scan.isClean {
      let places = scan.files.filter { !$0.hits.isEmpty }.map { "\($0.name) \($0.hits)" }
      WorkerLog.say(WorkerEvent.violation("an erasure left traces: \(scan), in \(places.joined(separator: ", "))").line)
    }
  }

  /// Makes a write whose body throws after changing records that the lane's other writes change, too.
  private func writeInVain() async throws {
    let (store, embedder) = opened.current
    do {
      try await store.write { [lane] transaction in
        let components = LaneMemory.components(of: "never to be seen", embedder.dimension)
        try transaction.add(MemoryDraft(userID: lane.doomed, text: "never to be seen", embedding: Embedding(components)))
        try transaction.updateContext(for: Lane.total) { $0.with(conversationsCount: $0.conversationsCount + 1000) }
        try transaction.updateContext(for: lane.counter) { $0.with(conversationsCount: $0.conversationsCount + 1000) }
        throw Doomed()
      }
      WorkerLog.say(WorkerEvent.violation("a write whose body threw was acknowledged").line)
    } catch is Doomed {
    } catch {
      WorkerLog.say(WorkerEvent.note("doomed write: \(Self.code(of: error))").line)
      Self.explain(error, "doomed write")
    }
  }

  static func apply(_ change: Change, _ lane: Lane, _ embedder: LaneEmbedder, _ transaction: inout WriteTransaction) throws {
    func draft(_ id: MemoryID?, _ memory: LaneMemory) -> MemoryDraft {
      memory.draft(id, embedding: memory.embedding(embedder.dimension))
    }
    switch change {
    case .add(let id, let memory): try transaction.add(draft(id, memory))
    case .addAgain(let id, let memory):
      let found = try transaction.add(draft(nil, memory)).id
      if found != id { WorkerLog.say(WorkerEvent.violation("memory \(found) was added, though \(id) has its dedupe key").line) }
    case .replace(let id, let memory, let version):
      // An update cannot remove an embedding.
      if memory.hasEmbedding {
        try transaction.update(id, for: memory.userID, ifVersion: version, embedding: memory.embedding(embedder.dimension)) {
          $0.with(
            text: memory.text, kind: .some(memory.kind), sessionID: .some(memory.sessionID), speaker: .some(memory.speaker),
            metadata: ["number": .integer(memory.number)], caption: .some(memory.caption))
        }
      } else {
        try transaction.delete(id, for: memory.userID)
        try transaction.add(draft(id, memory))
      }
    case .relabel(let id, let memory, let version):
      try transaction.update(id, for: memory.userID, ifVersion: version) {
        $0.with(kind: .some(memory.kind), sessionID: .some(memory.sessionID))
      }
    case .revert(let id, let earlier, let memory, let version):
      let hasRow = try transaction.embedding(of: id, for: memory.userID) != nil
      try transaction.revert(
        id, for: memory.userID, to: earlier, ifVersion: version, embedding: hasRow ? memory.embedding(embedder.dimension) : nil)
    case .changeInVain(let id, let user, let version):
      do {
        try transaction.update(id, for: user, ifVersion: version) { $0.with(kind: .some("in vain")) }
        WorkerLog.say(WorkerEvent.violation("memory \(id) was changed as version \(version), which it is not").line)
      } catch let error as StoreError where error.code == .versionMismatch {}
    case .delete(let id, let user): try transaction.delete(id, for: user)
    case .setContext(let user, let level): try transaction.updateContext(for: user) { $0.with(friendshipLevel: level) }
    case .deleteContext(let user): try transaction.deleteContext(UserContext.self, for: user)
    }
  }

  // MARK: Errors

  static func code(of error: any Error) -> String {
    (error as? StoreError).map { $0.isCommitted ? "\($0.code)(committed)" : "\($0.code)" } ?? String(describing: type(of: error))
  }

  /// Prints the whole error, for the study of a finding, to standard error; the log has the code alone.
  private static func explain(_ error: any Error, _ what: String) { WorkerLog.say("\(what): \(error)", to: 2) }

  /// Whether the error says that nothing was changed.
  static func isCertain(_ error: any Error) -> Bool {
    guard let error = error as? StoreError else { return true }
    return error.code != .poisoned && error.code != .inDoubt && !error.isCommitted
  }
}
