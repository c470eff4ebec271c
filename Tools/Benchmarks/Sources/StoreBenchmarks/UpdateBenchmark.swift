import Engram
import Foundation

/// Writing: durable updates, one caller and 64, against raw LMDB committing durably one at a time.
struct UpdateBenchmark {
  let home: URL

  func run() async throws -> [Row] {
    let store = try await MemoryStore.open(at: home.appendingPathComponent("updates"))
    let rawPath = home.appendingPathComponent("raw-updates").path
    try FileManager.default.createDirectory(atPath: rawPath, withIntermediateDirectories: true)
    let raw = RawLMDB(path: rawPath)
    raw.put(0..<64, sizeBytes: 330)
    for user in 0..<64 { try await Self.update(store, user) }

    let commits = 200
    let single = try await interleaved(rounds: 7) {
      for index in 0..<commits { try await Self.update(store, index % 64) }
    } _: {
      for index in 0..<commits { raw.put(CollectionOfOne(index % 64), sizeBytes: 330) }
    }

    let updatesPerTask = 100
    let before = try store.status
    let concurrent = try await interleaved(rounds: 7) {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for user in 0..<64 {
          group.addTask { for _ in 0..<updatesPerTask { try await Self.update(store, user) } }
        }
        try await group.waitForAll()
      }
    } _: {
      for index in 0..<commits { raw.put(CollectionOfOne(index % 64), sizeBytes: 330) }
    }
    let after = try store.status
    try await store.close()
    let throughput = Double(64 * updatesPerTask) / concurrent.a
    let rawThroughput = Double(commits) / concurrent.b
    // The median of the ratios, because both rates of one pair were measured at about the same time.
    let ratio = Double(64 * updatesPerTask) / Double(commits) / concurrent.ratio
    let batch = Double(after.writes - before.writes) / Double(after.batches - before.batches)
    return [
      Row(
        name: "one durable update against one raw durable commit",
        measured:
          "\(number(single.ratio, digits: 2)) × (\(number(single.a / Double(commits) * 1e6)) against \(number(single.b / Double(commits) * 1e6)) µs)",
        target: "1.3 ×", isReached: single.ratio <= 1.3),
      Row(
        name: "64 concurrent durable updates against raw commits one at a time",
        measured: "\(number(ratio, digits: 1)) × (\(number(throughput)) against \(number(rawThroughput)) a second)",
        target: "4 ×", isReached: ratio >= 4),
      Row(name: "updates in a batch, mean", measured: number(batch, digits: 1), target: "32", isReached: batch >= 32),
    ]
  }

  private static func update(_ store: MemoryStore, _ user: Int) async throws {
    try await store.updateContext(for: "user-\(user)") { $0.with(conversationsCount: $0.conversationsCount + 1) }
  }
}
