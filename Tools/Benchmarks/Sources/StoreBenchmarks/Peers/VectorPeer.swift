import ArgumentParser
import Engram
import Foundation

/// Engram's side of `Tools/peers vectors`: one call for each line of standard input, as for ``PeerWorker``.
struct VectorPeer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "peer-vectors", shouldDisplay: false)

  @Argument(help: "Queries: rows of float32.") var queries: String

  func run() async throws {
    let queries = try PeerData.rows(URL(fileURLWithPath: queries))
    var stores: [String: MemoryStore] = [:]
    try PeerAnswer().write()
    while let line = readLine() {
      let call = try JSONDecoder().decode(VectorCall.self, from: Data(line.utf8))
      if call.call == .open {
        stores[call.store] = try await MemoryStore.open(
          at: URL(fileURLWithPath: call.store), options: StoreOptions(dimension: PeerData.dimension))
      }
      guard let store = stores[call.store] else { throw PeerFailure(message: "\(call.store) is not open: \(line)") }
      try await call.run(store, queries).write()
      if call.call == .close { stores[call.store] = nil }
    }
    for store in stores.values { try await store.close() }
  }
}

/// A call that the driver asks for: a line of JSON.
struct VectorCall: Decodable {
  enum Name: String, Decodable {
    case open, close
    /// Adds rows in batches, each in one commit and timed. The text of a memory is the number of its row.
    case fill
    /// Searches by vector, each timed.
    case search
    /// The same in one batch.
    case searchBatch
  }

  let call: Name
  let store: String
  /// A file of rows of float32, and one with two Int32 for each: the number of its user, and 1 if its kind is `marked`.
  var rows: String?
  var owners: String?
  var count: Int?
  /// The number of the user whose memories are searched; nil: all users.
  var user: Int32?
  /// The kind of the memories that are searched; nil: all kinds.
  var kind: String?
  var limit: Int?
  /// The share of the results that a fast search is to find; nil: the search is exact.
  var recall: Double?
  /// Numbers of the queries.
  var queries: [Int]?

  func run(_ store: MemoryStore, _ vectors: [Embedding]) async throws -> PeerAnswer {
    var answer = PeerAnswer()
    let processorTime = PeerAnswer.processorTime()
    switch call {
    case .open: break
    case .close: try await store.close()
    case .fill: try await fill(store, &answer)
    case .search, .searchBatch:
      guard let queries, let limit else { throw PeerFailure(message: "a search needs queries and limit") }
      let asked = queries.map { number in
        SearchQuery(
          embedding: vectors[number], scope: user.map { .user("user\($0)") } ?? .all, limit: limit, filter: kind.map { .kind($0) },
          precision: recall.map { .fast(recall: $0) } ?? .exact)
      }
      var found: [[SearchResult]] = []
      if call == .search {
        for query in asked { answer.seconds.append(try await seconds { found.append(try store.search(query)) }) }
      } else {
        answer.seconds.append(try await seconds { found = try store.search(batch: asked) })
      }
      answer.texts = found.map { $0.map(\.memory.text) }
      answer.scores = found.map { $0.map(\.score) }
    }
    answer.processorSeconds = PeerAnswer.processorTime() - processorTime
    return answer
  }

  private func fill(_ store: MemoryStore, _ answer: inout PeerAnswer) async throws {
    guard let rows, let owners, let count else { throw PeerFailure(message: "filling needs rows, owners and count") }
    let vectors = try Data(contentsOf: URL(fileURLWithPath: rows), options: .alwaysMapped)
    let numbers = try Data(contentsOf: URL(fileURLWithPath: owners))
    let rowBytes = PeerData.dimension * MemoryLayout<Float>.stride
    guard vectors.count >= count * rowBytes, numbers.count >= count * 8 else { throw PeerFailure(message: "\(rows) has not \(count) rows") }
    for start in stride(from: 0, to: count, by: 1000) {
      let drafts = (start..<min(start + 1000, count)).map { row -> MemoryDraft in
        let owner = numbers.withUnsafeBytes {
          (
            user: $0.loadUnaligned(fromByteOffset: row * 8, as: Int32.self),
            isMarked: $0.loadUnaligned(fromByteOffset: row * 8 + 4, as: Int32.self) == 1
          )
        }
        let values = vectors.withUnsafeBytes { Array($0[(row * rowBytes)..<((row + 1) * rowBytes)].bindMemory(to: Float.self)) }
        return MemoryDraft(
          userID: "user\(owner.user)", text: "\(row)", embedding: Embedding(values), kind: owner.isMarked ? "marked" : "note")
      }
      answer.seconds.append(try await seconds { try await store.add(drafts) })
    }
  }
}
