import Engram
import Foundation
import Metrics
import Synchronization

/// Uses a store in every way that is counted, and prints what a metrics backend has received: a program can have one backend only.
enum MetricsCommand {
  /// Prints `LABEL COUNT` for each counter and `LABEL times COUNT` for each timer, sorted.
  static func run(_ path: String) async throws {
    let backend = Backend()
    MetricsSystem.bootstrap(backend)
    let store = try await MemoryStore.open(at: URL(fileURLWithPath: path), options: StoreOptions(embedder: HashingEmbedder()))
    for number in 0..<3 { try await store.add(MemoryDraft(userID: "u", text: "memory \(number)")) }
    let embedding = try await HashingEmbedder().embed(["memory"])[0]
    let query = SearchQuery(embedding: embedding, scope: .user("u"))
    _ = try await store.search("memory", scope: .user("u"))
    _ = try store.search(query)
    _ = try store.search(batch: [query, query])
    _ = try store.search(TextQuery("memory", scope: .user("u")))
    let snapshot = try store.snapshot()
    _ = try snapshot.search(query)
    _ = try snapshot.search(batch: [query, query, query])
    _ = try snapshot.search(TextQuery("memory", scope: .user("u")))
    do {
      _ = try snapshot.search(SearchQuery(embedding: [1], scope: .user("u")))
    } catch let error as StoreError where error.code == .dimensionMismatch {
      // Counted as a failure.
    }
    snapshot.end()
    try await store.close()
    for line in backend.lines() { EngramTestChild.say(line) }
  }

  private final class Backend: MetricsFactory {
    private let received = Mutex<[String: Int]>([:])

    func lines() -> [String] { received.withLock { $0.map { "\($0.key) \($0.value)" }.sorted() } }

    fileprivate func add(_ amount: Int, to label: String) { received.withLock { $0[label, default: 0] += amount } }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler { Handler(label: label, backend: self) }
    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
      Handler(label: label, backend: self)
    }
    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { Handler(label: label + " times", backend: self) }
    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}
  }

  private final class Handler: CounterHandler, RecorderHandler, TimerHandler {
    let label: String
    let backend: Backend

    init(label: String, backend: Backend) {
      self.label = label
      self.backend = backend
    }

    func increment(by amount: Int64) { backend.add(Int(amount), to: label) }
    func reset() {}
    func record(_ value: Int64) { backend.add(1, to: label) }
    func record(_ value: Double) { backend.add(1, to: label) }
    func recordNanoseconds(_ duration: Int64) { backend.add(duration >= 0 ? 1 : 0, to: label) }
  }
}
