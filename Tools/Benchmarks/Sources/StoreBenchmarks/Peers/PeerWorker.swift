import ArgumentParser
import Engram
import Foundation

/// Engram's side of `Tools/peers`: one call for each line of standard input, its times as one line of standard output.
///
/// The driver decides when: it runs a round of this program and then one of each peer, so that a change of the machine's speed affects
/// all of them.
struct PeerWorker: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "peer-worker", shouldDisplay: false)

  @Argument(help: "A folder of data that Tools/peers made, for each set.") var folders: [String]

  func run() async throws {
    var sets: [String: PeerData] = [:]
    for folder in folders {
      let url = URL(fileURLWithPath: folder)
      sets[url.lastPathComponent] = try PeerData(url)
    }
    var stores: [String: MemoryStore] = [:]
    try PeerAnswer().write()
    while let line = readLine() {
      let call = try JSONDecoder().decode(PeerCall.self, from: Data(line.utf8))
      switch call.call {
      case .open:
        stores[call.store] = try await MemoryStore.open(
          at: URL(fileURLWithPath: call.store), options: StoreOptions(dimension: PeerData.dimension))
        try PeerAnswer().write()
      case .close:
        try await stores.removeValue(forKey: call.store)?.close()
        try PeerAnswer().write()
      default:
        guard let store = stores[call.store], let data = call.data.flatMap({ sets[$0] }) else {
          throw PeerFailure(message: "\(call.store) is not open, or there is no data for it: \(line)")
        }
        try await call.run(store, data).write()
      }
    }
    for store in stores.values { try await store.close() }
  }
}

/// A call that the driver asks for: a line of JSON.
struct PeerCall: Decodable {
  enum Name: String, Decodable {
    case open, close
    /// Searches by text, each timed.
    case search
    /// Adds one memory after the other, each in a commit of its own and timed.
    case add
    /// Adds batches, each in one commit and timed.
    case addBatches
  }

  let call: Name
  let store: String
  /// The name of the folder of the data.
  var data: String?
  var user: String?
  var mode: SearchMode?
  var limit: Int?
  /// Numbers of the queries.
  var queries: [Int]?
  /// The first memory to add, and how many.
  var first: Int?
  var count: Int?
  var batch: Int?

  func run(_ store: MemoryStore, _ data: PeerData) async throws -> PeerAnswer {
    var answer = PeerAnswer()
    let processorTime = PeerAnswer.processorTime()
    switch call {
    case .search:
      guard let queries, let user, let mode, let limit else { throw PeerFailure(message: "a search needs queries, user, mode and limit") }
      for number in queries {
        let query = TextQuery(
          data.queries[number].text, embedding: mode == .lexical ? nil : data.queries[number].embedding, scope: .user(user), mode: mode,
          limit: limit)
        let start = ContinuousClock.now
        let hits = try store.search(query)
        answer.seconds.append((ContinuousClock.now - start) / .seconds(1))
        answer.texts.append(hits.map(\.memory.text))
      }
    case .add, .addBatches:
      guard let first, let count else { throw PeerFailure(message: "adding needs first and count") }
      let step = call == .add ? 1 : batch ?? 1000
      for start in stride(from: first, to: first + count, by: step) {
        let drafts = (start..<min(start + step, first + count)).map { data.draft($0) }
        answer.seconds.append(
          try await seconds { if call == .add { try await store.add(drafts[0]) } else { try await store.add(drafts) } })
      }
    case .open, .close: break
    }
    answer.processorSeconds = PeerAnswer.processorTime() - processorTime
    return answer
  }
}

/// The result of a call.
struct PeerAnswer: Encodable {
  /// The time of each search, memory or batch.
  var seconds: [Double] = []
  /// The processor time of all threads in the whole call.
  var processorSeconds = 0.0
  /// The texts that each search found, best first.
  var texts: [[String]] = []
  /// The scores of the memories that each search by vector found, best first.
  var scores: [[Float]] = []
  /// Writes and commits of the store so far.
  var writes: UInt64?
  var batches: UInt64?

  /// Writes the answer to standard output, as one line of JSON.
  func write() throws {
    FileHandle.standardOutput.write(try JSONEncoder().encode(self) + Data("\n".utf8))
  }

  static func processorTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}

struct PeerFailure: Error {
  let message: String
}
