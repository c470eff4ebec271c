import ArgumentParser
import Engram
import Foundation
import Synchronization

/// A process of its own that reads or writes as fast as it can, and reports its waits for each line that it is sent.
struct LifecycleWorker: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "lifecycle-worker", shouldDisplay: false)

  enum Role: String, ExpressibleByArgument {
    case reader, writer
  }

  @Argument var role: Role
  @Argument var store: String
  @Option var users = 600
  /// Users that the writer writes for, the first ones.
  @Option var writtenUsers = 60
  @Option var seed: UInt64 = 1

  func run() async throws {
    let store = try await MemoryStore.open(at: URL(fileURLWithPath: store), options: StoreOptions(createsIfMissing: false))
    let commands = Commands()
    var generator = Generator(state: seed)
    var waits: [String: Waits] = [:]
    var told = 0
    try tell([:])
    while !commands.isEnded {
      switch role {
      case .reader: Self.read(store, "user-\(Int.random(in: 0..<users, using: &generator))", &generator, &waits)
      case .writer: await Self.write(store, "user-\(Int.random(in: 0..<writtenUsers, using: &generator))", &generator, &waits)
      }
      if commands.received > told {
        told += 1
        try tell(waits)
        waits = [:]
      }
    }
    try await store.close()
  }

  private static func read(_ store: MemoryStore, _ user: String, _ generator: inout Generator, _ waits: inout [String: Waits]) {
    let query = SearchQuery(embedding: LifecycleData.randomEmbedding(&generator), scope: .user(user))
    do {
      let start = ContinuousClock.now
      let snapshot = try store.snapshot()
      waits["snapshot", default: Waits()].add(milliseconds(since: start))
      waits["search", default: Waits()].measure {
        let hits = try snapshot.search(query)
        precondition(hits.allSatisfy { $0.memory.userID == user })
      }
      waits["context", default: Waits()].measure { try snapshot.context(for: user) }
    } catch {
      waits["snapshot", default: Waits()].fail(error)
    }
  }

  private static func write(_ store: MemoryStore, _ user: String, _ generator: inout Generator, _ waits: inout [String: Waits]) async {
    await waits["update", default: Waits()].measure { try await store.updateContext(for: user, message: "Hi", response: "Hello!") }
    let draft = MemoryDraft(userID: user, text: "said while the files were rebuilt", embedding: LifecycleData.randomEmbedding(&generator))
    await waits["add", default: Waits()].measure { try await store.add(draft) }
  }

  private func tell(_ waits: [String: Waits]) throws {
    FileHandle.standardOutput.write(try JSONEncoder().encode(waits) + Data("\n".utf8))
  }

  /// The lines that came in on standard input, counted by a thread.
  private final class Commands: Sendable {
    private let count = Atomic(0)
    private let ended = Atomic(false)

    var received: Int { count.load(ordering: .acquiring) }
    var isEnded: Bool { ended.load(ordering: .acquiring) }

    init() {
      Thread.detachNewThread { [self] in
        while let line = readLine(), line != WorkerProcess.ending { count.add(1, ordering: .acquiringAndReleasing) }
        ended.store(true, ordering: .releasing)
      }
    }
  }
}
