import ArgumentParser
import Engram
import Foundation

/// The store's calls one by one, side by side with raw LMDB.
struct Speed: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures the store against its numbers, side by side with raw LMDB.",
    discussion: "Writes to a temporary directory beneath --directory, so choose one on the disk that you want to know about.")

  @Option(help: "Where the stores are made.") var directory = FileManager.default.temporaryDirectory.path
  @Option(help: "Memories in the store that is opened and searched.") var memories = 60_000
  @Option(help: "Users that they belong to.") var users = 600
  @Option(help: "Only this part.") var only: Part?
  @Option(help: "A release build of memtool; with it, imports are measured.") var memtool: String?

  enum Part: String, ExpressibleByArgument, CaseIterable {
    case contexts, updates, memories, texts
  }

  func run() async throws {
    let home = URL(fileURLWithPath: directory).appendingPathComponent("engram-benchmarks-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: home) }
    print(
      "\(RawLMDB.version); \(ProcessInfo.processInfo.activeProcessorCount) processors; \(memories) memories of \(users) users, 384 dimensions"
    )
    var rows: [Row] = []
    if only == nil || only == .contexts { rows += try await ContextBenchmark(home: home).run() }
    if only == nil || only == .updates { rows += try await UpdateBenchmark(home: home).run() }
    if only == nil || only == .memories {
      rows += try await MemoryBenchmark(home: home, memories: memories, users: users, memtool: memtool).run()
    }
    if only == nil || only == .texts { rows += try await TextBenchmark(home: home).run() }
    Row.print(rows)
  }
}
