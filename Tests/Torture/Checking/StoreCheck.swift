import Engram
import Foundation

/// Compares a store with the oracle: acknowledged ⊆ recovered ⊆ issued, whole transactions only, in the order of commits. Then verifies
/// it deeply, writes to it again, and looks for leftovers.
struct StoreCheck {
  let path: String
  let oracle: WorkerOracle
  let readsOnly: Bool
  /// Used instead of the oracle: gets the store as it was found and returns the problems.
  var comparison: ((MemoryStore) throws -> [String])?
  private(set) var violations: [String] = []
  private(set) var counts: [String: Int] = [:]
  /// The states of the lanes, as they were found.
  private var states: [LaneState] = []

  init(path: String, oracle: WorkerOracle, readsOnly: Bool) {
    self.path = path
    self.oracle = oracle
    self.readsOnly = readsOnly
  }

  private var url: URL { URL(fileURLWithPath: path) }

  mutating func run() async {
    do {
      if !FileManager.default.fileExists(atPath: path) {
        if !oracle.mayBeMissing { return violations.append("the store is gone") }
        if readsOnly { return }
      } else {
        let report = try await MemoryStore.verify(at: url, deep: true) { _ in }
        for problem in report.problems.prefix(5) { violations.append("verify --deep: \(problem)") }
      }
      try await use()
      if !readsOnly { try await checkLeftovers() }
    } catch {
      violations.append("the store cannot be used: \(error)")
    }
  }

  /// Opens the store, reads and writes, and closes it; the handle is released on return.
  private mutating func use() async throws {
    var options = StoreOptions(access: readsOnly ? .readOnly : .readWrite)
    options.leastCodedRows = Lane.leastCodedRows
    // Opening a store with an embedder pins it, so an embedder is given only if a worker has pinned one.
    if oracle.lanes.isEmpty { options.dimension = Lane.dimension }
    let opened = try await LaneStore(url, options, pins: !oracle.lanes.isEmpty)
    let store = opened.store
    if let comparison {
      violations += try comparison(store)
    } else {
      violations += try await searchByText(store, compare(store, opened.embedder.dimension))
      if !readsOnly { try await endReembedding(opened) }
    }
    if !readsOnly {
      try await writeAgain(store, opened.embedder.dimension)
      for problem in try await store.verify(deep: true).problems.prefix(5) { violations.append("verify after writing: \(problem)") }
    }
    try await opened.close()
  }

  /// Continues an interrupted move to another embedder. Afterwards every memory must have a vector of that embedder.
  private mutating func endReembedding(_ opened: LaneStore) async throws {
    guard FileManager.default.fileExists(atPath: "\(path)/reembed.work") else { return }
    for trace in try ResidueCheck(states).traces(below: path) where trace.hasPrefix("reembed.work") { violations.append(trace) }
    let report = try await opened.reembed()
    counts["moves resumed", default: 0] += 1
    counts["vectors reused", default: 0] += report.reused
    let dimension = opened.embedder.dimension
    var (problems, found) = ([String](), 0)
    try opened.store.read { snapshot in
      try snapshot.forEachMemory { memory in
        found += 1
        let embedding = try snapshot.embedding(of: memory.id, for: memory.userID)
        if embedding?.values.count != dimension || embedding.map({ StoredMemory.matches($0, memory) }) != true {
          problems.append("memory \(memory.id) of '\(memory.userID)' has another row after the move to another embedder")
        }
        return problems.count < 5
      }
    }
    if problems.isEmpty, found != report.memories { problems.append("a move of \(report.memories) memories left \(found)") }
    violations += problems
  }

  // MARK: What is there

