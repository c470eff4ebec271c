import ArgumentParser
import Engram
import Foundation

struct Lifecycle: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compacts, backs up, forgets and moves to another embedder under load, and looks at what came of it.",
    discussion: """
      Works on stores that it makes beneath --directory: of --vectors and --texts, or of random unit vectors of the same shape. With \
      --store it works on that one, and changes it: give it a copy.
      """)

  @Option(help: "Where the stores are made.") var directory = FileManager.default.temporaryDirectory.path
  @Option(help: "A store with users named user-0, user-1 and so on.") var store: String?
  @Option(help: "A .npy of float16, 384 columns.") var vectors: String?
  @Option(help: "A gzipped text of as many lines.") var texts: String?
  @Option(help: "Users that the memories belong to.") var users = 600
  @Option(help: "Memories where --vectors is missing.") var memories = 60_000
  @Option(help: "Memories of the stores that 64 tasks write to.") var crowdedMemories = 100_000
  @Option(help: "Processes that read during the first compaction.") var readers = 3
  @Option(help: "How often the compaction and the backup among 64 writers are repeated.") var rounds = 3
  @Option(help: "Only this part.") var only: Part?
  @Option(help: "A release build of memtool; with it, exports are compared.") var memtool: String?
  @Flag(help: "Print one JSON object instead of a table.") var json = false

  enum Part: String, ExpressibleByArgument, CaseIterable {
    case compaction, crowd, forget, reembed
  }

  func validate() throws {
    if (vectors == nil) != (texts == nil) { throw ValidationError("--vectors and --texts go together.") }
    if users < 100 { throw ValidationError("--users must be at least 100.") }
  }

  func run() async throws {
    let home = URL(fileURLWithPath: directory).appendingPathComponent("engram-lifecycle-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: home) }
    var rows: [Row] = []
    if only != .crowd, only != .reembed {
      let url = try await madeStore(home)
      if only != .forget {
        rows += try await CompactionUnderLoad(url: url, users: users, memtool: memtool, readers: readers).run()
      }
      if only != .compaction { rows += try await ForgettingWithProof(url: url, userID: "user-\(users / 2)").run() }
    }
    if only == nil || only == .crowd { rows += try await CrowdedStore(home: home, memories: crowdedMemories, rounds: rounds).run() }
    if only == nil || only == .reembed { rows += try await AnotherEmbedder(home: home, memories: crowdedMemories).run() }
    if json { try printJSON(rows) } else { Row.print(rows) }
  }

  private func madeStore(_ home: URL) async throws -> URL {
    if let store { return URL(fileURLWithPath: store) }
    let url = home.appendingPathComponent("lifecycle")
    let store = try await MemoryStore.open(at: url, options: StoreOptions(dimension: LifecycleData.dimension))
    let data =
      if let vectors, let texts { try LifecycleData(vectors: vectors, texts: texts) } else { LifecycleData(count: memories) }
    try await data.fill(store, users: users)
    try await store.close()
    if !json {
      print(
        "\(RawLMDB.version); \(ProcessInfo.processInfo.activeProcessorCount) processors; \(data.embeddings.count) "
          + "\(data.isReal ? "real" : "random") embeddings of \(users) users")
    }
    return url
  }

  private struct Outcome: Encodable {
    let processors: Int
    let load: String
    let rows: [Row]
  }

  private func printJSON(_ rows: [Row]) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    let outcome = Outcome(processors: ProcessInfo.processInfo.activeProcessorCount, load: Machine.load, rows: rows)
    print(String(decoding: try encoder.encode(outcome), as: UTF8.self))
  }
}
