import ArgumentParser
import Engram
import Foundation

/// Engram's side of `Tools/peers records`, and that of raw LMDB: one call for each line of standard input, as for ``PeerWorker``.
struct RecordPeer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "peer-records", shouldDisplay: false)

  func run() async throws {
    var sides: [String: any RecordSide] = [:]
    try PeerAnswer().write()
    while let line = readLine() {
      let call = try JSONDecoder().decode(RecordCall.self, from: Data(line.utf8))
      switch call.call {
      case .open: sides[call.store] = try await StoreSide(call.store)
      case .openRaw: sides[call.store] = try RawSide(call.store)
      default: break
      }
      guard let side = sides[call.store] else { throw PeerFailure(message: "\(call.store) is not open: \(line)") }
      try await call.run(side).write()
      if call.call == .close { sides[call.store] = nil }
    }
    for side in sides.values { try await side.close() }
  }
}

/// A call that the driver asks for: a line of JSON. Times are those of one record: a call's time by its number of records.
struct RecordCall: Decodable {
  enum Name: String, Decodable {
    case open, openRaw, close
    /// Stores contexts of the users 0 to `count`, not timed.
    case fill
    /// Reads the contexts of `users`.
    case read
    /// Changes contexts, each in a durable commit or in one with those of other tasks.
    case update
    /// Adds memories with embeddings in batches, each in one durable commit.
    case add
    /// Nothing: the answer has the counters of the store.
    case count
  }

  let call: Name
  let store: String
  var users: [Int]?
  var count: Int?
  /// Tasks that update at once, and the updates of each.
  var tasks: Int?
  var updates: Int?
  /// The number of the first memory, and how many a batch has.
  var first: Int?
  var batch: Int?

  func run(_ side: any RecordSide) async throws -> PeerAnswer {
    var answer = PeerAnswer()
    let processorTime = PeerAnswer.processorTime()
    var records = 1
    var time = 0.0
    switch call {
    case .open, .openRaw, .count: break
    case .close: try await side.close()
    case .fill: try await side.fill(count ?? 0)
    case .read:
      guard let users else { throw PeerFailure(message: "reading needs users") }
      records = users.count
      let names = users.map { "user-\($0)" }
      time = try await seconds { try side.read(users, names) }
    case .update:
      guard let tasks, let updates else { throw PeerFailure(message: "updating needs tasks and updates") }
      records = try await side.count(tasks: tasks, updates: updates)
      time = try await seconds { try await side.update(tasks: tasks, updates: updates) }
    case .add:
      guard let first, let count, let batch else { throw PeerFailure(message: "adding needs first, count and batch") }
      records = count
      let batches = stride(from: first, to: first + count, by: batch).map { $0..<min($0 + batch, first + count) }
      let prepared = batches.map { $0.map { PeerMemory($0) } }
      time = try await seconds { for memories in prepared { try await side.add(memories) } }
    }
    answer.seconds = [time / Double(max(records, 1))]
    answer.processorSeconds = (PeerAnswer.processorTime() - processorTime) / Double(max(records, 1))
    if call != .close { (answer.writes, answer.batches) = try side.counters() }
    return answer
  }
}

/// A memory that every side stores: text, user and vector depend on its number alone.
struct PeerMemory {
  let number: Int
  let embedding: Embedding

  var user: String { "user-\(number % 200)" }
  var text: String { "What was said in exchange \(number), as short as messages are" }

  init(_ number: Int) {
    var generator = Generator(state: UInt64(number))
    self.number = number
    embedding = Embedding((0..<PeerData.dimension).map { _ in Float.random(in: -1...1, using: &generator) })
  }
}

/// A side of the comparison of records.
protocol RecordSide {
  func fill(_ count: Int) async throws
  func read(_ users: [Int], _ names: [String]) throws
  /// How many updates `update` makes.
  func count(tasks: Int, updates: Int) async throws -> Int
  func update(tasks: Int, updates: Int) async throws
  func add(_ memories: [PeerMemory]) async throws
  func counters() throws -> (writes: UInt64?, batches: UInt64?)
  func close() async throws
}

struct StoreSide: RecordSide {
  private let store: MemoryStore

  init(_ path: String) async throws {
    store = try await MemoryStore.open(at: URL(fileURLWithPath: path), options: StoreOptions(dimension: PeerData.dimension))
  }

  func fill(_ count: Int) async throws {
    for start in stride(from: 0, to: count, by: 5000) {
      try await store.write { transaction in
        for user in start..<min(start + 5000, count) { try transaction.put(ContextBenchmark.context(user)) }
      }
    }
  }

  func read(_ users: [Int], _ names: [String]) throws {
    var found = 0
    for name in names where try store.context(for: name) != nil { found += 1 }
    guard found == names.count else { throw PeerFailure(message: "\(names.count - found) contexts are missing") }
  }

  func count(tasks: Int, updates: Int) -> Int { tasks * updates }

  func update(tasks: Int, updates: Int) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for user in 0..<tasks {
        group.addTask {
          for _ in 0..<updates {
            try await store.updateContext(for: "user-\(user)") { $0.with(conversationsCount: $0.conversationsCount + 1) }
          }
        }
      }
      try await group.waitForAll()
    }
  }

  func add(_ memories: [PeerMemory]) async throws {
    try await store.add(memories.map { MemoryDraft(userID: $0.user, text: $0.text, embedding: $0.embedding) })
  }

  func counters() throws -> (writes: UInt64?, batches: UInt64?) {
    let status = try store.status
    return (UInt64(status.writes), UInt64(status.batches))
  }

  func close() async throws { try await store.close() }
}

/// Raw LMDB: values of the size of Engram's records, which are not decoded. One thread commits each update, whatever the number of tasks:
/// further threads would wait for LMDB's lock.
struct RawSide: RecordSide {
  /// Bytes of the record of a context as Engram stores it.
  private static let contextBytes = 330
  private let raw: RawLMDB

  init(_ path: String) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    raw = RawLMDB(path: path)
  }

  func fill(_ count: Int) { raw.put(0..<count, sizeBytes: Self.contextBytes) }

  func read(_ users: [Int], _ names: [String]) throws {
    guard raw.get(users) == users.count * Self.contextBytes else { throw PeerFailure(message: "contexts are missing") }
  }

  func count(tasks: Int, updates: Int) -> Int { updates }

  func update(tasks: Int, updates: Int) {
    for number in 0..<updates { raw.put(CollectionOfOne(number % 64), sizeBytes: Self.contextBytes) }
  }

  func add(_ memories: [PeerMemory]) {
    raw.put(memories.map(\.number).map { 1 << 32 + $0 }, sizeBytes: PeerData.dimension * MemoryLayout<Float>.stride + 100)
  }

  func counters() -> (writes: UInt64?, batches: UInt64?) { (nil, nil) }

  func close() {}
}