  /// - Returns: The memories that arrived by their texts and must be there.
  private mutating func compare(_ store: MemoryStore, _ dimension: Int) throws -> [LaneMemory] {
    var problems: [String] = []
    var arrivals: [MemoryID: String] = [:]
    var byText: [LaneMemory] = []
    var found: [String: Int] = [:]
    var states: [LaneState] = []
    try store.read { snapshot in
      let total = try snapshot.context(for: Lane.total)?.conversationsCount ?? 0
      var expected: [MemoryID: LaneMemory] = [:]
      var optional: Set<MemoryID> = []
      var contexts: [String: [Int]] = [:]
      var histories: [MemoryID: [LaneMemory]] = [:]
      var retired: [(userID: String, word: String)] = []
      for (name, progress) in oracle.lanes {
        let count = try snapshot.context(for: progress.lane.counter)?.conversationsCount ?? 0
        found[name] = count
        problems += Self.problems(of: name, progress, count, total: total, mayLose: oracle.mayLoseTheLast)
        // An impossible count is reported already; the comparison would report it again, memory by memory.
        guard count <= progress.issued else { continue }
        var state = LaneState(progress.lane, count: count)
        if let arrival = state.isArriving {
          let present = try arrival.memories.count { try snapshot.memory($0.id, for: $0.memory.userID) != nil }
          if present > 0 { state = state.with(arrival) }
          if present % arrival.memories.count > 0 {
            problems.append("lane \(name): \(present) of \(arrival.memories.count) memories are there, \(arrival.name) in one call")
          }
        }
        arrivals.merge(state.arrivals) { $1 }
        byText += state.memories.filter { state.arrivals[$0.key] != nil && $0.value.hasEmbedding }.map(\.value)
        expected.merge(state.memories) { $1 }
        histories.merge(state.history) { $1 }
        retired += state.retiredWords
        states.append(state)
        for user in 0..<Lane.users { contexts[progress.lane.user(user)] = state.contexts[progress.lane.user(user)] ?? [] }
        problems += try Self.history(snapshot, progress.lane.counter, Array(0...count).dropFirst()) { $0.conversationsCount }
        if let user = state.isForgetting, try snapshot.context(for: user) == nil, try snapshot.count(scope: .user(user)) == 0 {
          optional.formUnion(state.memories.filter { $0.value.userID == user }.keys)
          contexts[user] = []
        }
        if let id = state.isErasing.first, try snapshot.memory(id, for: state.isErasingOf) == nil { optional.formUnion(state.isErasing) }
        for number in Set([count - 1, count, 0]) where number >= 0 {
          if try store.wasCommitted(progress.lane.token(number)) != (number < count) {
            problems.append("lane \(name): the token of write \(number) contradicts the \(count) writes that are there")
          }
        }
      }
      if found.values.reduce(0, +) != total {
        problems.append("the lanes have \(found.values.reduce(0, +)) writes, the total says \(total)")
      }
      let embedding = Set(states.compactMap(\.isEmbedding))
      problems += try Self.compare(snapshot, expected, histories, optional, arrivals) { oracle.embedsAll || embedding.contains($0.userID) }
      let gone = Set(optional.compactMap { expected[$0] })
      byText.removeAll(where: gone.contains)
      for (user, levels) in contexts { problems += try Self.history(snapshot, user, levels[...]) { $0.friendshipLevel } }
      problems += try Self.search(snapshot, expected, optional, dimension)
      let there = expected.filter { !optional.contains($0.key) }
      problems += WordsCheck(there, retired: retired, dimension: dimension).problems(snapshot)
    }
    counts = found
    self.states = states
    violations += problems.prefix(20)
    return problems.isEmpty ? byText : []
  }

  /// A few memories must each be the best hit for their own text, which the search lets the embedder embed.
  private func searchByText(_ store: MemoryStore, _ memories: [LaneMemory]) async throws -> [String] {
    var problems: [String] = []
    for memory in memories.prefix(3) {
      let hits = try await store.search(memory.embedded, scope: .user(memory.userID), mode: .dense, limit: 3, includesSuperseded: true)
      if hits.first?.memory.text != memory.text { problems.append("a memory of '\(memory.userID)' is not found by its own text") }
    }
    return problems
  }

