import Engram
import Foundation

/// One process of the soak test: writes or reads until its time is over, then prints its results as one line of JSON.
struct SoakWorker {
  struct Report: Codable {
    var operations = 0
    var errors: [String] = []
    /// Memories and context updates that this writer must have left in the store.
    var memories = 0
    var updates = 0
    /// The times of a reader's calls in milliseconds, sorted and thinned to a few thousand; the last one is the longest.
    var callMilliseconds: [Double] = []
  }

  private let url: URL
  private let deadline: ContinuousClock.Instant
  private let name: String

  static let users = 20

  init(_ arguments: [String]) throws {
    url = URL(fileURLWithPath: arguments[0])
    deadline = .now + .milliseconds(Int((Double(arguments[1]) ?? 0) * 1000))
    name = arguments[2]
  }

  /// Updates contexts, adds memories one by one and in batches, and deletes some of its own, with eight tasks at a time.
  func write() async throws {
    let store = try await MemoryStore.open(at: url)
    let report = await withTaskGroup(of: Report.self) { group in
      for task in 0..<8 { group.addTask { await writeTask(store, task) } }
      return await group.reduce(into: Report()) { total, part in
        total.operations += part.operations
        total.errors += part.errors
        total.memories += part.memories
        total.updates += part.updates
      }
    }
    try await store.close()
    try Self.print(report)
  }

  private func writeTask(_ store: MemoryStore, _ task: Int) async -> Report {
    var report = Report()
    var own: [(MemoryID, String)] = []
    var number = 0
    do {
      while ContinuousClock.now < deadline {
        let user = "user\((number + task) % Self.users)"
        try await store.updateContext(for: user) { $0.with(conversationsCount: $0.conversationsCount + 1) }
        report.updates += 1
        let drafts = (0..<(number % 5 == 0 ? 6 : 1)).map { part in
          var draft = SoakVector.draft(user: user, number: number * 10 + part)
          draft.text += "/\(name)/\(task)"
          draft.embedding = Embedding(SoakVector.components(of: draft.text))
          return draft
        }
        own += try await store.add(drafts).map { ($0.id, user) }
        report.memories += drafts.count
        if number % 3 == 2 {
          let (id, owner) = own.remove(at: number % own.count)
          guard try await store.delete(id, for: owner) else { throw StoreError(.notFound, "memory \(id) was added and is gone") }
          report.memories -= 1
        }
        report.operations += 3
        number += 1
      }
    } catch {
      report.errors.append("writer \(name): \(error)")
    }
    return report
  }

  /// Searches and checks every hit's row against its checksum and against its text.
  func read() async throws {
    let store = try await MemoryStore.open(at: url, options: StoreOptions(access: .readOnly))
    var report = Report()
    var times: [Double] = []
    var number = 0
    do {
      while ContinuousClock.now < deadline {
        let user = "user\(number % Self.users)"
        let query = SearchQuery(
          embedding: Embedding(SoakVector.components(of: "query\(number)")), scope: number % 7 == 0 ? .all : .user(user), limit: 5)
        let start = ContinuousClock.now
        try store.read { snapshot in
          let hits = try snapshot.search(query)
          for hit in hits {
            guard let embedding = try snapshot.embedding(of: hit.memory.id, for: hit.memory.userID) else {
              throw StoreError(.notFound, "the hit \(hit.memory.id) has no embedding in its own snapshot")
            }
            guard SoakVector.matches(embedding, hit.memory.text) else {
              throw StoreError(.corrupted, "the embedding of \(hit.memory.id) is not that of its text")
            }
            report.operations += 1
          }
          _ = try snapshot.context(for: user)
        }
        times.append(Double((ContinuousClock.now - start) / .microseconds(1)) / 1000)
        number += 1
      }
    } catch {
      report.errors.append("reader \(name): \(error)")
    }
    times.sort()
    let step = max(1, times.count / 2000)
    report.callMilliseconds = stride(from: (times.count - 1) % step, to: times.count, by: step).map { times[$0] }
    try await store.close()
    try Self.print(report)
  }

  private static func print(_ report: Report) throws {
    EngramTestChild.say(String(decoding: try JSONEncoder().encode(report), as: UTF8.self))
  }
}
