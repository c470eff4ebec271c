import Engram
import Foundation

/// Several processes on one store: runs the workers, then counts the contents of the store.
struct Soak {
  struct Summary: Codable {
    var seconds: Double
    var writers: Int
    var readers: Int
    var writes = 0
    var hitsVerified = 0
    var errors: [String] = []
    /// The time of a reader's whole round: a snapshot, a search, five verified rows, a context.
    var readerMaximumMilliseconds = 0.0
    var readerP99Milliseconds = 0.0
    var expectedMemories = 0
    var foundMemories = 0
    var expectedUpdates = 0
    var foundUpdates = 0
  }

  private let path: String
  private var summary: Summary

  init(_ arguments: [String]) throws {
    var rest = arguments[...]
    guard let path = rest.popFirst() else { throw StoreError(.invalidArgument, "soak needs the path of a store") }
    self.path = path
    var options = ["--seconds": "60", "--writers": "3", "--readers": "5"]
    while let name = rest.popFirst() {
      guard options[name] != nil, let value = rest.popFirst(), Double(value) != nil else {
        throw StoreError(.invalidArgument, "soak STORE [--seconds N] [--writers N] [--readers N]")
      }
      options[name] = value
    }
    summary = Summary(
      seconds: Double(options["--seconds"] ?? "") ?? 0, writers: Int(options["--writers"] ?? "") ?? 0,
      readers: Int(options["--readers"] ?? "") ?? 0)
  }

  mutating func run() async throws {
    let store = try await MemoryStore.open(at: URL(fileURLWithPath: path), options: StoreOptions(dimension: 8))
    let (memories, updates) = try totals(store)
    try await store.close()
    let reports = try await withThrowingTaskGroup(of: SoakWorker.Report.self) { group in
      for number in 0..<summary.writers { group.addTask { [path, summary] in try await Self.worker("soak-writer", path, summary, number) } }
      for number in 0..<summary.readers { group.addTask { [path, summary] in try await Self.worker("soak-reader", path, summary, number) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    summary.expectedMemories = memories
    summary.expectedUpdates = updates
    for report in reports {
      summary.errors += report.errors
      summary.expectedMemories += report.memories
      summary.expectedUpdates += report.updates
      if report.callMilliseconds.isEmpty { summary.writes += report.operations } else { summary.hitsVerified += report.operations }
      summary.readerMaximumMilliseconds = max(summary.readerMaximumMilliseconds, report.callMilliseconds.last ?? 0)
    }
    let times = reports.flatMap(\.callMilliseconds).sorted()
    if !times.isEmpty { summary.readerP99Milliseconds = times[times.count * 99 / 100] }
    let after = try await MemoryStore.open(at: URL(fileURLWithPath: path))
    (summary.foundMemories, summary.foundUpdates) = try totals(after)
    try await after.close()
    EngramTestChild.say(String(decoding: try JSONEncoder().encode(summary), as: UTF8.self))
  }

  private func totals(_ store: MemoryStore) throws -> (memories: Int, updates: Int) {
    try store.read { snapshot in
      var memories = 0
      try snapshot.forEachMemory { _ in
        memories += 1
        return true
      }
      var updates = 0
      for user in 0..<SoakWorker.users { updates += try snapshot.context(for: "user\(user)")?.conversationsCount ?? 0 }
      return (memories, updates)
    }
  }

  /// Runs one worker process to its end. Any end but a successful one is an error of the soak test.
  private static func worker(_ command: String, _ path: String, _ summary: Summary, _ number: Int) async throws -> SoakWorker.Report {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0])
    process.arguments = [command, path, "\(summary.seconds)", "\(number)"]
    let output = Pipe()
    process.standardOutput = output
    return try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(
          with: Result {
            try process.run()
            let bytes = output.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            guard process.terminationStatus == 0 else {
              let output = String(decoding: bytes, as: UTF8.self)
              return SoakWorker.Report(errors: ["\(command) \(number) ended with \(process.terminationStatus): \(output)"])
            }
            return try JSONDecoder().decode(SoakWorker.Report.self, from: bytes)
          })
      }
    }
  }
}