  private static func problems(
    of name: String, _ progress: WorkerOracle.Progress, _ count: Int, total: Int, mayLose: Bool
  ) -> [String] {
    if mayLose {
      if count > progress.issued { return ["lane \(name): \(count) writes are there, \(progress.issued) were begun"] }
      if progress.losesNothing, count < progress.acknowledged {
        return ["lane \(name): \(count) writes are there, \(progress.acknowledged) were acknowledged as durable"]
      }
      // Of all acknowledged writes, only the last ones may be missing.
      return progress.positions.compactMap { number, position in
        (number < count) == (position <= total)
          ? nil
          : "lane \(name): write \(number) was the \(position)-th of all and is \(number < count ? "there" : "gone"), though \(total) are there"
      }
    }
    guard !progress.allowed.contains(count) else { return [] }
    return [
      "lane \(name): \(count) writes are there, \(progress.acknowledged) were acknowledged, \(progress.issued) begun"
        + (progress.lastIsUnchanged ? ", and the last one failed with the word that nothing was changed" : "")
    ]
  }

  /// Compares a context and its earlier versions, of which the store keeps the last ones.
  ///
  /// - Parameter levels: The levels of all versions since the context was made, the oldest first; empty if there is no context.
  private static func history(
    _ snapshot: borrowing MemorySnapshot, _ user: String, _ levels: ArraySlice<Int>, _ level: (UserContext) -> Int
  ) throws -> [String] {
    var problems: [String] = []
    let stored = try snapshot.context(for: user).map(level)
    if stored != levels.last {
      problems.append("the context of \(user) is \(stored.map(String.init) ?? "none"), expected \(levels.last.map(String.init) ?? "none")")
    }
    let found = try snapshot.history(for: user, limit: 2 * Lane.historyLimit).map { Version(number: $0.version, level: level($0.context)) }
    let all = levels.enumerated().map { Version(number: $0.offset + 1, level: $0.element) }
    let expected = Array(all.dropLast().suffix(Lane.historyLimit).reversed())
    if found != expected { problems.append("the history of \(user) is \(found), expected \(expected)") }
    return problems
  }

  private struct Version: Equatable, CustomStringConvertible {
    let number: Int
    let level: Int
    var description: String { "\(number): \(level)" }
  }

  private static func compare(
    _ snapshot: borrowing MemorySnapshot, _ expected: [MemoryID: LaneMemory], _ histories: [MemoryID: [LaneMemory]],
    _ optional: Set<MemoryID>, _ arrivals: [MemoryID: String], mayBeEmbedded: (LaneMemory) -> Bool
  ) throws -> [String] {
    func source(_ id: MemoryID) -> String { arrivals[id].map { ", \($0)," } ?? "" }
    var problems: [String] = []
    var missing = Set(expected.keys).subtracting(optional)
    try snapshot.forEachMemory { memory in
      missing.remove(memory.id)
      guard let lane = expected[memory.id], !optional.contains(memory.id) else {
        problems.append("memory \(memory.id) of '\(memory.userID)' must not be there")
        return problems.count < 10
      }
      let embedding = try snapshot.embedding(of: memory.id, for: memory.userID)
      let difference = StoredMemory.difference(memory, embedding, lane, mayBeEmbedded: mayBeEmbedded(lane))
      if let difference { problems.append("memory \(memory.id) of '\(memory.userID)'\(source(memory.id)) \(difference)") }
      let versions = try snapshot.history(of: memory.id, for: memory.userID, limit: 2 * Lane.historyLimit)
      let earlier = Array((histories[memory.id] ?? []).suffix(Lane.historyLimit).reversed())
      let differences = zip(versions, earlier).compactMap { StoredMemory.difference($0, $1) }
      if versions.count != earlier.count || !differences.isEmpty {
        let (found, expected) = (versions.map(\.version), earlier.map(\.version))
        problems.append(
          "memory \(memory.id) of '\(memory.userID)' has the earlier versions \(found) and not \(expected)"
            + (differences.first.map { ", or one \($0)" } ?? ""))
      }
      return problems.count < 10
    }
    if problems.count < 10, let id = missing.first {
      problems.append("\(missing.count) memories are missing, \(id) of '\(expected[id]?.userID ?? "")'\(source(id)) for one")
    }
    return problems
  }

  /// A few memories must each be the best hit for their own embedding, in a search that only finds their user's memories.
  private static func search(
    _ snapshot: borrowing MemorySnapshot, _ expected: [MemoryID: LaneMemory], _ optional: Set<MemoryID>, _ dimension: Int
  ) throws -> [String] {
    var problems: [String] = []
    for (id, memory) in expected.filter({ $0.value.hasEmbedding && !optional.contains($0.key) }).prefix(5) {
      let hits = try snapshot.search(
        SearchQuery(embedding: memory.embedding(dimension), scope: .user(memory.userID), limit: 5, includesSuperseded: true))
      if hits.first?.memory.text != memory.text { problems.append("memory \(id) is not found by its own embedding") }
      if hits.contains(where: { $0.memory.userID != memory.userID }) {
        problems.append("a search of '\(memory.userID)' found another user's memory")
      }
    }
    return problems
  }

  // MARK: Going on

  /// Writes, finds and deletes as any user would, and leaves nothing behind that a later check of the lanes would report.
  private mutating func writeAgain(_ store: MemoryStore, _ dimension: Int) async throws {
    let text = "written by the check"
    let embedding = Embedding(LaneMemory.components(of: text, dimension))
    let draft = MemoryDraft(userID: "checker", text: text, embedding: embedding)
    let updated = try await store.updateContext(for: "checker") { $0.with(conversationsCount: $0.conversationsCount + 1) }
    let id = try await store.add(draft).id
    let hits = try store.search(SearchQuery(embedding: embedding, scope: .user("checker"), limit: 3))
    if hits.map(\.memory.id) != [id] { violations.append("a memory that was added after the recovery is not found") }
    if try store.context(for: "checker") != updated { violations.append("a context that was written after the recovery is not there") }
    let changed = try await store.update(id, for: "checker", ifVersion: 1) { $0.with(kind: .some("changed")) }
    if try changed.version != 2 || store.history(of: id, for: "checker").map(\.version) != [1] {
      violations.append("a memory that was changed after the recovery has not its two versions")
    }
    try await store.delete(id, for: "checker")
  }

  private mutating func checkLeftovers() async throws {
    // Tasks that were running may hold the closed store a moment longer.
    let patience = ContinuousClock.now + .seconds(5)
    while !Self.descriptors(path).isEmpty, .now < patience { try await Task.sleep(for: .milliseconds(5)) }
    let before = Self.descriptors(path)
    if !before.isEmpty { violations.append("after the close these are still open: \(before.joined(separator: ", "))") }
    let store = try await MemoryStore.open(at: url)
    let readers = try store.status.readers.filter { $0.processID != ProcessInfo.processInfo.processIdentifier }
    if !readers.isEmpty { violations.append("reader slots of dead processes are still taken: \(readers)") }
    try await store.close()
    // Read after the close: an interrupted erasure may have been finished meanwhile, which makes another generation the live one.
    let generation = try String(contentsOfFile: "\(path)/current", encoding: .utf8).trimmingCharacters(in: .newlines)
    let known: Set = ["current", "open.lock", "alive.lock", "writer.lock", "rebuild.lock", generation]
    let names = try FileManager.default.contentsOfDirectory(atPath: path)
    for name in names where !known.contains(name) { violations.append("\(name) is left over in the store") }
    for trace in try ResidueCheck(states).traces(below: path) { violations.append(trace) }
    let beside = try FileManager.default.contentsOfDirectory(atPath: url.deletingLastPathComponent().path)
    for name in beside where name.hasPrefix("\(url.lastPathComponent).tmp-") { violations.append("\(name) is left over beside the store") }
  }

  /// The files that this process has open below the store.
  private static func descriptors(_ path: String) -> [String] {
    let links = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    return links.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)") }
      .filter { $0.hasPrefix("\(path)/") }
  }
}
